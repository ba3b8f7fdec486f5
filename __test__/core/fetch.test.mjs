import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { configAt, freshName, serviceFor, useTokenServer } from '../support/service.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const server = useTokenServer()

/** Requests to the API while `call` runs. */
async function apiRequestsOf(call, of = server) {
  const before = of.apiRequests.length
  await call()
  return of.apiRequests.slice(before)
}

describe('where the header goes', () => {
  test('to every absolute URL by default', async (t) => {
    const service = serviceFor(t, server)
    for (const input of [server.apiUrl, new URL(server.apiUrl), new Request(server.apiUrl)]) {
      assert.equal((await service.fetch(input)).status, 200)
    }
  })

  test('to the origin of baseUrl, against which relative inputs resolve', async (t) => {
    const other = await startMockTokenServer()
    t.after(() => other.close())
    const service = serviceFor(t, server, { baseUrl: `${server.origin}/api/v1/` })
    const paths = []
    for (const input of ['orders', './orders', '../v2', '/api?page=2', server.apiUrl]) {
      const [request] = await apiRequestsOf(async () =>
        assert.equal((await service.fetch(input)).status, 200),
      )
      paths.push(request.path)
    }
    assert.deepEqual(paths, ['/api/v1/orders', '/api/v1/orders', '/api/v2', '/api?page=2', '/api'])

    for (const input of [other.apiUrl, `//${new URL(other.origin).host}/api`]) {
      const [request] = await apiRequestsOf(() => service.fetch(input), other)
      assert.equal(request.headers.authorization, undefined)
    }
  })

  test('to the allowed origins in addition', async (t) => {
    const [allowed, other] = [await startMockTokenServer(), await startMockTokenServer()]
    t.after(() => Promise.all([allowed.close(), other.close()]))
    const service = serviceFor(t, server, { baseUrl: server.apiUrl, allowedOrigins: [`${allowed.origin}/`] })
    const [received] = await apiRequestsOf(() => service.fetch(allowed.apiUrl), allowed)
    assert.match(received.headers.authorization, /^Bearer access-/)
    const [bare] = await apiRequestsOf(() => service.fetch(other.apiUrl), other)
    assert.equal(bare.headers.authorization, undefined)
  })

  test('to the allowed origins only, without a baseUrl', async (t) => {
    const service = serviceFor(t, server, { allowedOrigins: ['https://api.example.com'] })
    const [request] = await apiRequestsOf(() => service.fetch(server.apiUrl))
    assert.equal(request.headers.authorization, undefined)
    assert.equal(service.status().counters.tokenRequests, 0)
  })

  test('in clear text over a public network with one warning, or without if that is allowed', async (t) => {
    t.mock.method(globalThis, 'fetch', async () => new Response())
    const manual = { authUrl: undefined, clientId: undefined, clientSecret: undefined, token: 'by-hand' }
    const told = async (urls, config) => {
      const lines = []
      const keep = (line) => lines.push(line)
      const service = serviceFor(t, server, {
        ...manual,
        logger: { debug() {}, info() {}, warn: keep, error: keep },
        ...config,
      })
      for (const url of urls) await service.fetch(url)
      return lines
    }
    const urls = ['http://api.example.com/orders', 'http://api.example.com/orders']
    const [warning, ...more] = await told(urls)
    assert.match(warning, /an access token is sent to api\.example\.com over http, in clear text/)
    assert.deepEqual(more, [])
    assert.deepEqual(await told(urls, { allowInsecureHttp: true }), [])
    assert.deepEqual(await told(['http://localhost/', 'http://10.0.0.7/', 'https://api.example.com/']), [])
  })

  test('not for a data: URL, which is fetched unchanged', async (t) => {
    const service = serviceFor(t, server)
    assert.equal(await (await service.fetch('data:,hello')).text(), 'hello')
    assert.equal(service.status().counters.tokenRequests, 0)
  })

  test('not with a redirect to another origin', async (t) => {
    const other = await startMockTokenServer()
    t.after(() => other.close())
    server.script({ status: 302, headers: { location: other.apiUrl } })
    const service = serviceFor(t, server, {
      token: 'by-hand',
      clientId: undefined,
      clientSecret: undefined,
      authUrl: undefined,
    })
    const [request] = await apiRequestsOf(() => service.fetch(server.tokenUrl, { method: 'POST' }), other)
    assert.equal(request.headers.authorization, undefined)
  })

  test('nowhere without a token: the request is sent without it', async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    const service = serviceFor(t, failing, { clientAuthentication: 'client_secret_post' })
    failing.script({ status: 401, body: { error: 'invalid_client' } })
    const requests = await apiRequestsOf(
      async () => assert.equal((await service.fetch(failing.apiUrl)).status, 401),
      failing,
    )
    assert.equal(requests.length, 1)
    assert.equal(requests[0].headers.authorization, undefined)
    assert.equal(failing.tokenRequests.length, 1)
  })
})

