// A replica that dies, freezes or loses its connection in the middle of a request, whatever store it shares.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { openGate } from '../support/engines.mjs'
import { setUpReplicas, startStores } from '../support/replicas.mjs'

const { stores, close } = await startStores()
after(close)

const timeoutMs = 2000
/** As the core has it: a second longer than the request. */
const leaseMs = timeoutMs + 1000
/** In the text of a lease that has an owner. */
const owner = /owner\\?":\d/

/** A test of each of these stores, or its reason not to run. */
function forEach(chosen, title, run) {
  for (const { name, reason, ...store } of chosen) {
    test(title(name), { skip: reason ?? false, timeout: 60_000 }, (t) => run(t, store))
  }
}

// They wait for leases most of the time.
describe('another replica', { concurrency: 4 }, () => {
  forEach(
    stores,
    (name) => `takes over when the holder of the lease is killed during its request, sharing ${name}`,
    async (t, { storage, noticesDeath }) => {
      const { server, beginAll } = await setUpReplicas(t, storage, {}, { timeoutMs })
      const [holder, heir] = await beginAll(2)
      server.script({ hold: true })
      holder.tell({ callers: 1 })
      await server.waitForRequests(1)
      const waiting = heir.ask({ callers: 1 })
      // The heir has met the lease.
      await pause(300)
      const killed = performance.now()
      holder.kill()
      const { without, header } = await waiting
      const took = performance.now() - killed
      t.diagnostic(`after ${Math.round(took)} ms`)
      assert.ok(took < (noticesDeath ? 1000 : leaseMs + 1500), `it took ${took} ms`)
      assert.equal(without, 0)
      assert.match(header, /^Bearer access-/)
      assert.equal(server.tokenRequests.length, 2)
    },
  )

  forEach(
    stores,
    (name) => `keeps its newer token when a frozen holder receives a late one, sharing ${name}`,
    async (t, { storage }) => {
      const { server, begin, beginAll } = await setUpReplicas(t, storage, {}, { timeoutMs })
      const [holder, heir] = await beginAll(2)
      server.script({ hold: true })
      const late = holder.ask({ callers: 1 })
      await server.waitForRequests(1)
      holder.freeze()
      const newer = await heir.ask({ callers: 1 })
      server.release()
      holder.thaw()
      await late
      const { header } = await (await begin()).ask({ callers: 1 })
      assert.equal(header, newer.header)
    },
  )
})

const reachable = stores.filter(({ engine }) => engine !== undefined)

describe('a replica', { concurrency: 4 }, () => {
  /** The same store, through a gate. */
  async function throughGate(t, { url, ...storage }) {
    const address = new URL(url)
    const gate = await openGate(t, Number(address.port))
    address.port = gate.port
    return { gate, gated: { ...storage, url: address.href } }
  }

  forEach(
    reachable,
    (name) => `that froze after it got the lease of ${name} does not send a refresh token that is spent`,
    async (t, { storage }) => {
      const { server, begin } = await setUpReplicas(t, storage, {}, { timeoutMs })
      const { gate, gated } = await throughGate(t, storage)
      const heir = await begin()
      const holder = await begin({ storage: gated })
      await heir.ask({ callers: 1 })
      await holder.ask({ callers: 1 })
      const granted = gate.holdAfter(owner)
      const held = holder.ask({ refreshes: 1 })
      await granted
      // It has the lease, and its next question to the store does not pass.
      await pause(300)
      assert.equal(server.tokenRequests.length, 1)
      holder.freeze()
      gate.release()
      const { header } = await heir.ask({ refreshes: 1 })
      assert.equal(server.counts.refreshes, 1)
      holder.thaw()
      const late = await held
      assert.equal(late.without, 0)
      const { logins, reuses } = server.counts
      assert.deepEqual({ logins, reuses }, { logins: 1, reuses: 0 })
      assert.notEqual(header, undefined)
    },
  )

  forEach(
    reachable,
    (name) => `that loses its connection to ${name} as it gets the lease makes one request`,
    async (t, { storage }) => {
      const { server, begin } = await setUpReplicas(t, storage, {}, { timeoutMs })
      const { gate, gated } = await throughGate(t, storage)
      const replica = await begin({ storage: gated })
      const broken = gate.breakAfter(owner)
      const answer = replica.ask({ callers: 20 })
      await broken
      assert.equal((await answer).without, 0)
      assert.equal(server.tokenRequests.length, 1)
      const { header } = await (await begin()).ask({ callers: 1 })
      assert.equal(header, (await answer).header)
    },
  )
})

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
