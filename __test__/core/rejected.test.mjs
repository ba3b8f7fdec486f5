// Callers with an HTTP client of their own say which token an API refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { initializeTokenService, TokenError } from 'evertoken'
import { createFakeEvertoken, startMockTokenServer } from 'evertoken/testing'
import { startDpopServer } from '../support/dpop-server.mjs'
import { freshName, serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()

async function serverFor(t, options) {
  const started = await startMockTokenServer(options)
  t.after(() => started.close())
  return started
}

describe('a token that the API refused', () => {
  test('is replaced by one token request for forty callers that learn of it one after another', async (t) => {
    const own = await serverFor(t)
    const service = serviceFor(t, own)
    await service.getToken()
    const sent = await Promise.all(Array.from({ length: 40 }, () => service.getAuthHeaders()))
    own.revokeAll()
    const statuses = []
    await Promise.all(
      sent.map(async (headers, index) => {
        await sleep(index * 10)
        assert.equal((await fetch(own.apiUrl, { headers })).status, 401)
        statuses.push((await fetch(own.apiUrl, { headers: await service.rejected(headers) })).status)
      }),
    )
    assert.deepEqual(new Set(statuses), new Set([200]))
    assert.equal(own.tokenRequests.length, 2)
  })

  test('is replaced by one request if all callers report it at once', async (t) => {
    const own = await serverFor(t)
    const service = serviceFor(t, own)
    const headers = await service.getAuthHeaders()
    const answers = await Promise.all(Array.from({ length: 100 }, () => service.rejected(headers)))
    assert.equal(own.tokenRequests.length, 2)
    assert.equal(new Set(answers).size, 100, 'each has an object of its own')
    assert.notEqual(answers[0].Authorization, headers.Authorization)
  })

  const shapes = {
    'the headers': (headers) => headers,
    'the headers and more': (headers) => ({ ...headers, 'Content-Type': 'application/json' }),
    'a name in lower case': ({ Authorization }) => ({ authorization: Authorization }),
    'a name in upper case': ({ Authorization }) => ({ AUTHORIZATION: Authorization }),
    Headers: (headers) => new Headers(headers),
    'a list of pairs': (headers) => Object.entries(headers),
    "a client's own headers": ({ Authorization }) => ({
      get: (name) => (/^authorization$/i.test(name) ? Authorization : null),
    }),
    'headers without the scheme': ({ Authorization }) => ({ Authorization: Authorization.split(' ')[1] }),
    'an object without a prototype': (headers) => Object.assign(Object.create(null), headers),
    'the value of the header': ({ Authorization }) => Authorization,
    'the token': ({ Authorization }) => Authorization.split(' ')[1],
  }
  for (const [name, shape] of Object.entries(shapes)) {
    test(`may be given as ${name}`, async (t) => {
      const own = await serverFor(t)
      const service = serviceFor(t, own)
      const headers = await service.getAuthHeaders()
      const later = await service.rejected(shape(headers))
      assert.match(later.Authorization, /^Bearer access-2/)
      assert.deepEqual(await service.rejected(shape(headers)), later, 'an old one is known to be replaced')
      assert.equal(own.tokenRequests.length, 2)
    })
  }

  test('that is missing or outdated leads to the current one', async (t) => {
    const own = await serverFor(t)
    const service = serviceFor(t, own)
    const headers = await service.getAuthHeaders()
    for (const given of [
      {},
      new Headers(),
      { accept: '*/*' },
      'Bearer another',
      { Authorization: 'another' },
    ]) {
      assert.deepEqual(await service.rejected(given), headers)
    }
    assert.equal(own.tokenRequests.length, 1)
  })

  test('cannot be anything else, and the error names the argument', async (t) => {
    const service = serviceFor(t, server)
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const wrong = [
      undefined,
      null,
      401,
      '',
      '  ',
      Symbol('x'),
      new Response(),
      new Error('401'),
      { Authorization: 7 },
      proxy,
    ]
    for (const given of wrong) {
      const error = await service.rejected(given).catch((error) => error)
      assert.ok(error instanceof TokenError)
      assert.deepEqual(
        [error.code, error.field, error.service],
        ['ERR_TOKEN_CONFIG', 'headersOrToken', service.name],
      )
    }
    const held = await service.getToken()
    const secret = await service.rejected({ Authorization: { token: held } }).catch((error) => error)
    assert.ok(!JSON.stringify(secret).includes(held))
  })
})

describe('if no later token can be obtained', () => {
  const failing = { status: 500, body: {} }

  test('the answer is empty', async (t) => {
    const own = await serverFor(t)
    const service = serviceFor(t, own, { retry: { attempts: 1 } })
    const headers = await service.getAuthHeaders()
    own.script(failing)
    assert.deepEqual(await service.rejected(headers), {})
  })

  test("with onFailure: 'throw' it contains the reason", async (t) => {
    const own = await serverFor(t)
    const service = serviceFor(t, own, { retry: { attempts: 1 }, onFailure: 'throw' })
    const headers = await service.getAuthHeaders()
    own.script(failing)
    const error = await service.rejected(headers).catch((error) => error)
    assert.ok(error instanceof TokenError)
    const { code, message } = service.status().lastError
    assert.deepEqual([error.code, error.message, error.service], [code, message, service.name])
  })

  test('with a configured token only, it says so', async (t) => {
    const config = { token: 'by-hand', storage: { kind: 'memory' } }
    const quiet = initializeTokenService({ ...config, service: freshName() })
    const loud = initializeTokenService({ ...config, service: freshName(), onFailure: 'throw' })
    t.after(() => Promise.all([quiet.shutdown(), loud.shutdown()]))
    assert.deepEqual(await quiet.rejected('by-hand'), {})
    await assert.rejects(loud.rejected('by-hand'), { code: 'ERR_TOKEN_CONFIG', field: 'authUrl' })
  })

  test('as after its end, it is refused', async (t) => {
    const service = serviceFor(t, server)
    const headers = await service.getAuthHeaders()
    await service.shutdown()
    await assert.rejects(service.rejected(headers), { code: 'ERR_TOKEN_SHUTDOWN' })
  })
})

test('with dpop, the request is required before anything is sent', async (t) => {
  const own = await startDpopServer()
  t.after(() => own.close())
  const service = serviceFor(t, own, { authUrl: own.tokenEndpoint, dpop: true })
  const request = { method: 'GET', url: own.api }
  const headers = await service.getAuthHeaders(request)
  const before = own.log.tokenRequests.length
  await assert.rejects(service.rejected(headers), { code: 'ERR_TOKEN_CONFIG', field: 'request' })
  assert.equal(own.log.tokenRequests.length, before)
  const later = await service.rejected(headers, request)
  assert.notEqual(later.Authorization, headers.Authorization)
  assert.match(later.DPoP, /^[\w-]+\.[\w-]+\.[\w-]+$/)
})

test('the fake behaves in the same way', async () => {
  const fake = createFakeEvertoken()
  const service = fake.initializeTokenService()
  const headers = await service.getAuthHeaders()
  assert.deepEqual(await service.rejected(headers), { Authorization: 'Bearer fake-token-2' })
  assert.deepEqual(await service.rejected(headers), { Authorization: 'Bearer fake-token-2' })
  assert.equal(service.status().counters.refreshes, 2)
  await assert.rejects(service.rejected(undefined), { code: 'ERR_TOKEN_CONFIG', field: 'headersOrToken' })
  fake.failWith('ERR_TOKEN_NETWORK')
  assert.deepEqual(await service.rejected('fake-token-2'), {})
})
