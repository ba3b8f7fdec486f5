import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { initializeTokenService, TokenError } from 'evertoken'
import { tokenStoreCases } from 'evertoken/testing'
import { cleanEnvironment } from './support/clean-environment.mjs'
import { clientEnvironment, runScript } from './support/child.mjs'
import { clientSecret, configAt, useTokenServer } from './support/front.mjs'
import { brokenStores, FileBackedStore, MapStore, recordsIn } from './support/stores.mjs'

const server = useTokenServer()
afterEach(cleanEnvironment)

/** A service over this store, which ends with the test. */
function serviceOver(t, store, config) {
  const service = initializeTokenService(configAt(server, config), true, store)
  t.after(() => service.shutdown())
  return service
}

function folderFor(t) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-stores-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Waits until `condition` is true, for what no event announces. */
async function until(condition) {
  for (const end = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    assert.ok(Date.now() < end, 'it never came to be')
  }
}

/** Where a logger puts what it is given, at every level. */
function linesOf() {
  process.env.LOG_LEVEL = 'debug'
  return []
}

const rejection = (promise) => promise.then(() => assert.fail('no error'), (error) => error)

/** What another program puts in. */
const byHand = (token) => ({ token, expiresAt: new Date(Date.now() + 3_600_000) })

describe('the cases for stores', () => {
  describe('pass for a store in memory', () => {
    for (const { name, run } of tokenStoreCases) test(name, () => run(() => new MapStore()))
  })

  describe('pass for a store in a file', () => {
    for (const { name, run } of tokenStoreCases) {
      test(name, (t) => run(async () => new FileBackedStore(join(folderFor(t), 'records.json'))))
    }
  })

  for (const [name, Broken] of Object.entries(brokenStores)) {
    test(`fail for a store ${name}`, async () => {
      const failed = []
      for (const { name, run } of tokenStoreCases) await run(() => new Broken()).catch(() => failed.push(name))
      assert.notEqual(failed.length, 0)
    })
  }
})

test('a store that throws at what is not there fails the one case that says so', async () => {
  for (const remove of [
    (records, name) => {
      if (!records.delete(name)) throw new Error('no such record')
    },
    async (records, name) => {
      if (!records.delete(name)) throw null
    },
  ]) {
    const failed = []
    for (const { name, run } of tokenStoreCases) {
      await run(() => {
        const store = new MapStore()
        return Object.assign(store, { delete: (service) => remove(store.records, service) })
      }).catch(({ code, message }) => failed.push({ name, code, message }))
    }
    assert.deepEqual(failed.map(({ name, code }) => [name, code]), [
      ['delete() of a service without a record does not throw', 'ERR_ASSERTION'],
    ])
    assert.match(failed[0].message, /^delete\(\) of a service without a record must not throw; it threw (Error: no such record|null)$/)
  }
})

test('a store that cannot delete at all fails the cases about that, and says so', async () => {
  const failed = []
  for (const { name, run } of tokenStoreCases) {
    await run(() => Object.assign(new MapStore(), { delete() { throw new Error('read-only') } })).catch(() => failed.push(name))
  }
  assert.deepEqual(failed, [
    'a store keeps services apart, whatever their names',
    'a store has a record no more once it is deleted',
    'delete() of a service without a record does not throw',
  ])
})

