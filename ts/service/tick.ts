/*
 * A turn is one callback of the event loop with all promises that it settles; Node calls what nextTick() was given at
 * its end, before anything else can happen. setImmediate() would be too late: the loop may wait for I/O, and the
 * machine may sleep meanwhile, before it gets to those.
 */

// As they were when this file was loaded: fake timers in tests replace them later. Where they were faked before,
// turns do not end, and the core's counter alone tells that a token has expired.
const nextTick = process.nextTick.bind(process)

let tick = 0
let isCounted = false

/** The number of this turn of the event loop; another turn has another number. */
export function currentTick(): number {
  if (!isCounted) {
    isCounted = true
    nextTick(end)
  }
  return tick
}

function end(): void {
  tick = (tick + 1) | 0
  isCounted = false
}
