import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { serviceOver } from '../support/custom-stores.mjs'
import { configAt, useTokenServer } from '../support/service.mjs'
import { MapStore } from '../support/stores.mjs'

const server = useTokenServer()
afterEach(cleanEnvironment)

describe('the newest of several stores of one service', () => {
  test('is used, because a hot reload creates a new client', async (t) => {
    const [old, young] = [new MapStore(), new MapStore()]
    const config = configAt(server)
    const service = serviceOver(t, server, old, config)
    await service.getToken()
    assert.equal(serviceOver(t, server, young, config), service)
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

  test('is a storage error at once if its thread has ended', async () => {
    const { healthy, ms, code, message } = await outputOf(`
      await worker.terminate()
      const began = performance.now()
      const status = await getTokenService().refresh()
      const { code, message } = await getTokenService().clear().catch((error) => error)
      console.log(JSON.stringify({ healthy: status.storage.healthy, ms: performance.now() - began, code, message }))
    `)
    assert.deepEqual({ healthy, code }, { healthy: false, code: 'ERR_TOKEN_STORAGE' })
    assert.equal(message, 'the worker thread that provided the store has ended')
    assert.ok(ms < 2_000, `${ms} ms`)
  })

  test('is a storage error at once if its thread ends during a call', async () => {
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

  test('is replaced by one that still exists', async () => {
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

describe('a process with its own store', () => {
  const withStore = (store, rest) => `
    import { getAuthHeaders, initializeTokenService, startTokenScheduler } from 'evertoken'
    initializeTokenService({}, true, ${store})
    ${rest}
  `

  test('that is idle may exit, and so may one whose store never settles', async () => {
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
    const { code, stdout } = await runScript(
      withStore(store, `console.log((await getAuthHeaders()).Authorization)`),
      {
        env: clientEnvironment(server),
      },
    )
    assert.equal(code, 0)
    assert.match(stdout, /^stored\nBearer access-/)
  })
})
