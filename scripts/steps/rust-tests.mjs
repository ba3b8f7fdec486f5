// The Rust core's tests. Without default features no line of napi is compiled: the core stands alone.
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const rustTests = {
  name: 'rust',
  async run() {
    const result = await run('cargo', ['test', '--locked', '--no-default-features'], { limitMs: 30 * 60_000 })
    return settle(result, 'cargo test', closingLines(result.output))
  },
}

/** One line says how each test binary fared; those that hold no test are left out. */
const closingLines = (output) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('test result:') && !line.includes(' 0 passed; 0 failed;'))
