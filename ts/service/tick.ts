/*
 * A tick is one callback of the event loop with all promises that it settles. Node calls the callbacks of nextTick() at
 * its end, before anything else can happen. setImmediate() would be too late: the loop may wait for I/O first, and the
 * machine may sleep during that time.
 */

// As it was when this file was loaded: fake timers in tests replace it later. If it was faked before, ticks do not end,
// and only the core's counter shows that a token has expired.
const nextTick = process.nextTick.bind(process)

let tick = 0
let isCounted = false
let time: number | undefined

/** The number of this tick of the event loop; another tick has another number. */
export function currentTick(): number {
  if (!isCounted) {
    isCounted = true
    nextTick(end)
  }
  return tick
}

/** The time, read once in a tick, however many services are asked. */
export function tickTime(): number {
  currentTick()
  return (time ??= Date.now())
}

function end(): void {
  time = undefined
  tick = (tick + 1) | 0
  isCounted = false
}
