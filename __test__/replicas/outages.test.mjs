// What engines do to the replicas that rely on them: restarts, refused connections, silence, read-only, no room. Tokens
// are served, the status says that the store fails, it heals, and no password is written anywhere.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { isRoot } from '../support/engines.mjs'
import { setUpReplicas, startStores, timeUntil } from '../support/replicas.mjs'

const { stores, postgres, pgbouncer, redis, close } = await startStores({
  postgres: isRoot ? { diskMegabytes: 64 } : {},
})
after(close)

const passwords = [postgres.password, redis.password].filter((password) => password !== undefined)
const stopped = { begin: (engine) => engine.stop(), end: (engine) => engine.start() }
const killed = { begin: (engine) => engine.kill(), end: (engine) => engine.start() }
const silent = { begin: (engine) => engine.freeze(), end: (engine) => engine.thaw() }
const readOnly = { begin: (engine) => engine.setReadOnly(true), end: (engine) => engine.setReadOnly(false) }

/** Engines, what happens to each, and the databases that are on it. */
const outages = [
  [postgres, 'is stopped', stopped],
  [postgres, 'is killed', killed],
  [postgres, 'does not answer', silent],
  [postgres, 'is read-only', readOnly],
  [
    postgres,
    'has no room on its disk',
    {
      begin: (engine) => Promise.all(['native', 'prisma'].map((database) => engine.fillDisk({ database }))),
      end: (engine) => engine.clearDisk(),
      skip: isRoot ? false : 'only root may mount a disk',
      // The first changes find room in pages that exist.
      refreshes: 20,
    },
  ],
  [pgbouncer, 'is stopped', stopped],
  [pgbouncer, 'does not answer', silent],
  [redis, 'is stopped', stopped],
  [redis, 'is killed', killed],
  [redis, 'does not answer', silent],
  [redis, 'is read-only', readOnly],
  [redis, 'has no memory', { begin: (engine) => engine.fill(), end: (engine) => engine.clear() }],
]

for (const [engine, what, { begin, end, skip = false, refreshes = 1 }] of outages) {
  const concerned = stores.filter((store) => store.engine === engine && store.reason === undefined)

  describe(`while ${engine.name ?? 'an engine'} ${what}`, { skip: engine.reason ?? skip }, () => {
    test('replicas serve tokens and say that the store fails; then all is well again', {
      timeout: 120_000,
    }, async (t) => {
      const cases = await Promise.all(concerned.map((store) => oneReplica(t, store)))
      t.after(() => Promise.resolve(end(engine)).catch(() => {}))
      await begin(engine)
      await Promise.all(cases.map((each) => serves(each, refreshes)))
      await end(engine)
      const times = await Promise.all(cases.map((each) => heals(each)))
      t.diagnostic(
        concerned.map(({ name }, index) => `${name}: well after ${Math.round(times[index])} ms`).join('; '),
      )
      for (const { said } of cases) assertNoPassword(said.join('\n'))
    })
  })
}

/** A service with a replica that has a token, and what it will say. */
async function oneReplica(t, { name, storage }) {
  const env = { EVERTOKEN_TEST_PRINTS: '1', LOG_LEVEL: 'trace' }
  const unlimited = { rateLimit: { attempts: 1000, perSeconds: 1 } }
  const replicas = await setUpReplicas(t, storage, { refreshTokens: 'none' }, unlimited, env)
  const replica = await replicas.begin()
  const said = []
  const ask = async (message) => {
    const answer = await replica.ask(message)
    said.push(JSON.stringify(answer), replica.output)
    return answer
  }
  const { header, status } = await ask({ callers: 1, schedules: true })
  assert.equal(status.storage.healthy, true, name)
  return { name, ask, said, header, ...replicas }
}

async function serves({ name, ask, header }, refreshes) {
  const answer = await ask({ refreshes, callers: 20 })
  assert.equal(answer.without, 0, name)
  assert.notEqual(answer.header, header, `${name}: a new token`)
  assert.equal(answer.status.storage.healthy, false, `${name}: the status`)
  const { error } = await ask({ clears: true })
  assert.equal(error?.code, 'ERR_TOKEN_STORAGE', `${name}: the error of clear()`)
  assert.equal((await ask({ callers: 1 })).without, 0, name)
}

/** Resolves with the milliseconds until the store works, and another replica has the token from it. */
async function heals({ name, ask, begin, server }) {
  const isWell = async () => (await ask({ looks: true })).storage.healthy
  const took = await timeUntil(isWell, 20_000, `${name} works again`)
  const { header } = await ask({ callers: 1 })
  const earlier = server.tokenRequests.length
  const other = await (await begin()).ask({ callers: 1 })
  assert.equal(other.header, header, `${name}: the other's token`)
  assert.equal(server.tokenRequests.length, earlier, `${name}: no request`)
  return took
}

function assertNoPassword(text) {
  assert.ok(text.length > 100)
  for (const password of passwords) assert.ok(!text.includes(password), 'a password is written')
}

describe('a URL that is refused', { concurrency: true }, () => {
  const wrong = 'a-wrong-password-of-mine'
  for (const { name, storage, reason, engine } of stores.filter(
    ({ storage }) => storage.kind && storage.url,
  )) {
    test(`as its password is wrong shows no password: ${name}`, { skip: reason ?? false }, async (t) => {
      const env = { EVERTOKEN_TEST_PRINTS: '1', LOG_LEVEL: 'trace' }
      const url = storage.url.replace(engine.password ?? postgres.password, wrong)
      const { begin } = await setUpReplicas(t, { ...storage, url }, {}, {}, env)
      const replica = await begin()
      const answer = await replica.ask({ callers: 1 })
      assert.deepEqual([answer.without, answer.status.storage.healthy], [0, false])
      const { error } = await replica.ask({ clears: true })
      assert.equal(error.code, 'ERR_TOKEN_STORAGE')
      t.diagnostic(error.message)
      for (const text of [replica.output, JSON.stringify([answer, error])]) {
        assert.ok(text.length > 100 && !text.includes(wrong), 'the password is written')
      }
    })
  }
})
