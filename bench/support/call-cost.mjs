// What a call costs, compared with a bare async function in the same process.
import { median } from './median.mjs'

const ROUNDS = 15
/** The approximate duration of a round, for calls of any cost. */
const ROUND_MS = 60
const value = 'Bearer token'

// A fresh object each time, as evertoken's callers get: others add to what they are given.
export const bare = async () => ({ Authorization: value })

/** Resolves with `{ ns, bareNs, ratio }` of a call whose token is cached. */
export async function compareWithBare(call) {
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
  return { ns, bareNs, ratio: median(samples[1].map((sample, round) => sample / samples[0][round])) }
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
