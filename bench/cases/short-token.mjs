// A token that lives 60 s and 1,000 calls in one second. The server's count is the measurement.
import { pacedCalls } from '../support/pace.mjs'

const CALLS = 1_000

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  const outcomes = await pacedCalls(call, CALLS, 1)
  return { calls: CALLS, served: outcomes.filter(({ failed }) => !failed).length }
}