describe('the request', () => {
  test("keeps the user's own headers, method and body, from input and options", async (t) => {
    const service = serviceFor(t, server)
    const request = new Request(server.apiUrl, {
      method: 'PUT',
      headers: { 'x-from': 'request' },
      body: 'text',
      duplex: 'half',
    })
    const [first] = await apiRequestsOf(() => service.fetch(request))
    assert.deepEqual([first.method, first.headers['x-from'], first.body], ['PUT', 'request', 'text'])

    // As the platform has it, headers in init take the place of the Request's.
    const [second] = await apiRequestsOf(() =>
      service.fetch(new Request(server.apiUrl, { headers: { 'x-from': 'request' } }), {
        headers: [['x-other', 'init']],
      }),
    )
    assert.deepEqual([second.headers['x-from'], second.headers['x-other']], [undefined, 'init'])
    assert.match(second.headers.authorization, /^Bearer /)

    const [third] = await apiRequestsOf(() =>
      service.fetch(server.apiUrl, new Request(server.apiUrl, { method: 'DELETE' })),
    )
    assert.equal(third.method, 'DELETE')
  })

  test("keeps the user's own Authorization header, and is then never repeated", async (t) => {
    const service = serviceFor(t, server)
    const own = [
      [server.apiUrl, { headers: { authorization: 'Basic b3du' } }],
      [server.apiUrl, { headers: new Headers({ AUTHORIZATION: 'Basic b3du' }) }],
      [new Request(server.apiUrl, { headers: { authorization: 'Basic b3du' } })],
    ]
    for (const input of own) {
      const requests = await apiRequestsOf(async () =>
        assert.equal((await service.fetch(...input)).status, 401),
      )
      assert.deepEqual(
        requests.map(({ headers }) => headers.authorization),
        ['Basic b3du'],
      )
    }
    assert.equal(service.status().counters.tokenRequests, 0)
  })

  test('does not change its argument', async (t) => {
    const service = serviceFor(t, server)
    const headers = new Headers({ accept: 'text/plain' })
    const init = Object.freeze({ headers, method: 'GET' })
    await service.fetch(server.apiUrl, init)
    assert.deepEqual([...headers], [['accept', 'text/plain']])
  })

  test("fails like the platform's fetch for an invalid URL", async (t) => {
    const service = serviceFor(t, server)
    await assert.rejects(service.fetch('/relative'), TypeError)
    await assert.rejects(service.fetch('http://'), TypeError)
  })
})

describe('a 401', () => {
  test('leads to one repeated request with a new token', async (t) => {
    const service = serviceFor(t, server)
    await service.getToken()
    server.revokeAll()
    const requests = await apiRequestsOf(async () => {
      const response = await service.fetch(server.apiUrl)
      assert.equal(response.status, 200)
      assert.equal((await response.json()).path, '/api')
    })
    assert.equal(requests.length, 2)
    assert.notEqual(requests[0].headers.authorization, requests[1].headers.authorization)
    assert.equal(service.status().counters.retriesOn401, 1)
  })

  test('leads to a repeated request with a later token, if there is one', async (t) => {
    const revoking = await startMockTokenServer({ revokesOldTokens: true })
    t.after(() => revoking.close())
    const service = serviceFor(t, revoking)
    await service.getToken()
    // The first request is under way with the old token while the new one arrives.
    const upstream = globalThis.fetch
    t.mock.method(globalThis, 'fetch', async (...call) => {
      globalThis.fetch.mock.restore()
      await service.refresh()
      return upstream(...call)
    })
    const requests = await apiRequestsOf(
      async () => assert.equal((await service.fetch(revoking.apiUrl)).status, 200),
      revoking,
    )
    assert.equal(requests.length, 2)
    assert.equal(revoking.tokenRequests.length, 2)
  })

  test('is returned if the repeated request is also refused', async (t) => {
    const strict = await startMockTokenServer()
    t.after(() => strict.close())
    const service = serviceFor(t, strict)
    await service.getToken()
    strict.revokeAll()
    strict.script({ body: { access_token: 'never-any-good', expires_in: 3600 } })
    const requests = await apiRequestsOf(async () => {
      const response = await service.fetch(strict.apiUrl)
      assert.equal(response.status, 401)
      assert.deepEqual(await response.json(), { error: 'invalid_token' })
    }, strict)
    assert.equal(requests.length, 2)
    assert.equal(strict.tokenRequests.length, 2)
  })

  test('is returned, readable, if no other token can be obtained', async (t) => {
    const failing = await startMockTokenServer()
    t.after(() => failing.close())
    const service = serviceFor(t, failing, { retry: { attempts: 1 }, onFailure: 'throw' })
    await service.getToken()
    failing.revokeAll()
    failing.script({ status: 500 })
    const requests = await apiRequestsOf(async () => {
      const response = await service.fetch(failing.apiUrl)
      assert.equal(response.status, 401)
      assert.deepEqual(await response.json(), { error: 'invalid_token' })
    }, failing)
    assert.equal(requests.length, 1)
  })

  test('to many at once costs one token request', async (t) => {
    const busy = await startMockTokenServer()
    t.after(() => busy.close())
    const service = serviceFor(t, busy)
    await service.getToken()
    busy.revokeAll()
    const responses = await Promise.all(Array.from({ length: 50 }, () => service.fetch(busy.apiUrl)))
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200])
    assert.equal(busy.tokenRequests.length, 2)
    await Promise.all(responses.map((response) => response.text()))
  })
})

