// Ten thousand callers at once and no token yet. The server's count is the measurement.
import { hasAuthorization } from '../support/pace.mjs'

const CALLERS = 10_000

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  const answers = await Promise.allSettled(Array.from({ length: CALLERS }, () => call()))
  const served = answers.filter(({ status, value }) => status === 'fulfilled' && hasAuthorization(value)).length
  return { callers: CALLERS, served }
}