describe('a store of the user', () => {
  test('is asked for a token, given the new one sealed, and told in the status', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, store)
    const token = await service.getToken()
    const record = store.records.get(service.name)
    assert.deepEqual(Object.keys(record).sort(), [
      'createdAt', 'expiresAt', 'lastUsed', 'refreshToken', 'token', 'tokenType',
    ])
    assert.ok(!JSON.stringify(record).includes(token))
    assert.deepEqual({ refreshToken: record.refreshToken, type: record.tokenType }, { refreshToken: null, type: 'Bearer' })
    assert.equal(record.expiresAt, service.status().expiresAt)
    assert.deepEqual(service.status().storage, {
      kind: 'custom', location: 'custom store', encrypted: true, healthy: true,
    })
    await service.clear()
    assert.equal(store.get(service.name), null)
    const [[name, mark], ...others] = store.records
    assert.deepEqual({ name, token: mark.token, others }, { name: ` removed ${service.name}`, token: 'removed', others: [] })
  })

  test('keeps its token through a clear and a new one, and is not cleared by the old mark', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, store)
    const first = await service.getToken()
    await service.clear()
    const second = await service.getToken()
    assert.notEqual(second, first)
    store.records.delete(service.name)
    await until(() => store.records.has(service.name))
    assert.equal(await service.getToken(), second)
  })

  test('tells every process within seconds that one has cleared the token', async (t) => {
    const path = join(folderFor(t), 'records.json')
    const source = `
      import { getTokenService, initializeTokenService } from 'evertoken'
      import { FileBackedStore } from './__test__/support/stores.mjs'
      const service = initializeTokenService({}, true, new FileBackedStore(${JSON.stringify(path)}))
      service.on('cleared', () => (console.log('cleared'), process.exit(0)))
      await service.getToken()
      setTimeout(() => process.exit(1), 15_000)
    `
    const before = server.tokenRequests.length
    const other = runScript(source, { env: clientEnvironment(server) })
    await until(() => existsSync(path) && recordsIn(path).has('external_api'))
    const service = initializeTokenService(
      { service: 'external_api', authUrl: server.tokenUrl, clientId: 'child', clientSecret: 'the-child-secret' },
      true,
      new FileBackedStore(path),
    )
    t.after(() => service.shutdown())
    await service.getToken()
    assert.equal(service.status().source, 'store')
    await service.clear()
    const { code, stdout, stderr } = await other
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'cleared\n', stderr: '' })
    assert.equal(server.tokenRequests.length - before, 1)
  })

  test('may be named in the configuration, too', async (t) => {
    const store = new MapStore()
    const service = initializeTokenService(configAt(server, { storage: { kind: 'custom', store } }))
    t.after(() => service.shutdown())
    await service.getToken()
    assert.equal(store.records.size, 1)
  })

  test('hands its token on to the next process, which makes no request and ends by itself', async (t) => {
    const path = join(folderFor(t), 'records.json')
    const source = `
      import { getAuthHeaders, initializeTokenService, startTokenScheduler } from 'evertoken'
      import { FileBackedStore } from './__test__/support/stores.mjs'
      initializeTokenService({}, true, new FileBackedStore(${JSON.stringify(path)}))
      startTokenScheduler()
      console.log((await getAuthHeaders()).Authorization)
    `
    const before = server.tokenRequests.length
    const runs = []
    for (let run = 0; run < 3; run += 1) runs.push(await runScript(source, { env: clientEnvironment(server) }))
    for (const { code, signal, stderr } of runs) {
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
    }
    assert.match(runs[0].stdout, /^Bearer access-/)
    assert.equal(new Set(runs.map(({ stdout }) => stdout)).size, 1)
    assert.equal(server.tokenRequests.length - before, 1)
    assert.match(recordsIn(path).get('external_api').token, /^et1\./)
  })

  test('may hold a plain token where that is accepted, which is sealed at the next save', async (t) => {
    const store = new MapStore()
    const config = configAt(server, { storage: { kind: 'custom', store, acceptPlainTokens: true } })
    store.set(config.service, byHand('by~hand'))
    const service = initializeTokenService(config)
    t.after(() => service.shutdown())
    const before = server.tokenRequests.length
    assert.equal(await service.getToken(), 'by~hand')
    assert.equal(server.tokenRequests.length, before)
    assert.equal(service.status().source, 'store')
    await service.refresh()
    assert.match(store.get(config.service).token, /^et1\./)
    store.set(config.service, byHand('by-hand-again'))
    await service.refresh().catch(() => {})
    assert.match(store.get(config.service).token, /^et1\./)
  })

  const planted = { ...byHand('the-token-of-an-attacker'), refreshToken: 'the-refresh-token-of-an-attacker' }
  test('decides neither which token is sent nor which refresh token is spent', async (t) => {
    const store = new MapStore()
    const lines = linesOf()
    const log = (...line) => lines.push(JSON.stringify(line))
    const config = configAt(server, { logger: { debug: log, info: log, warn: log, error: log } })
    store.set(config.service, planted)
    const service = serviceOver(t, store, config)
    assert.match(await service.getToken(), /^access-/)
    await until(() => lines.some((line) => line.includes('acceptPlainTokens')))
    store.set(config.service, planted)
    await service.refresh()
    assert.match(await service.getToken(), /^access-/)
    assert.match(store.get(config.service).token, /^et1\./)
    assert.ok(!lines.join().includes('of-an-attacker'))
    assert.ok(server.tokenRequests.every(({ body }) => !String(body).includes('of-an-attacker')))
  })

  test('is given nothing of the query of authUrl', async (t) => {
    const store = new MapStore()
    const { authUrl, ...config } = configAt(server)
    const service = serviceOver(t, store, { ...config, authUrl: `${authUrl}?key=the-key-in-the-query` })
    assert.match(await service.getToken(), /^access-/)
    assert.equal(store.records.size, 1)
    assert.ok(!JSON.stringify([...store.records]).includes('the-key-in-the-query'))
  })

  test('that gives hostile records takes nothing down and costs no caller a token', async (t) => {
    const hostile = [
      { ...planted, token: 'x'.repeat(5 * 1024 * 1024) },
      { ...planted, token: `et1.k.AAAAAAAA.${'A'.repeat(3 * 1024 * 1024)}`, tokenType: 'x'.repeat(8 * 1024 * 1024) },
      Object.defineProperty({}, 'token', { get() { throw new Error('hostile') } }),
      new Proxy({}, { get() { throw null } }),
      { ...planted, token: '\ud800' },
      { ...planted, token: { toString: () => 'x', toJSON: () => 'x' } },
      { ...planted, expiresAt: Object.assign(new Date(), { toISOString() { throw new Error('hostile') } }) },
      { ...planted, __proto__: null, constructor: 1, toJSON: 1 },
    ]
    for (const record of hostile) {
      const service = serviceOver(t, { get: () => record, set() {}, delete() {} })
      assert.match(await service.getToken(), /^access-/)
      await service.shutdown()
    }
  })

  test('that gives a record of 5 MiB is sick until the record is replaced, and the error says why', async (t) => {
    const lines = linesOf()
    const log = (...line) => lines.push(JSON.stringify(line))
    const config = configAt(server, { logger: { debug: log, info: log, warn: log, error: log } })
    const store = new MapStore()
    store.set(config.service, { ...planted, token: 'x'.repeat(5 * 1024 * 1024) })
    const service = serviceOver(t, store, config)
    await service.getToken()
    await until(() => lines.some((line) => line.includes('longer than 4 MiB')))
    await until(() => store.get(config.service).token.startsWith('et1.'))
    await until(() => service.status().storage.healthy)
    store.set(config.service, { ...planted, token: 'x'.repeat(5 * 1024 * 1024) })
    await service.clear()
    assert.equal(store.get(config.service), null)
    assert.ok(lines.every((line) => line.length < 10_000))
  })

  test('that is emptied is filled again at the next refresh', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, store)
    const token = await service.getToken()
    store.records.clear()
    assert.equal(await service.getToken(), token)
    await service.refresh()
    assert.equal(store.records.size, 1)
    assert.equal(service.status().storage.healthy, true)
  })

  test('holds a record of another key aside until the next token replaces it', async (t) => {
    const store = new MapStore()
    const config = configAt(server)
    const first = serviceOver(t, store, config)
    await first.getToken()
    await first.shutdown()
    const { token } = store.get(config.service)
    const second = serviceOver(t, store, { ...config, encryptionKey: 'a'.repeat(64) })
    assert.match(await second.getToken(), /^access-/)
    assert.equal(second.status().source, 'request')
    assert.notEqual(store.get(config.service).token, token)
  })

  test('that gives a record without a token is sick until the record is replaced', async (t) => {
    for (const value of [7, '', {}, undefined, 12n]) {
      const store = new MapStore()
      const lines = linesOf()
      const log = (...line) => lines.push(JSON.stringify(line))
      const config = configAt(server, { logger: { debug: log, info: log, warn: log, error: log } })
      store.set(config.service, { ...byHand('the-token-of-a-person'), token: value })
      const service = serviceOver(t, store, config)
      assert.match(await service.getToken(), /^access-/)
      await until(() => lines.some((line) => line.includes('the store fails')))
      assert.ok(lines.some((line) => line.includes('token is not a string')), lines.join('\n'))
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
    test(`with an unreadable ${field} beside a plain token has that token refused, and a sealed one not`, async (t) => {
      for (const value of values) {
        const store = new MapStore()
        const lines = linesOf()
        const log = (...line) => lines.push(JSON.stringify(line))
        const config = configAt(server, {
          logger: { debug: log, info: log, warn: log, error: log },
          storage: { kind: 'custom', store, acceptPlainTokens: true },
        })
        store.set(config.service, { ...byHand('the-token-of-a-person'), [field]: value })
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

  test('that gives something else than a record is sick', async (t) => {
    for (const record of ['text', 7, true, [], () => {}]) {
      const store = { get: () => record, set() {}, delete() {} }
      const service = serviceOver(t, store)
      assert.match(await service.getToken(), /^access-/)
    }
  })
})

describe('a store that loses records', { concurrency: true }, () => {
  const keptFor = (milliseconds) => {
    const records = new Map()
    return {
      get: (name) => records.get(name) ?? null,
      set(name, record) {
        records.set(name, record)
        setTimeout(() => records.get(name) === record && records.delete(name), milliseconds).unref()
      },
      delete: (name) => void records.delete(name),
    }
  }
  const shownAfter = (milliseconds) => {
    const writes = []
    const write = (name, record) => void writes.push({ name, record, at: Date.now() })
    return {
      get: (name) => writes.findLast((one) => one.name === name && one.at <= Date.now() - milliseconds)?.record ?? null,
      set: write,
      delete: (name) => write(name, null),
    }
  }
  const replicated = () => {
    const replicas = [new Map(), new Map()]
    let turn = 0
    const next = () => replicas[turn++ % 2]
    return {
      get: (name) => next().get(name) ?? null,
      set: (name, record) => void next().set(name, record),
      delete: (name) => replicas.forEach((replica) => replica.delete(name)),
    }
  }
  const losing = {
    'drops every write': () => ({ get: () => null, set() {}, delete() {} }),
    'evicts after a second': () => keptFor(1_000),
    'reads from a replica that lags by three seconds': () => shownAfter(3_000),
    'reads from and writes to two replicas in turn': replicated,
  }
  for (const [name, make] of Object.entries(losing)) {
    test(`as one that ${name}, costs no second request, and is not stormed`, async (t) => {
      const store = make()
      const calls = { get: 0, set: 0, delete: 0 }
      const counted = (of) => (...given) => {
        calls[of] += 1
        return store[of](...given)
      }
      const service = serviceOver(t, { get: counted('get'), set: counted('set'), delete: counted('delete') })
      const token = await service.getToken()
      for (const end = Date.now() + 8_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
        assert.equal(await service.getToken(), token)
      }
      assert.ok(calls.set <= 8 && calls.get <= 60, JSON.stringify(calls))
      assert.deepEqual(service.status().history.map(({ outcome }) => outcome), ['refreshed'])
    })
  }

  test('as one that lags by three seconds, does not bring a cleared token back', async (t) => {
    const service = serviceOver(t, shownAfter(3_000))
    const first = await service.getToken()
    await new Promise((resolve) => setTimeout(resolve, 3_500))
    await service.clear()
    assert.notEqual(await service.getToken(), first)
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
    'it threw a value that cannot be inspected': new Proxy({}, { get: () => { throw new Error(secret) } }),
  }
  for (const [words, error] of Object.entries(thrown)) {
    test(`becomes a storage error in these words: ${words}`, async (t) => {
      const fail = () => { throw error }
      for (const store of [{ get: fail, set: fail, delete: fail }, { get: fail, set: fail, delete: async () => fail() }]) {
        const service = serviceOver(t, store)
        assert.match(await service.getToken(), /^access-/)
        assert.equal(service.status().storage.healthy, false)
        const { code, message } = await rejection(service.clear())
        assert.equal(code, 'ERR_TOKEN_STORAGE')
        assert.equal(message, `the custom store: ${words}`)
      }
    })
  }

  test('leaves callers their token, and is forgotten once the store works again', async (t) => {
    let isDown = false
    const store = new MapStore()
    const check = (work) => (...args) => {
      if (isDown) throw new DatabaseError('down')
      return work.apply(store, args)
    }
    const service = serviceOver(t, { get: check(store.get), set: check(store.set), delete: check(store.delete) })
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

describe('the newest of several stores of one service', () => {
  test('is asked, as a hot reload brings a client of its own', async (t) => {
    const [old, young] = [new MapStore(), new MapStore()]
    const config = configAt(server)
    const service = serviceOver(t, old, config)
    await service.getToken()
    assert.equal(serviceOver(t, young, config), service)
    await service.refresh()
    assert.equal(young.records.size, 1)
    assert.notEqual(old.records.get(config.service).token, young.records.get(config.service).token)
  })

  const inWorker = `
    const { Worker } = await import('node:worker_threads')
    const { once } = await import('node:events')
    const { getAuthHeaders, getTokenService, initializeTokenService } = await import('evertoken')
    const { MapStore } = await import('./__test__/support/stores.mjs')
    const worker = new Worker(\`
      const { parentPort } = require('node:worker_threads')
      const { initializeTokenService } = require('evertoken')
      const records = new Map()
      const silence = new Promise(() => {})
      let hangs = false
      parentPort.on('message', () => (hangs = true))
      const reached = (answer) => hangs ? (parentPort.postMessage('reached'), silence) : answer
      initializeTokenService({}, true, {
        get: (service) => reached(records.get(service) ?? null),
        set: (service, record) => reached(void records.set(service, record)),
        delete: (service) => reached(void records.delete(service)),
      }).getToken().then(() => parentPort.postMessage('ready'))
    \`, { eval: true, execArgv: [] })
    await once(worker, 'message')
  `
  const outputOf = async (source) => {
    const { code, stdout, stderr } = await runScript(inWorker + source, { env: clientEnvironment(server) })
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    return JSON.parse(stdout)
  }

  test('is a storage error at once when its thread has ended', async () => {
    const { healthy, ms, code, message } = await outputOf(`
      await worker.terminate()
      const began = performance.now()
      const status = await getTokenService().refresh()
      const { code, message } = await getTokenService().clear().catch((error) => error)
      console.log(JSON.stringify({ healthy: status.storage.healthy, ms: performance.now() - began, code, message }))
    `)
    assert.deepEqual({ healthy, code }, { healthy: false, code: 'ERR_TOKEN_STORAGE' })
    assert.equal(message, 'the thread that brought the store has ended')
    assert.ok(ms < 2_000, `${ms} ms`)
  })

  test('is a storage error at once when its thread ends in the middle of a call', async () => {
    const { healthy, ms } = await outputOf(`
      worker.postMessage('hang')
      const reached = once(worker, 'message')
      const refreshing = getTokenService().refresh()
      await reached
      const began = performance.now()
      await worker.terminate()
      const { storage } = await refreshing
      console.log(JSON.stringify({ healthy: storage.healthy, ms: performance.now() - began }))
    `)
    assert.equal(healthy, false)
    assert.ok(ms < 2_000, `${ms} ms`)
  })

  test('is followed by one that is still there', async () => {
    const { healthy, records } = await outputOf(`
      const store = new MapStore()
      initializeTokenService({}, true, store)
      initializeTokenService({}, true, store)
      const again = new Worker(\`
        const { initializeTokenService } = require('evertoken')
        initializeTokenService({}, true, { get() {}, set() {}, delete() {} })
      \`, { eval: true, execArgv: [] })
      await once(again, 'exit')
      await worker.terminate()
      const { storage } = await getTokenService().refresh()
      console.log(JSON.stringify({ healthy: storage.healthy, records: store.records.size }))
    `)
    assert.deepEqual({ healthy, records }, { healthy: true, records: 1 })
  })
})

describe('a process with a store of its own', () => {
  const withStore = (store, rest) => `
    import { getAuthHeaders, initializeTokenService, startTokenScheduler } from 'evertoken'
    initializeTokenService({}, true, ${store})
    ${rest}
  `

  test('that is idle may exit, and so may one whose store never answers', async () => {
    for (const store of [
      '{ get() { return null }, set() {}, delete() {} }',
      '{ get: () => new Promise(() => {}), set: () => new Promise(() => {}), delete() {} }',
    ]) {
      const { code, signal, stderr, ms } = await runScript(withStore(store, 'startTokenScheduler()'), {
        env: clientEnvironment(server),
      })
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
      assert.ok(ms < 4_000, `${ms} ms`)
    }
  })

  test('lives until the token is stored', async () => {
    const store = `{
      get: () => null,
      set: (_, record) => new Promise((resolve) => setTimeout(() => { console.log('stored'); resolve() }, 100).unref()),
      delete() {},
    }`
    const { code, stdout } = await runScript(withStore(store, `console.log((await getAuthHeaders()).Authorization)`), {
      env: clientEnvironment(server),
    })
    assert.equal(code, 0)
    assert.match(stdout, /^stored\nBearer access-/)
  })
})

test('a store that lacks a function is refused by its field', () => {
  for (const store of [{}, null, { get() {}, set() {} }, 'text']) {
    assert.throws(
      () => initializeTokenService(configAt(server, { storage: { kind: 'custom', store } })),
      (error) => error instanceof TokenError && error.field === 'storage.store',
    )
  }
})
