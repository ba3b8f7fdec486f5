// Ten thousand callers at once and no token yet. The server's count is the measurement.
import { callAtOnce } from '../support/callers.mjs'

const CALLERS = 10_000

export async function run(contender, tokenUrl) {
  return callAtOnce(await contender.connect(tokenUrl), CALLERS)
}
