// Whether two replicas share one token: both have the same one, also after it was renewed, and one goes on alone.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { expectOrders, statusOf } from './check.mjs'

/** How long the second replica may take to notice what the first one stored, and how long a renewal may take. */
const timeoutMs = 90_000

/** Throws when something is not as it should be. */
export async function checkReplicas({ replicas, adminSecret, say }) {
  const headers = { authorization: `Bearer ${adminSecret}` }
  const statuses = () => Promise.all(replicas.map(({ origin }) => statusOf(origin, headers)))
  const ask = () => Promise.all(replicas.map(({ origin }) => expectOrders(origin)))

  await ask()
  const first = await untilTheyAgree(statuses, ask)
  say(`both replicas have the token that expires at ${first}`)
  const second = await untilTheyAgree(statuses, ask, first)
  const all = await statuses()
  const sum = (count) => all.reduce((total, { counters }) => total + counters[count], 0)
  assert.equal(sum('failures'), 0)
  // A renewal may have begun since.
  assert.ok(sum('refreshes') <= 3, `${sum('refreshes')} requests for two tokens`)
  say(`one of them renewed it, and both have the one that expires at ${second}`)

  const [survivor, other] = replicas
  await other.stop()
  let { expiresAt } = await statusOf(survivor.origin, headers)
  const end = Date.now() + timeoutMs
  for (
    const before = expiresAt;
    expiresAt <= before;
    expiresAt = (await statusOf(survivor.origin, headers)).expiresAt
  ) {
    assert.ok(Date.now() < end, `no renewal within ${timeoutMs / 1000} s`)
    await expectOrders(survivor.origin)
    await pause(250)
  }
  say('one of them was stopped, and the other renewed the token')
}

/** Resolves with the expiry that all show, once it is later than `before`. */
async function untilTheyAgree(statuses, ask, before = '') {
  const end = Date.now() + timeoutMs
  for (;;) {
    const [one, ...others] = (await statuses()).map(({ expiresAt }) => expiresAt)
    if (one > before && others.every((other) => other === one)) return one
    assert.ok(Date.now() < end, `the replicas did not agree on a token within ${timeoutMs / 1000} s`)
    await ask()
    await pause(250)
  }
}
