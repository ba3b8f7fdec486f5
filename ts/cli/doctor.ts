import { optionsOf, type Command } from './command'
import { examine, type Finding } from './examination'
import { loadDotenv } from './dotenv'
import { paint, print, spinning } from './terminal'

export const doctor: Command = {
  summary: 'find out what is wrong, with one login',
  usage: '[--json]',
  help: `Checks the environment, the name, the connection, TLS, the clock, the endpoint, the credential (with one login),
the storage and its key. The login is made under a name of its own: the stored token stays as it is. The exit code is 1
when a check failed.

  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`,
  async run(args) {
    const { json } = optionsOf('doctor', args, { json: { type: 'boolean', default: false } })
    const files = loadDotenv(process.cwd())
    const findings: Finding[] = []
    const examination = examine(files)
    for (;;) {
      const { value, done } = await spinning('examining', examination.next())
      if (done) break
      findings.push(value)
      if (!json) print(lineOf(value))
    }
    const failed = findings.filter(({ outcome }) => outcome === 'failed').length
    if (json) print(JSON.stringify({ ok: failed === 0, checks: findings }, null, 2))
    else print(failed === 0 ? paint('green', '\nAll is well.') : paint('red', `\n${failed} of ${findings.length} checks failed.`))
    return failed === 0 ? 0 : 1
  },
}

const signs = {
  passed: paint('green', '✔'),
  warned: paint('yellow', '!'),
  failed: paint('red', '✘'),
  skipped: paint('dim', '–'),
} as const

function lineOf({ check, outcome, detail, remedy }: Finding): string {
  const first = `${signs[outcome]} ${check.padEnd(12)}${detail}`
  return remedy === undefined ? first : `${first}\n${' '.repeat(14)}${paint('bold', remedy)}`
}
