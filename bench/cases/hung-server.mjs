// A refresh is due, the token is still good, and the token server takes two seconds to answer.
import { pacedCalls } from '../support/pace.mjs'

const CALLS = 200
/** Three seconds in all, so that calls are made before, during and after the two seconds of the stall. */
const GAP_MS = 15
/** Longer than any pause of a garbage collector, shorter than anything a user would call instant. */
const WAITED_MS = 50

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  await call()
  await contender.untilDue()
  const outcomes = await pacedCalls(call, CALLS, GAP_MS)
  return {
    calls: CALLS,
    waited: outcomes.filter(({ ms }) => ms > WAITED_MS).length,
    failed: outcomes.filter(({ failed }) => failed).length,
    longestMs: Math.max(...outcomes.map(({ ms }) => ms)),
  }
}
