import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { getAuthHeaders, getTokenService, initializeTokenService } from 'evertoken'
import { configAt, freshName, serviceFor, useTokenServer } from '../support/service.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const native = createRequire(import.meta.url)('evertoken/native')
const server = useTokenServer()

describe('the header', () => {
  test('carries a token that the API accepts', async (t) => {
    const service = serviceFor(t, server)
    const response = await fetch(server.apiUrl, { headers: await service.getAuthHeaders() })
    assert.equal(response.status, 200)
  })

  test('is a new plain object at each call: other callers do not see what one adds', async (t) => {
    const service = serviceFor(t, server)
    const calls = [() => service.getAuthHeaders(), () => getAuthHeaders(service.name)]
    const { Authorization } = await service.getAuthHeaders()
    for (const call of calls) {
      const headers = await call()
      assert.equal(Object.getPrototypeOf(headers), Object.prototype)
      headers['x-host-id'] = '1'
      headers.Authorization = 'Bearer other'
      delete headers.Authorization
      for (const again of calls) assert.deepEqual(await again(), { Authorization })
    }
    await service.refresh()
    assert.notEqual((await service.getAuthHeaders()).Authorization, Authorization)
  })

  test('is a separate object for each caller that waits for one request', async (t) => {
    const service = serviceFor(t, server)
    const all = await Promise.all([
      service.getAuthHeaders(),
      service.getAuthHeaders(),
      getAuthHeaders(service.name),
    ])
    assert.equal(new Set(all).size, 3)
    assert.equal(new Set(all.map(({ Authorization }) => Authorization)).size, 1)
  })

  test('allows a framework to add headers to what fetch receives', async (t) => {
    const service = serviceFor(t, server)
    const platform = globalThis.fetch
    t.mock.method(globalThis, 'fetch', (input, init) => {
      if (init.headers instanceof Headers) init.headers.set('x-host-id', '1')
      else init.headers['x-host-id'] = '1'
      return platform(input, init)
    })
    const before = server.apiRequests.length
    assert.equal((await fetch(server.apiUrl, { headers: await service.getAuthHeaders() })).status, 200)
    assert.equal((await service.fetch(server.apiUrl)).status, 200)
    const added = server.apiRequests.slice(before).map(({ headers }) => headers['x-host-id'])
    assert.deepEqual(added, ['1', '1'])
  })

  test('costs no call into the core while it is unchanged', async (t) => {
    const service = serviceFor(t, server)
    await service.getAuthHeaders()
    await service.getAuthHeaders()
    const calls = ['headers', 'acquire', 'find'].map((name) => t.mock.method(native, name))
    for (let call = 0; call < 1000; call += 1) await service.getAuthHeaders()
    assert.deepEqual(
      calls.map(({ mock }) => mock.callCount()),
      [0, 0, 0],
    )
    await service.refresh()
    await service.getAuthHeaders()
    assert.deepEqual(
      calls.map(({ mock }) => mock.callCount()),
      [1, 0, 0],
    )
  })

  test('costs no call into the core from the function, either', async (t) => {
    const service = initializeTokenService(configAt(server, { service: undefined }))
    t.after(() => service.shutdown())
    await getAuthHeaders()
    await getAuthHeaders()
    const calls = ['headers', 'acquire', 'find'].map((name) => t.mock.method(native, name))
    for (let call = 0; call < 1000; call += 1) await getAuthHeaders()
    assert.deepEqual(
      calls.map(({ mock }) => mock.callCount()),
      [0, 0, 0],
    )
  })

  test('is requested once for any number of waiting callers', async (t) => {
    const service = serviceFor(t, server)
    const before = server.tokenRequests.length
    const acquire = t.mock.method(native, 'acquire')
    const callers = Array.from({ length: 10_000 }, (_, index) =>
      index % 2 ? service.getAuthHeaders() : getAuthHeaders(service.name),
    )
    const answers = await Promise.all(callers)
    assert.equal(new Set(answers).size, 10_000)
    assert.equal(new Set(answers.map(({ Authorization }) => Authorization)).size, 1)
    assert.equal(server.tokenRequests.length - before, 1)
    assert.equal(acquire.mock.callCount(), 1)
  })

  test('is empty if no token can be obtained, and requested again later', async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    failing.script(
      { status: 401, body: { error: 'invalid_client' } },
      { status: 401, body: { error: 'invalid_client' } },
    )
    const service = serviceFor(t, failing)
    const headers = await service.getAuthHeaders()
    assert.deepEqual(headers, {})
    headers['x-mine'] = '1'
    assert.deepEqual(await service.getAuthHeaders(), {})
    assert.equal(await service.getToken(), null)
    await service.refresh()
    assert.match((await service.getAuthHeaders()).Authorization, /^Bearer access-/)
  })

  test("is refused with the error when onFailure is 'throw'", async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    failing.script(() => ({ status: 401, body: { error: 'invalid_client' } }))
    const service = serviceFor(t, failing, {
      onFailure: 'throw',
      clientAuthentication: 'client_secret_basic',
    })
    await assert.rejects(service.getAuthHeaders(), {
      code: 'ERR_TOKEN_CREDENTIALS',
      service: service.name,
      status: 401,
    })
  })

  test('carries the manual token if there is no credential', async (t) => {
    const service = initializeTokenService({
      service: freshName(),
      token: 'by-hand',
      storage: { kind: 'memory' },
    })
    t.after(() => service.shutdown())
    for (let call = 0; call < 2; call += 1) {
      const headers = await service.getAuthHeaders()
      assert.deepEqual(headers, { Authorization: 'Bearer by-hand' })
      headers.Authorization = 'Bearer other'
    }
    assert.equal(service.status().state, 'manual')
  })
})

