// Calls by name, and one service's business that must not be another's.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { beforeEach, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { getAuthHeaders, getTokenService, initializeTokenService } from 'evertoken'
import { secondCopy } from '../support/copies.mjs'
import { configAt, serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
const addon = createRequire(import.meta.url)('evertoken/native')

/** Counts the calls of each function of the core while the test runs. */
function countCrossings(context) {
  const counts = {}
  for (const [name, real] of Object.entries(addon)) {
    if (typeof real !== 'function') continue
    addon[name] = (...given) => {
      counts[name] = (counts[name] ?? 0) + 1
      return real(...given)
    }
    context.after(() => (addon[name] = real))
  }
  return counts
}

/** Runs this in a worker thread, with `config`, and waits for its end. */
async function inWorker(config, source) {
  const prelude =
    "const { workerData: config } = require('node:worker_threads'); const evertoken = require('evertoken');"
  await once(new Worker(prelude + source, { eval: true, execArgv: [], workerData: config }), 'exit')
}

describe('a call by name with a good token', () => {
  test('does not cross to the core', async (t) => {
    const services = Array.from({ length: 20 }, () => serviceFor(t, server))
    const call = () => Promise.all(services.map(({ name }) => getAuthHeaders(name)))
    await call()
    // The core is asked once more after a token has arrived.
    const tokens = await call()
    const counts = countCrossings(t)
    for (let round = 0; round < 3; round += 1) {
      for (const [index, { name }] of services.entries()) {
        assert.deepEqual(await getAuthHeaders(name), tokens[index])
        assert.deepEqual(await getAuthHeaders(name), tokens[index])
      }
    }
    assert.deepEqual(counts, {})
    assert.equal(new Set(tokens.map(({ Authorization }) => Authorization)).size, services.length)
  })

  test('does not cross in a copy of the package that did not initialize the service', async (t) => {
    const config = configAt(server)
    await serviceFor(t, server, config).getAuthHeaders()
    const copy = secondCopy()
    const token = await copy.getAuthHeaders(config.service)
    const counts = countCrossings(t)
    assert.deepEqual(await copy.getAuthHeaders(config.service), token)
    assert.deepEqual(counts, {})
  })

  test('crosses again after the token was cleared', async (t) => {
    const { name } = serviceFor(t, server)
    const first = await getAuthHeaders(name)
    await getTokenService(name).clear()
    assert.notDeepEqual(await getAuthHeaders(name), first)
  })

  test('rejects a name that is not a string', async () => {
    for (const name of [7, null, {}, Symbol('name')]) {
      await assert.rejects(getAuthHeaders(name), { code: 'ERR_TOKEN_CONFIG' })
    }
  })
})

describe('a call by name never gets the token of a service that', () => {
  let config
  let old
  beforeEach(async () => {
    config = configAt(server)
    initializeTokenService(config)
    old = await getAuthHeaders(config.service)
    // Twice, so that the name is the last that was asked for.
    assert.deepEqual(await getAuthHeaders(config.service), old)
  })

  const isGone = () => assert.rejects(getAuthHeaders(config.service), /no service has this name/)

  const isAnother = async (t) => {
    const headers = await getAuthHeaders(config.service)
    assert.notDeepEqual(headers, old)
    t.after(() => getTokenService(config.service).shutdown())
  }

  test('is shutting down', async () => {
    const ending = getTokenService(config.service).shutdown()
    await isGone()
    await ending
    await isGone()
  })

  test('was replaced', async (t) => {
    initializeTokenService({ ...config, scope: 'other' })
    await isAnother(t)
  })

  test('was shut down and initialized again', async (t) => {
    await getTokenService(config.service).shutdown()
    initializeTokenService(config)
    await isAnother(t)
  })

  test('was shut down and initialized again at once', async (t) => {
    const ending = getTokenService(config.service).shutdown()
    initializeTokenService(config)
    await isAnother(t)
    await ending
    assert.notDeepEqual(await getAuthHeaders(config.service), old)
  })

  test('another copy of the package shut down', async () => {
    await secondCopy().getTokenService(config.service).shutdown()
    await isGone()
  })

  test('another copy of the package replaced', async (t) => {
    secondCopy().initializeTokenService({ ...config, scope: 'other' })
    await isAnother(t)
  })

  test('another copy of the package shut down and initialized again', async (t) => {
    const copy = secondCopy()
    await copy.getTokenService(config.service).shutdown()
    copy.initializeTokenService(config)
    await isAnother(t)
  })

  test('a worker thread shut down', async () => {
    await inWorker(config, 'evertoken.getTokenService(config.service).shutdown()')
    await isGone()
  })

  test('a worker thread replaced', async (t) => {
    await inWorker(config, "evertoken.initializeTokenService({ ...config, scope: 'other' })")
    await isAnother(t)
  })

  test('a worker thread shut down and initialized again', async (t) => {
    const source = `
      const service = evertoken.getTokenService(config.service)
      service.shutdown().then(() => evertoken.initializeTokenService(config))
    `
    await inWorker(config, source)
    await isAnother(t)
  })
})

test('an initialization touches no other service', (t) => {
  const one = serviceFor(t, server)
  const visited = []
  // The package's maps are private, but a walk through one of them must pass here.
  for (const name of ['entries', 'keys', 'values', 'forEach', Symbol.iterator]) {
    const original = Map.prototype[name]
    Map.prototype[name] = function (...given) {
      visited.push(name)
      return Reflect.apply(original, this, given)
    }
    t.after(() => (Map.prototype[name] = original))
  }
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const other = configAt(server, { logger, refusedBy: () => false })
  for (const scope of ['a', 'b']) initializeTokenService({ ...other, scope })
  assert.deepEqual(visited, [])
  t.after(() => getTokenService(other.service).shutdown())
  assert.equal(getTokenService(one.name), one)
})
