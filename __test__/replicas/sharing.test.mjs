// Replicas that share a store, of each kind that there is: one token request, however many ask.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setUpReplicas, startStores, timeUntil } from '../support/replicas.mjs'

const { stores, close } = await startStores()
after(close)

/** A test of each store, or its reason not to run. */
function forEachStore(title, run) {
  for (const { name, reason, ...store } of stores) {
    test(title(name), { skip: reason ?? false, timeout: 60_000 }, (t) => run(t, store))
  }
}
const sum = (answers, name) => answers.reduce((total, answer) => total + answer[name], 0)

describe('1,600 cold callers in eight processes', () => {
  forEachStore(
    (name) => `that share ${name} cause one token request`,
    async (t, { storage }) => {
      const { server, beginAll } = await setUpReplicas(t, storage)
      const replicas = await beginAll(8)
      const answers = await Promise.all(replicas.map((replica) => replica.ask({ callers: 200 })))
      assert.equal(server.tokenRequests.length, 1)
      assert.equal(sum(answers, 'without'), 0)
      for (const { header, status } of answers) {
        assert.deepEqual([header, status.storage.healthy], [answers[0].header, true])
      }
    },
  )
})

/** How long it may take until others notice a change: what is promised, and what the question itself takes here. */
const noticedWithin = (pushes) => (pushes ? 1000 : 2000) + 500

// They wait for each other most of the time.
describe('replicas', { concurrency: 4 }, () => {
  forEachStore(
    (name) => `that share ${name} drop a token that one of them clears, and the next caller logs in`,
    async (t, { storage, pushes }) => {
      const { server, beginAll } = await setUpReplicas(t, storage)
      const [one, two] = await beginAll(2)
      const { header } = await one.ask({ callers: 1 })
      assert.equal((await two.ask({ callers: 1 })).header, header)
      await one.ask({ clears: true })
      const isGone = async () => (await two.ask({ looks: true })).state === 'missing'
      const took = await timeUntil(isGone, noticedWithin(pushes), 'the other has no token')
      t.diagnostic(`noticed after ${Math.round(took)} ms`)
      assert.equal(server.tokenRequests.length, 1)
      const next = await two.ask({ callers: 1 })
      assert.notEqual(next.header, header)
      assert.deepEqual([next.without, server.counts.logins], [0, 2])
    },
  )

  forEachStore(
    (name) => `that share ${name} adopt the token that one of them has refreshed`,
    async (t, { storage, pushes }) => {
      const { server, beginAll } = await setUpReplicas(t, storage)
      const [one, two] = await beginAll(2)
      const { header } = await one.ask({ callers: 1 })
      const { status } = await two.ask({ callers: 1 })
      const { header: refreshed } = await one.ask({ refreshes: 1 })
      assert.notEqual(refreshed, header)
      const hasAdopted = async () => (await two.ask({ looks: true })).issuedAt !== status.issuedAt
      const took = await timeUntil(hasAdopted, noticedWithin(pushes), 'the other has the new token')
      t.diagnostic(`noticed after ${Math.round(took)} ms`)
      assert.equal((await two.ask({ callers: 1 })).header, refreshed)
      assert.equal(server.tokenRequests.length, 2)
    },
  )
})

// Five at a time: each has six processes, which should not wait for a processor.
describe('six replicas with tokens of two seconds', { concurrency: 5 }, () => {
  const unlimited = { rateLimit: { attempts: 1000, perSeconds: 1 } }

  forEachStore(
    (name) => `that share ${name} spend no refresh token twice`,
    async (t, { storage }) => {
      const { server, beginAll } = await setUpReplicas(t, storage, { expiresInSeconds: 2 }, unlimited)
      const replicas = await beginAll(6)
      const answers = await Promise.all(replicas.map((replica) => replica.ask({ loop: 20_000 })))
      const { logins, refreshes, reuses } = server.counts
      t.diagnostic(`${refreshes} refreshes, ${sum(answers, 'asked')} calls`)
      const without = sum(answers, 'without')
      assert.deepEqual({ logins, reuses, without }, { logins: 1, reuses: 0, without: 0 })
      assert.ok(refreshes >= 8 && refreshes <= 22, `${refreshes} refreshes`)
    },
  )
})
