// Replicas that share a store, of each kind that there is: one token request, however many ask.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setUpReplicas, startStores, timeUntil } from '../support/replicas.mjs'

const { stores, close } = await startStores()
after(close)

/** Replicas that refresh as often as they can, without a limit in the way. */
const unlimited = { rateLimit: { attempts: 1000, perSeconds: 1 } }
const sum = (answers, name) => answers.reduce((total, answer) => total + answer[name], 0)

for (const { name, storage, reason, pushes } of stores) {
  describe(`replicas that share ${name}`, { skip: reason ?? false }, () => {
    test('cause one token request for 1,600 cold callers in eight processes', async (t) => {
      const { server, beginAll } = await setUpReplicas(t, storage)
      const replicas = await beginAll(8)
      const answers = await Promise.all(replicas.map((replica) => replica.ask({ callers: 200 })))
      assert.equal(server.tokenRequests.length, 1)
      assert.equal(sum(answers, 'without'), 0)
      for (const { header, status } of answers) {
        assert.deepEqual([header, status.storage.healthy], [answers[0].header, true])
      }
    })

    test('drop a token that one of them clears, and the next caller logs in', async (t) => {
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
    })

    test('adopt the token that one of them has refreshed', async (t) => {
      const { server, beginAll } = await setUpReplicas(t, storage)
      const [one, two] = await beginAll(2)
      await one.ask({ callers: 1 })
      const { status } = await two.ask({ callers: 1 })
      await one.ask({ refreshes: 1 })
      const hasAdopted = async () => (await two.ask({ looks: true })).issuedAt !== status.issuedAt
      const took = await timeUntil(hasAdopted, noticedWithin(pushes), 'the other has the new token')
      t.diagnostic(`noticed after ${Math.round(took)} ms`)
      assert.equal(server.tokenRequests.length, 2)
    })
  })
}

/** How long it may take until others notice a change, on a machine with other things to do. */
function noticedWithin(pushes) {
  return pushes ? 1000 : 3000
}

describe('six replicas with tokens of two seconds', { concurrency: true }, () => {
  for (const { name, storage, reason } of stores) {
    test(`that share ${name} spend no refresh token twice`, { skip: reason ?? false }, async (t) => {
      const { server, beginAll } = await setUpReplicas(t, storage, { expiresInSeconds: 2 }, unlimited)
      const replicas = await beginAll(6)
      const answers = await Promise.all(replicas.map((replica) => replica.ask({ loop: 20_000 })))
      const { logins, refreshes, reuses } = server.counts
      t.diagnostic(`${refreshes} refreshes, ${sum(answers, 'asked')} calls`)
      assert.deepEqual(
        { logins, reuses, without: sum(answers, 'without') },
        { logins: 1, reuses: 0, without: 0 },
      )
      assert.ok(refreshes >= 8 && refreshes <= 22, `${refreshes} refreshes`)
    })
  }
})
