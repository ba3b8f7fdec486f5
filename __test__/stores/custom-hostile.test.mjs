import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { plainRecord, recordingLogger, serviceOver, until } from '../support/custom-stores.mjs'
import { clientSecret, configAt, useTokenServer } from '../support/service.mjs'
import { MapStore } from '../support/stores.mjs'

const server = useTokenServer()
afterEach(cleanEnvironment)

describe("a user's own store", () => {
  const planted = {
    ...plainRecord('the-token-of-an-attacker'),
    refreshToken: 'the-refresh-token-of-an-attacker',
  }
  test('decides neither which token is sent nor which refresh token is spent', async (t) => {
    const store = new MapStore()
    const { lines, logger } = recordingLogger()
    const config = configAt(server, { logger })
    store.set(config.service, planted)
    const service = serviceOver(t, server, store, config)
    assert.match(await service.getToken(), /^access-/)
    await until(() => lines.some((line) => line.includes('acceptPlainTokens')))
    store.set(config.service, planted)
    await service.refresh()
    assert.match(await service.getToken(), /^access-/)
    assert.match(store.get(config.service).token, /^et1\./)
    assert.ok(!lines.join().includes('of-an-attacker'))
    assert.ok(server.tokenRequests.every(({ body }) => !String(body).includes('of-an-attacker')))
  })

  test('that returns hostile records does not crash the process, and costs no caller a token', async (t) => {
    const hostile = [
      { ...planted, token: 'x'.repeat(5 * 1024 * 1024) },
      {
        ...planted,
        token: `et1.k.AAAAAAAA.${'A'.repeat(3 * 1024 * 1024)}`,
        tokenType: 'x'.repeat(8 * 1024 * 1024),
      },
      Object.defineProperty({}, 'token', {
        get() {
          throw new Error('hostile')
        },
      }),
      new Proxy(
        {},
        {
          get() {
            throw null
          },
        },
      ),
      { ...planted, token: '\ud800' },
      { ...planted, token: { toString: () => 'x', toJSON: () => 'x' } },
      {
        ...planted,
        expiresAt: Object.assign(new Date(), {
          toISOString() {
            throw new Error('hostile')
          },
        }),
      },
      { ...planted, __proto__: null, constructor: 1, toJSON: 1 },
    ]
    for (const record of hostile) {
      const service = serviceOver(t, server, { get: () => record, set() {}, delete() {} })
      assert.match(await service.getToken(), /^access-/)
      await service.shutdown()
    }
  })

  test('that returns a record of 5 MiB is unhealthy until the record is replaced, and the error says why', async (t) => {
    const { lines, logger } = recordingLogger()
    const config = configAt(server, { logger })
    const store = new MapStore()
    store.set(config.service, { ...planted, token: 'x'.repeat(5 * 1024 * 1024) })
    const service = serviceOver(t, server, store, config)
    await service.getToken()
    await until(() => lines.some((line) => line.includes('longer than 4 MiB')))
    await until(() => store.get(config.service).token.startsWith('et1.'))
    await until(() => service.status().storage.healthy)
    store.set(config.service, { ...planted, token: 'x'.repeat(5 * 1024 * 1024) })
    await service.clear()
    assert.equal(store.get(config.service), null)
    assert.ok(lines.every((line) => line.length < 10_000))
  })

  test('that returns a record without a token is unhealthy until the record is replaced', async (t) => {
    for (const value of [7, '', {}, undefined, 12n]) {
      const store = new MapStore()
      const { lines, logger } = recordingLogger()
      const config = configAt(server, { logger })
      store.set(config.service, { ...plainRecord('the-token-of-a-person'), token: value })
      const service = serviceOver(t, server, store, config)
      assert.match(await service.getToken(), /^access-/)
      await until(() => lines.some((line) => line.includes('the store does not work')))
      assert.ok(
        lines.some((line) => line.includes('token is not a string')),
        lines.join('\n'),
      )
      assert.match(store.get(config.service).token, /^et1\./)
      assert.equal(service.status().storage.healthy, true)
    }
  })

  const unreadable = {
    expiresAt: ['tomorrow', new Date(NaN), null, 12n],
    createdAt: [true],
    refreshToken: [5, ['x']],
    tokenType: ['two words', 5],
    lastUsed: ['yesterday'],
  }
  for (const [field, values] of Object.entries(unreadable)) {
    test(`with an unreadable ${field} next to a plain token makes that token unusable, but not an encrypted one`, async () => {
      for (const value of values) {
        const store = new MapStore()
        const { lines, logger } = recordingLogger()
        const config = configAt(server, {
          logger,
          storage: { kind: 'custom', store, acceptPlainTokens: true },
        })
        store.set(config.service, { ...plainRecord('the-token-of-a-person'), [field]: value })
        const first = initializeTokenService(config)
        const token = await first.getToken()
        assert.match(token, /^access-/)
        await until(() => lines.some((line) => line.includes(field)))
        assert.ok(!lines.join().includes('the-token-of-a-person'))
        await first.shutdown()
        store.set(config.service, { ...store.get(config.service), [field]: value })
        const second = initializeTokenService(config)
        assert.equal(await second.getToken(), token)
        await second.shutdown()
      }
    })
  }

  test('that returns something other than a record is unhealthy', async (t) => {
    for (const record of ['text', 7, true, [], () => {}]) {
      const store = { get: () => record, set() {}, delete() {} }
      const service = serviceOver(t, server, store)
      assert.match(await service.getToken(), /^access-/)
    }
  })
})