describe('a body', () => {
  const bytes = new TextEncoder().encode('body')
  const form = new FormData()
  form.set('field', 'body')
  const whole = {
    text: 'body',
    'an ArrayBuffer': bytes.buffer,
    'a typed array': bytes,
    'a Buffer': Buffer.from('body'),
    'a DataView': new DataView(bytes.buffer),
    URLSearchParams: new URLSearchParams({ field: 'body' }),
    FormData: form,
    'a Blob': new Blob(['body'], { type: 'text/plain' }),
  }
  for (const [name, body] of Object.entries(whole)) {
    test(`that is ${name} is sent again`, async (t) => {
      const service = serviceFor(t, server)
      await service.getToken()
      server.revokeAll()
      const requests = await apiRequestsOf(async () => {
        assert.equal((await service.fetch(server.apiUrl, { method: 'POST', body })).status, 200)
      })
      assert.equal(requests.length, 2)
      for (const request of requests) assert.match(request.body, /body/)
      if (body === form) {
        for (const { headers, body } of requests)
          assert.ok(body.includes(headers['content-type'].split('boundary=')[1]))
      }
    })
  }

  const gone = {
    'a stream': () => [server.apiUrl, { method: 'POST', body: new Blob(['body']).stream(), duplex: 'half' }],
    'an async iterable': () => {
      const body = (async function* () {
        yield Buffer.from('body')
      })()
      return [server.apiUrl, { method: 'POST', body, duplex: 'half' }]
    },
    "a Request's": () => [new Request(server.apiUrl, { method: 'POST', body: 'body' })],
  }
  for (const [name, input] of Object.entries(gone)) {
    test(`that is ${name} is not sent again, but the next request has a new token`, async (t) => {
      const service = serviceFor(t, server)
      await service.getToken()
      server.revokeAll()
      const refreshed = new Promise((resolve) => service.once('refreshed', resolve))
      const requests = await apiRequestsOf(async () => {
        const response = await service.fetch(...input())
        assert.equal(response.status, 401)
        assert.deepEqual(await response.json(), { error: 'invalid_token' })
      })
      assert.deepEqual(
        requests.map(({ body }) => body),
        ['body'],
      )
      await refreshed
      assert.equal((await service.fetch(server.apiUrl)).status, 200)
    })
  }
})

describe('an aborted request', () => {
  test('is refused at once while the token is awaited, and the token request continues', async (t) => {
    const slow = await startMockTokenServer()
    t.after(() => slow.close())
    slow.hold()
    const service = serviceFor(t, slow)
    for (const input of ['init', 'Request']) {
      const controller = new AbortController()
      const { signal } = controller
      const call =
        input === 'init'
          ? service.fetch(slow.apiUrl, { signal })
          : service.fetch(new Request(slow.apiUrl, { signal }))
      const refused = assert.rejects(call, { name: 'AbortError' })
      await slow.waitForRequests(1)
      controller.abort()
      await refused
    }
    slow.release()
    assert.equal((await service.fetch(slow.apiUrl)).status, 200)
    assert.equal(slow.tokenRequests.length, 1)
    assert.equal(slow.counts.abandoned, 0)
  })

  test('is refused with its own reason, before anything is sent', async (t) => {
    const service = serviceFor(t, server)
    await service.getToken()
    const reason = new Error('changed my mind')
    const requests = await apiRequestsOf(() =>
      assert.rejects(service.fetch(server.apiUrl, { signal: AbortSignal.abort(reason) }), reason),
    )
    assert.equal(requests.length, 0)
  })

  test('is refused at once while the token is still awaited', async (t) => {
    const slow = await startMockTokenServer()
    t.after(() => slow.close())
    slow.hold()
    const service = serviceFor(t, slow)
    await assert.rejects(service.fetch(slow.apiUrl, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    slow.release()
  })

  test('is refused while the reaction to a 401 is awaited', async (t) => {
    const slow = await startMockTokenServer()
    t.after(() => slow.close())
    const service = serviceFor(t, slow)
    await service.getToken()
    slow.revokeAll()
    slow.hold()
    const controller = new AbortController()
    const refused = assert.rejects(service.fetch(slow.apiUrl, { signal: controller.signal }), {
      name: 'AbortError',
    })
    await slow.waitForRequests(2)
    controller.abort()
    await refused
    slow.release()
    assert.equal(slow.apiRequests.length, 1)
  })
})

test('the header follows the rules of the configuration that is in force', async (t) => {
  const config = configAt(server, { service: freshName() })
  await initializeTokenService(config).fetch(server.apiUrl)
  const service = initializeTokenService({ ...config, allowedOrigins: ['https://api.example.com'] })
  t.after(() => service.shutdown())
  const [request] = await apiRequestsOf(() => service.fetch(server.apiUrl))
  assert.equal(request.headers.authorization, undefined)
})
