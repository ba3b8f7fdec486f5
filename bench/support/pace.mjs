// Calls spread evenly over time, as a server under steady load makes them.

/**
 * Starts `count` calls `gapMs` apart, without one waiting for another, and resolves with what became of each:
 * `{ ms, failed }`. A late timer is caught up with, so that the whole takes `count * gapMs`.
 */
export function pacedCalls(call, count, gapMs) {
  const outcomes = []
  const begin = performance.now()
  return new Promise((resolve) => {
    const tick = () => {
      while (outcomes.length < count && performance.now() - begin >= outcomes.length * gapMs) {
        outcomes.push(timed(call))
      }
      if (outcomes.length < count) setTimeout(tick, 1)
      else resolve(Promise.all(outcomes))
    }
    tick()
  })
}

async function timed(call) {
  const begin = performance.now()
  let failed = false
  try {
    failed = !hasAuthorization(await call())
  } catch {
    failed = true
  }
  return { ms: performance.now() - begin, failed }
}

/** Whether these headers, a plain object or a `Headers`, hold a token. */
export function hasAuthorization(headers) {
  if (typeof headers?.get === 'function') return headers.get('authorization') !== null
  return typeof (headers?.Authorization ?? headers?.authorization) === 'string'
}
