import { optionsOf, type Command } from '../command'
import type { Finding } from './finding'
import { checkLocal } from './local'
import { loadDotenv } from '../dotenv'
import { checkRemote } from './remote'
import { routesAt } from '../target'
import { paint, print, sanitize, sanitizeJson, withSpinner } from '../terminal'

export const doctor: Command = {
  summary: 'check the configuration by logging in once',
  usage: '[options]',
  help: `Checks the environment, the host name, the connection, TLS, the clock, the endpoint, the credential (by logging in
once), the storage, and whether the key decrypts the stored token. The login uses a separate service name, so the
stored token stays unchanged. The exit code is 1 if a check failed.

Options:
  --endpoint URL   checks a running app instead, through its routes, such as http://localhost:3000/api/token. This
                   includes what is configured in code. Sends EVERTOKEN_ADMIN_SECRET, if set
  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`,
  async run(args) {
    const { json, endpoint } = optionsOf('doctor', args, options)
    const dotenv = loadDotenv(process.cwd())
    const findings: Finding[] = []
    const examination = endpoint === undefined ? checkLocal(dotenv) : checkRemote(routesAt(endpoint))
    for (;;) {
      const { value, done } = await withSpinner('checking', examination.next())
      if (done) break
      findings.push(value)
      if (!json) print(lineOf(value))
    }
    const failed = findings.filter(({ outcome }) => outcome === 'failed').length
    if (json) print(sanitizeJson({ ok: failed === 0, checks: findings }))
    else
      print(
        failed === 0
          ? paint('green', '\nAll checks passed.')
          : paint('red', `\n${failed} of ${findings.length} checks failed.`),
      )
    return failed === 0 ? 0 : 1
  },
}

const options = { json: { type: 'boolean', default: false }, endpoint: { type: 'string' } } as const

const signs = {
  passed: paint('green', '✔'),
  warned: paint('yellow', '!'),
  failed: paint('red', '✘'),
  skipped: paint('dim', '–'),
} as const

function lineOf({ check, outcome, detail, said, remedy, help }: Finding): string {
  const lines = [`${signs[outcome]} ${check.padEnd(12)}${sanitize(detail)}`]
  if (said !== undefined) lines.push(sanitize(said))
  if (remedy !== undefined) lines.push(paint('bold', sanitize(remedy)))
  if (help !== undefined) lines.push(paint('dim', sanitize(help)))
  return lines.join(`\n${' '.repeat(14)}`)
}
