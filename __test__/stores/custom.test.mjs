import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { initializeTokenService, TokenError } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { plainRecord, serviceOver, storeFolder, until } from '../support/custom-stores.mjs'
import { configAt, useTokenServer } from '../support/service.mjs'
import { FileBackedStore, MapStore, recordsIn } from '../support/stores.mjs'

const server = useTokenServer()
afterEach(cleanEnvironment)

describe("a user's own store", () => {
  test('is read, receives the new token encrypted, and appears in the status', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, server, store)
    const token = await service.getToken()
    const record = store.records.get(service.name)
    assert.deepEqual(Object.keys(record).sort(), [
      'createdAt',
      'expiresAt',
      'lastUsed',
      'refreshToken',
      'token',
      'tokenType',
    ])
    assert.ok(!JSON.stringify(record).includes(token))
    assert.deepEqual(
      { refreshToken: record.refreshToken, type: record.tokenType },
      { refreshToken: null, type: 'Bearer' },
    )
    assert.equal(record.expiresAt, service.status().expiresAt)
    assert.deepEqual(service.status().storage, {
      kind: 'custom',
      location: 'custom store',
      encrypted: true,
      healthy: true,
    })
    await service.clear()
    assert.equal(store.get(service.name), null)
    const [[name, mark], ...others] = store.records
    assert.deepEqual(
      { name, token: mark.token, others },
      { name: ` removed ${service.name}`, token: 'removed', others: [] },
    )
  })

  test('keeps a new token after a clear, despite the old removal mark', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, server, store)
    const first = await service.getToken()
    await service.clear()
    const second = await service.getToken()
    assert.notEqual(second, first)
    store.records.delete(service.name)
    await until(() => store.records.has(service.name))
    assert.equal(await service.getToken(), second)
  })

  test('shows every process within seconds that one has cleared the token', async (t) => {
    const path = join(storeFolder(t), 'records.json')
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
      {
        service: 'external_api',
        authUrl: server.tokenUrl,
        clientId: 'child',
        clientSecret: 'the-child-secret',
      },
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

  test('passes its token to the next process, which makes no request and exits', async (t) => {
    const path = join(storeFolder(t), 'records.json')
    const source = `
      import { getAuthHeaders, initializeTokenService, startTokenScheduler } from 'evertoken'
      import { FileBackedStore } from './__test__/support/stores.mjs'
      initializeTokenService({}, true, new FileBackedStore(${JSON.stringify(path)}))
      startTokenScheduler()
      console.log((await getAuthHeaders()).Authorization)
    `
    const before = server.tokenRequests.length
    const runs = []
    for (let run = 0; run < 3; run += 1)
      runs.push(await runScript(source, { env: clientEnvironment(server) }))
    for (const { code, signal, stderr } of runs) {
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
    }
    assert.match(runs[0].stdout, /^Bearer access-/)
    assert.equal(new Set(runs.map(({ stdout }) => stdout)).size, 1)
    assert.equal(server.tokenRequests.length - before, 1)
    assert.match(recordsIn(path).get('external_api').token, /^et1\./)
  })

  test('may contain a plain token if that is accepted, which is encrypted at the next save', async (t) => {
    const store = new MapStore()
    const config = configAt(server, { storage: { kind: 'custom', store, acceptPlainTokens: true } })
    store.set(config.service, plainRecord('by~hand'))
    const service = initializeTokenService(config)
    t.after(() => service.shutdown())
    const before = server.tokenRequests.length
    assert.equal(await service.getToken(), 'by~hand')
    assert.equal(server.tokenRequests.length, before)
    assert.equal(service.status().source, 'store')
    await service.refresh()
    assert.match(store.get(config.service).token, /^et1\./)
    store.set(config.service, plainRecord('by-hand-again'))
    await service.refresh().catch(() => {})
    assert.match(store.get(config.service).token, /^et1\./)
  })

  test('receives no part of the query of authUrl', async (t) => {
    const store = new MapStore()
    const { authUrl, ...config } = configAt(server)
    const service = serviceOver(t, server, store, {
      ...config,
      authUrl: `${authUrl}?key=the-key-in-the-query`,
    })
    assert.match(await service.getToken(), /^access-/)
    assert.equal(store.records.size, 1)
    assert.ok(!JSON.stringify([...store.records]).includes('the-key-in-the-query'))
  })

  test('that is emptied is written again at the next refresh', async (t) => {
    const store = new MapStore()
    const service = serviceOver(t, server, store)
    const token = await service.getToken()
    store.records.clear()
    assert.equal(await service.getToken(), token)
    await service.refresh()
    assert.equal(store.records.size, 1)
    assert.equal(service.status().storage.healthy, true)
  })

  test('keeps a record with another key until the next token replaces it', async (t) => {
    const store = new MapStore()
    const config = configAt(server)
    const first = serviceOver(t, server, store, config)
    await first.getToken()
    await first.shutdown()
    const { token } = store.get(config.service)
    const second = serviceOver(t, server, store, { ...config, encryptionKey: 'a'.repeat(64) })
    assert.match(await second.getToken(), /^access-/)
    assert.equal(second.status().source, 'request')
    assert.notEqual(store.get(config.service).token, token)
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