describe('what a store throws', () => {
  class DatabaseError extends Error {
    name = 'DatabaseError'
  }
  const secret = 'the-connection-string'
  const thrown = {
    'it threw DatabaseError (P1001)': Object.assign(new DatabaseError(secret), { code: 'P1001' }),
    'it threw DatabaseError': new DatabaseError(secret),
    'it threw Error (ECONNREFUSED)': Object.assign(new Error(secret), { code: 'ECONNREFUSED' }),
    'it threw TypeError': Object.assign(new TypeError(secret), { code: secret, name: secret }),
    'it threw a string': secret,
    'it threw undefined': undefined,
    'it threw an error': { message: secret, name: secret, code: secret },
    'it threw a value that cannot be inspected': new Proxy(
      {},
      {
        get: () => {
          throw new Error(secret)
        },
      },
    ),
  }
  for (const [words, error] of Object.entries(thrown)) {
    test(`becomes a storage error in these words: ${words}`, async (t) => {
      const fail = () => {
        throw error
      }
      for (const store of [
        { get: fail, set: fail, delete: fail },
        { get: fail, set: fail, delete: async () => fail() },
      ]) {
        const service = serviceOver(t, server, store)
        assert.match(await service.getToken(), /^access-/)
        assert.equal(service.status().storage.healthy, false)
        const { code, message } = await service.clear().then(
          () => assert.fail('no error'),
          (error) => error,
        )
        assert.equal(code, 'ERR_TOKEN_STORAGE')
        assert.equal(message, `the custom store: ${words}`)
      }
    })
  }

  test('does not affect callers, and is cleared when the store works again', async (t) => {
    let isDown = false
    const store = new MapStore()
    const check =
      (work) =>
      (...args) => {
        if (isDown) throw new DatabaseError('down')
        return work.apply(store, args)
      }
    const service = serviceOver(t, server, {
      get: check(store.get),
      set: check(store.set),
      delete: check(store.delete),
    })
    const first = await service.getToken()
    isDown = true
    const { storage } = await service.refresh()
    assert.equal(storage.healthy, false)
    const second = await service.getToken()
    assert.notEqual(second, first)
    isDown = false
    await service.refresh()
    assert.equal(service.status().storage.healthy, true)
    assert.ok(!JSON.stringify([...store.records]).includes(clientSecret))
  })
})
