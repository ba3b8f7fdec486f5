// What a call costs with a cached token, compared with a bare async function in the same process.
import { bare, compareWithBare } from '../support/call-cost.mjs'
import { median } from '../support/median.mjs'

const ROUNDS = 15
const TURNS = 20_000

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  await call()
  const cost = await compareWithBare(call)
  const turns = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [which, one] of [bare, call].entries()) turns[which].push(await nanosecondsPerTurn(one))
  }
  const [bareTurnNs, turnNs] = turns.map(median)
  // What the first call in a turn of the event loop costs more, as each request of a server makes one.
  return { ...cost, firstInTurnNs: turnNs - bareTurnNs }
}

/** One call in each turn of the event loop. */
async function nanosecondsPerTurn(call) {
  const begin = process.hrtime.bigint()
  await new Promise((resolve, reject) => {
    let left = TURNS
    const step = () => {
      call().catch(reject)
      left -= 1
      if (left > 0) setImmediate(step)
      else resolve()
    }
    step()
  })
  return Number(process.hrtime.bigint() - begin) / TURNS
}
