// The Rust core's tests, with the engines that they need. Without default features no line of napi is compiled: the
// core stands alone.
import { withEngines } from '../support/engines.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const rustTests = {
  name: 'rust',
  async run() {
    const args = ['test', '--locked', '--no-default-features']
    return withEngines(async ({ env, reasons }) => {
      const result = await run('cargo', args, { env, limitMs: 30 * 60_000 })
      return settle(result, 'cargo test', [...closingLines(result.output), ...reasons])
    })
  },
}

/** One line says how each test binary fared; those that hold no test are left out. */
const closingLines = (output) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('test result:') && !line.includes(' 0 passed; 0 failed;'))
