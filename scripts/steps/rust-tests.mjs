// The Rust core's tests, with the engines that they need, and the model of its leases. Without default features no line of
// napi is compiled: the core stands alone.
import { withEngines } from '../support/engines.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const rustTests = {
  name: 'rust',
  async run() {
    const args = ['test', '--locked', '--no-default-features']
    return withEngines(async ({ env, reasons }) => {
      const result = await run('cargo', args, { env, limitMs: 30 * 60_000 })
      const { closing } = settle(result, 'cargo test', closingLines(result.output))
      const model = await run('cargo', exploration, { limitMs: 10 * 60_000 })
      const lines = [...closing, ...modelLines(model.output), ...reasons]
      return settle(model, `cargo ${exploration.join(' ')}`, lines)
    })
  },
}

/** The protocol of leases, in every state that it can be in. One test at a time: each uses both cores. */
const exploration = [
  ...['test', '--locked', '-p', 'evertoken-model'],
  ...['--', '--nocapture', '--test-threads', '1'],
]

/** How many states there were. The name of the test precedes them on the line. */
const modelLines = (output) => [...output.matchAll(/model: .* s$|model: .* needed$/gm)].map(([line]) => line)

/** One line says how each test binary fared; those that hold no test are left out. */
const closingLines = (output) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('test result:') && !line.includes(' 0 passed; 0 failed;'))
