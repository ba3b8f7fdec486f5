import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { configAt, useTokenServer } from '../support/service.mjs'

const require = createRequire(import.meta.url)
const root = dirname(require.resolve('evertoken/package.json'))
const { postgresClient } = require(join(root, 'lib', 'stores', 'postgres.js'))

const server = useTokenServer()
const password = 'hunter2'

const answerOf = (query) =>
  postgresClient({ query }).answer({ operation: 'query', text: 'SELECT', values: ['x'] })

describe('a PostgreSQL client', () => {
  test('returns rows in any of the usual shapes', async () => {
    const rows = [
      ['1', null],
      ['2', 'x'],
    ]
    const objects = [
      { a: '1', b: null },
      { a: '2', b: 'x' },
    ]
    for (const result of [{ rows: objects }, objects, { rows }, rows, Promise.resolve({ rows: objects })]) {
      assert.deepEqual(await answerOf(() => result), rows)
    }
    assert.deepEqual(await answerOf(() => ({ rows: [] })), [])
  })

  test('gets the statement and its parameters', async () => {
    const given = []
    await answerOf((...args) => {
      given.push(...args)
      return []
    })
    assert.deepEqual(given, ['SELECT', ['x']])
  })

  test('tells the code of an error of PostgreSQL, and never its message', async () => {
    const error = Object.assign(new Error(`Key (service)=(${password})`), { code: '42P01', detail: password })
    assert.deepEqual(await answerOf(() => Promise.reject(error)), { state: '42P01', thrown: 'Error (42P01)' })
    for (const code of ['EPIPE', 'ECONNRESET', undefined]) {
      const lost = Object.assign(new Error(password), { code })
      await assert.rejects(() => answerOf(() => Promise.reject(lost)), lost)
    }
  })

  test('that returns something else is an error', async () => {
    for (const result of [undefined, null, {}, { rows: 'x' }, [[1]], [{ a: 1 }]]) {
      await assert.rejects(() => answerOf(() => result), TypeError)
    }
  })

  test('that fails leaves tokens in memory, and the status says so', async (t) => {
    const client = {
      async query() {
        throw Object.assign(new Error(password), { code: '28P01' })
      },
    }
    const service = initializeTokenService(configAt(server, { storage: { kind: 'postgres', client } }))
    t.after(() => service.shutdown())
    assert.ok(await service.getToken())
    const { storage } = service.status()
    assert.deepEqual(storage, {
      kind: 'postgres',
      location: 'PostgreSQL client',
      encrypted: true,
      healthy: false,
    })
  })
})

describe('a PostgreSQL storage is refused', () => {
  const url = `postgres://ann:${password}@localhost/app`
  const cases = [
    ['without a URL and a client', {}, 'storage.url'],
    ['with a URL from a variable that is not set', { url: undefined }, 'storage.url'],
    ['with a client that has no query()', { client: {} }, 'storage.client'],
    ['with both', { url, client: { query() {} } }, 'storage.client'],
    ['with a table that has no valid name', { url, table: 'a b' }, 'storage.table'],
    ['with a URL of another scheme', { url: url.replace('postgres', 'mysql') }, 'storage.url'],
    ['with an unknown parameter', { url: `${url}?tls=${password}` }, 'storage.url'],
    ['with a port that is none', { url: url.replace('localhost', `localhost:${password}`) }, 'storage.url'],
  ]
  for (const [name, storage, field] of cases) {
    test(name, () => {
      assert.throws(
        () => initializeTokenService(configAt(server, { storage: { kind: 'postgres', ...storage } })),
        (error) => {
          assert.equal(error.code, 'ERR_TOKEN_CONFIG')
          assert.equal(error.field, field)
          assert.ok(!error.message.includes(password), error.message)
          return true
        },
      )
    })
  }

  test('also if the second argument chooses it, or the environment', (t) => {
    const wrong = `${url}?sslmode=${password}`
    const refused = { code: 'ERR_TOKEN_CONFIG', field: 'storage.url' }
    assert.throws(
      () => initializeTokenService(configAt(server, { storage: undefined }), true, wrong),
      refused,
    )
    process.env.EVERTOKEN_STORAGE = wrong
    t.after(() => delete process.env.EVERTOKEN_STORAGE)
    assert.throws(() => initializeTokenService(configAt(server, { storage: undefined })), refused)
  })
})
