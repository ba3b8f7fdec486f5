// Whether the main job works: the orders arrive, the token is renewed, and access control works.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

/** How long a renewal may take to be seen, in milliseconds: several lives of a token. */
const timeoutMs = 90_000

/** Throws when something is not as it should be. */
export async function checkExample({ origin, adminSecret, say }) {
  const bearer = { authorization: `Bearer ${adminSecret}` }

  assert.equal((await fetch(`${origin}/api/token/status`)).status, 403, 'the status is closed to strangers')
  const dashboard = await fetch(`${origin}/dashboard`, { redirect: 'manual' })
  assert.equal(
    dashboard.headers.get('location'),
    '/sign-in',
    'the dashboard sends strangers to the sign-in page',
  )

  await expectOrders(origin)
  const first = await statusOf(origin, bearer)
  assert.equal(first.state, 'valid')
  assert.equal(first.scheduler.running, true)
  say(`the orders came; the token expires at ${first.expiresAt}`)

  const end = Date.now() + timeoutMs
  for (;;) {
    await expectOrders(origin)
    const now = await statusOf(origin, bearer)
    if (now.expiresAt > first.expiresAt) {
      assert.ok(now.counters.refreshes > first.counters.refreshes)
      assert.equal(now.counters.failures, 0)
      say(`the token was renewed by itself; it expires at ${now.expiresAt}`)
      return
    }
    assert.ok(Date.now() < end, `no renewal within ${timeoutMs / 1000} s`)
    await pause(250)
  }
}

/** Asks the example for the orders. */
export async function expectOrders(origin) {
  const response = await fetch(`${origin}/api/orders`)
  assert.equal(response.status, 200, 'the orders come')
  assert.equal((await response.json()).length, 3)
}

/** The status of the example's token. */
export async function statusOf(origin, headers) {
  const response = await fetch(`${origin}/api/token/status`, { headers })
  assert.equal(response.status, 200, 'the status is available with the secret')
  return response.json()
}
