// What belongs to a service goes with it: nothing of ours holds on to loggers, listeners or stores of the ended.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runScript } from '../support/child.mjs'

/** A script that makes things, lets them go, and says which of them are still there. */
const script = (body) => `
  import { createServer } from 'node:http'
  import { once } from 'node:events'
  import { setTimeout as sleep } from 'node:timers/promises'
  import * as evertoken from 'evertoken'
  import { secondCopy } from './__test__/support/copies.mjs'
  const { getAuthHeaders, getTokenService, initializeTokenService } = evertoken
  const server = createServer((_, response) => response.end('{"access_token":"t","expires_in":3600}')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authUrl = \`http://127.0.0.1:\${server.address().port}/token\`
  const config = { authUrl, clientId: 'a', clientSecret: 'b', storage: { kind: 'memory' } }
  const kept = new Map()
  const watch = (name, object) => (kept.set(name, new WeakRef(object)), object)
  const logger = (name) => watch(name, { debug() {}, info() {}, warn() {}, error() {} })
  const listener = (name) => watch(name, () => {})
  const store = (name) => watch(name, { get: () => null, set() {}, delete() {} })
  const alive = async () => {
    for (let round = 0; round < 50; round += 1) {
      await sleep(10)
      globalThis.gc()
      if ([...kept.values()].every((reference) => reference.deref() === undefined)) break
    }
    return [...kept].filter(([, reference]) => reference.deref() !== undefined).map(([name]) => name)
  }
  ${body}
  console.log(JSON.stringify(await alive()))
  process.exit(0)
`

async function remains(body) {
  const { code, stdout, stderr } = await runScript(script(body), {
    args: ['--expose-gc'],
    env: { LOG_LEVEL: 'debug' },
  })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

const use = `
  const begin = async (name, extra) => {
    const service = watch(name, initializeTokenService({ ...config, logger: logger(name + ' logger'), ...extra }))
    service.on('refreshed', listener(name + ' listener')).once('alert', listener(name + ' once'))
    await service.getAuthHeaders()
    await getAuthHeaders()
    await service.fetch(authUrl)
    return service
  }
`

describe('collectable', () => {
  test('are the logger, the listeners, the store and the handle of a service that was shut down', async () => {
    const left = await remains(`${use}
      await (async () => (await begin('one', { storage: { kind: 'custom', store: store('store') }, encryptionKey: 'a passphrase of the tests' })).shutdown())()
    `)
    assert.deepEqual(left, [])
  })

  test('are those of a service that another configuration replaced', async () => {
    const left = await remains(`${use}
      await (async () => void (await begin('one')))()
      initializeTokenService({ ...config, scope: 'other' })
    `)
    assert.deepEqual(left, [])
  })

  test('is the logger that a later call with an equal configuration replaced', async () => {
    const left = await remains(`${use}
      await (async () => void (await begin('one')))()
      initializeTokenService({ ...config, logger: console })
    `)
    assert.deepEqual(left, ['one', 'one listener', 'one once'], 'the rest lives on with the service')
  })

  test('are the logger and the listeners although the program keeps the handle', async () => {
    const left = await remains(`${use}
      globalThis.handle = await begin('one')
      await handle.shutdown()
    `)
    assert.deepEqual(left, ['one'])
  })

  test('are those of a service that another copy of the package shut down', async () => {
    const left = await remains(`${use}
      await (async () => void (await begin('one')))()
      const copy = secondCopy()
      await copy.initializeTokenService(config).shutdown()
    `)
    assert.deepEqual(left, [])
  })

  test('are those of a service that another copy of the package replaced', async () => {
    const left = await remains(`${use}
      await (async () => void (await begin('one')))()
      secondCopy().initializeTokenService({ ...config, scope: 'other' })
    `)
    assert.deepEqual(left, [])
  })

  test('are those of a service that a worker thread shut down', async () => {
    const left = await remains(`${use}
      import { Worker } from 'node:worker_threads'
      await (async () => void (await begin('one')))()
      const source = "const { workerData } = require('node:worker_threads'); require('evertoken').initializeTokenService(workerData).shutdown()"
      await once(new Worker(source, { eval: true, execArgv: [], workerData: config }), 'exit')
    `)
    assert.deepEqual(left, [])
  })

  test('are a thousand services, one after another, and what was said to their loggers last was said', async () => {
    const left = await remains(`
      let lines = 0
      // In a function, so that no variable of the script holds on to the last of them.
      const beginAll = async () => { for (let index = 0; index < 1000; index += 1) {
        const own = logger('logger ' + index)
        own.info = own.debug = () => (lines += 1)
        const service = watch('service ' + index, initializeTokenService({ ...config, service: 'service-' + index, logger: own }))
        service.on('refreshed', listener('listener ' + index))
        if (index % 100 === 0) await service.getToken()
        await service.shutdown()
      } }
      await beginAll()
      await sleep(50)
      if (lines < 10) throw new Error('only ' + lines + ' lines')
    `)
    assert.deepEqual(left, [])
  })
})
