// A refresh is due, the token is still good, and the token server answers 503.
import { pacedCalls } from '../support/pace.mjs'

const CALLS = 50
const GAP_MS = 20

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  await call()
  await contender.untilDue()
  const outcomes = await pacedCalls(call, CALLS, GAP_MS)
  return { calls: CALLS, failed: outcomes.filter(({ failed }) => failed).length }
}
