// Many callers at once, as after a start under load.
import { hasAuthorization } from './pace.mjs'

/** Calls `count` times at once and resolves with how many callers there were and how many got a header. */
export async function callAtOnce(call, count) {
  const answers = await Promise.allSettled(Array.from({ length: count }, () => call()))
  const served = answers.filter(
    ({ status, value }) => status === 'fulfilled' && hasAuthorization(value),
  ).length
  return { callers: count, served }
}
