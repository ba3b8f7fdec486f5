import { optionsOf, type Command } from '../command'
import type { Finding } from './finding'
import { checkLocal } from './local'
import { loadDotenv } from '../dotenv'
import { checkRemote } from './remote'
import { routesAt } from '../target'
import { paint, print, sanitize, sanitizeJson, withSpinner } from '../terminal'

export const doctor: Command = {
  summary: 'find out what is wrong, with one login',
  usage: '[options]',
  help: `Checks the environment, the name, the connection, TLS, the clock, the endpoint, the credential (with one login),
the storage, and whether its key opens what is stored. The login is made under a name of its own: the stored token
stays as it is. The exit code is 1 when a check failed.

Options:
  --endpoint URL   asks a running app through its routes instead, such as http://localhost:3000/api/token: that
                   sees what is configured in code. It sends EVERTOKEN_ADMIN_SECRET, if set
  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`,
  async run(args) {
    const { json, endpoint } = optionsOf('doctor', args, options)
    const dotenv = loadDotenv(process.cwd())
    const findings: Finding[] = []
    const examination = endpoint === undefined ? checkLocal(dotenv) : checkRemote(routesAt(endpoint))
    for (;;) {
      const { value, done } = await withSpinner('examining', examination.next())
      if (done) break
      findings.push(value)
      if (!json) print(lineOf(value))
    }
    const failed = findings.filter(({ outcome }) => outcome === 'failed').length
    if (json) print(sanitizeJson({ ok: failed === 0, checks: findings }))
    else
      print(
        failed === 0
          ? paint('green', '\nAll is well.')
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
