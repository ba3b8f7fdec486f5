// What a call costs with a cached token, compared with a bare async function in the same process.
import { median } from '../support/median.mjs'

const ROUNDS = 15
/** The approximate duration of a round, for calls of any cost. */
const ROUND_MS = 60

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  await call()
  const value = 'Bearer token'
  // A fresh object each time, as evertoken's callers get: others add to what they are given.
  const bare = async () => ({ Authorization: value })
  const loops = [loopOver(bare, 'bare'), loopOver(call, 'measured')]
  const counts = []
  for (const loop of loops) counts.push(await calibrate(loop))
  const samples = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    // Rounds alternate, and so does who begins: a busy moment of the machine falls on both.
    for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
      samples[which].push(await nanosecondsPerCall(loops[which], counts[which]))
    }
  }
  const [bareNs, ns] = samples.map(median)
  const turns = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [which, one] of [bare, call].entries()) turns[which].push(await nanosecondsPerTurn(one))
  }
  const [bareTurnNs, turnNs] = turns.map(median)
  return {
    ns,
    bareNs,
    ratio: median(samples[1].map((sample, round) => sample / samples[0][round])),
    // What the first call in a turn of the event loop costs more, as each request of a server makes one.
    firstInTurnNs: turnNs - bareTurnNs,
  }
}

const TURNS = 20_000

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

/**
 * A loop compiled for one function alone. Two functions through one loop would share its inline cache, and each
 * would pay for the other.
 */
function loopOver(call, label) {
  return new Function(
    'call',
    `return async function ${label}Loop(count) {
    for (let i = 0; i < count; i += 1) await call()
  }`,
  )(call)
}

async function calibrate(loop) {
  await loop(20_000)
  let count = 1_000
  for (;;) {
    const ns = (await nanosecondsPerCall(loop, count)) * count
    if (ns > 5e6) return Math.max(1, Math.round((count * ROUND_MS * 1e6) / ns))
    count *= 4
  }
}

async function nanosecondsPerCall(loop, count) {
  const begin = process.hrtime.bigint()
  await loop(count)
  return Number(process.hrtime.bigint() - begin) / count
}