describe('a service', () => {
  test('hands out its token', async (t) => {
    const service = serviceFor(t, server)
    assert.equal(`Bearer ${await service.getToken()}`, (await service.getAuthHeaders()).Authorization)
  })

  test('refreshes when asked, and answers with its status', async (t) => {
    const service = serviceFor(t, server)
    const first = await service.getToken()
    const status = await service.refresh()
    assert.equal(status.service, service.name)
    assert.equal(status.state, 'valid')
    assert.notEqual(await service.getToken(), first)
  })

  test('rejects a failed refresh with a TokenError, and keeps its token', async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    const service = serviceFor(t, failing, { retry: { attempts: 1 } })
    const token = await service.getToken()
    failing.script({ status: 429, headers: { 'retry-after': '7' }, body: { error: 'slow_down' } })
    const error = await service.refresh().catch((error) => error)
    assert.equal(error.code, 'ERR_TOKEN_RATE_LIMITED')
    assert.equal(error.service, service.name)
    assert.equal(error.status, 429)
    assert.equal(error.retryAfterSeconds, 7)
    assert.equal(await service.getToken(), token)
  })

  test('forgets its token when cleared', async (t) => {
    const service = serviceFor(t, server)
    const token = await service.getToken()
    assert.equal(await service.clear(), undefined)
    assert.equal(service.status().state, 'missing')
    assert.notEqual(await service.getToken(), token)
  })

  test('ends once, and then refuses every call', async () => {
    const service = initializeTokenService(configAt(server))
    await service.getAuthHeaders()
    assert.equal(service.shutdown(), service.shutdown())
    assert.equal(await service.shutdown(), undefined)
    const shutDown = { name: 'TokenError', code: 'ERR_TOKEN_SHUTDOWN', service: service.name }
    await assert.rejects(service.getAuthHeaders(), shutDown)
    await assert.rejects(service.getToken(), shutDown)
    await assert.rejects(service.refresh(), shutDown)
    await assert.rejects(service.clear(), shutDown)
    await assert.rejects(service.fetch(server.apiUrl), shutDown)
    assert.throws(() => service.status(), shutDown)
    assert.equal(getTokenService(service.name), null)
  })

  test('that ends while callers wait refuses them', async () => {
    const slow = await startMockTokenServer()
    slow.hold()
    const service = initializeTokenService(configAt(slow))
    const waiting = assert.rejects(service.getAuthHeaders(), { code: 'ERR_TOKEN_SHUTDOWN' })
    await slow.waitForRequests(1)
    const ended = service.shutdown()
    await waiting
    slow.release()
    await ended
    await slow.close()
  })

  test('is found by its name, as the same object', (t) => {
    const service = serviceFor(t, server)
    assert.equal(getTokenService(service.name), service)
    assert.equal(getTokenService('an-unknown-name'), null)
  })

  test('is returned for an equal configuration, and replaced for another', async (t) => {
    const config = configAt(server)
    const service = initializeTokenService(config)
    assert.equal(initializeTokenService({ ...config }), service)
    const other = initializeTokenService({ ...config, scope: 'read' })
    t.after(() => other.shutdown())
    assert.notEqual(other, service)
    assert.equal(other.name, service.name)
    assert.equal(getTokenService(service.name), other)
    await assert.rejects(service.fetch(server.apiUrl), { code: 'ERR_TOKEN_SHUTDOWN' })
    await assert.rejects(service.getAuthHeaders(), { code: 'ERR_TOKEN_SHUTDOWN' })
    assert.match(await other.getToken(), /^access-/)
  })

  test('releases the logger if it is replaced', (t) => {
    const config = configAt(server)
    const ofService = () => {
      const { loggers } = globalThis[Symbol.for('evertoken.environment.1')]
      return [...loggers.values()].filter(({ service }) => service === config.service)
    }
    const loggers = [1, 2, 3].map(() => ({ debug() {}, info() {}, warn() {}, error() {} }))
    for (const [round, logger] of loggers.entries()) {
      initializeTokenService({ ...config, logger, scope: `round-${round}` })
    }
    assert.deepEqual(
      ofService().map(({ logger }) => logger),
      [loggers[2]],
    )
    const service = initializeTokenService(config)
    t.after(() => service.shutdown())
    assert.deepEqual(ofService(), [])
  })

  test('keeps its name', (t) => {
    const service = serviceFor(t, server)
    assert.throws(() => (service.name = 'another'), TypeError)
  })

  test('cannot be made by hand', () => {
    const { constructor: Service } = initializeTokenService({
      service: freshName(),
      token: 'x',
      storage: { kind: 'memory' },
    })
    assert.throws(() => new Service(), { name: 'TypeError', message: /initializeTokenService/ })
    assert.throws(() => new Service({ id: 1, name: 'forged' }), TypeError)
  })
})

test('an unknown service name is refused, and named', async () => {
  const call = getAuthHeaders('billing')
  await assert.rejects(call, { code: 'ERR_TOKEN_CONFIG', field: 'service', message: /"billing"/ })
})
