// What goes along when an API redirects: a proof for the new URL within the origin, and nothing of ours beyond it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { serviceFor } from '../support/service.mjs'
import { startPlainServer } from '../support/plain-server.mjs'

let tokens, api, stranger
let issued = 0
let refused = ''

before(async () => {
  tokens = await startPlainServer(({ headers }) => ({
    body: JSON.stringify({
      access_token: `t${++issued}`,
      token_type: headers.dpop ? 'DPoP' : 'Bearer',
      expires_in: 3600,
    }),
  }))
  stranger = await startPlainServer(({ path }) =>
    path.startsWith('/back')
      ? { status: 302, headers: { location: `${api.origin}/end` } }
      : { status: path === '/401' ? 401 : 200 },
  )
  api = await startPlainServer(({ path, headers }) => {
    if (refused !== '' && headers.authorization?.endsWith(refused)) return { status: 401 }
    const url = new URL(path, 'http://api')
    if (url.pathname === '/loop')
      return { status: 302, headers: { location: `/loop?${Number(url.search.slice(1)) + 1}` } }
    const [, to] = /^\/to\/(.*)$/.exec(path) ?? []
    if (to === undefined) return { body: path }
    const [status, location] = decodeURIComponent(to).split(' ')
    return { status: Number(status), headers: location === undefined ? {} : { location }, body: 'moved' }
  })
})
after(() => {
  for (const { close } of [tokens, api, stranger]) close()
})

const serviceWith = (t, config) =>
  serviceFor(t, { tokenUrl: `${tokens.origin}/token` }, { baseUrl: api.origin, ...config })
const to = (status, location) => `${api.origin}/to/${encodeURIComponent(`${status} ${location}`)}`

const claimsOf = (proof) => JSON.parse(Buffer.from(proof.split('.')[1], 'base64url'))

describe('with dpop, a redirect', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`to another origin (${status}) sends neither proof nor token`, async (t) => {
      const service = serviceWith(t, { dpop: true })
      const [request] = await stranger.during(() => service.fetch(to(status, `${stranger.origin}/x`)))
      assert.equal(request.headers.dpop, undefined)
      assert.equal(request.headers.authorization, undefined)
    })
  }

  test('to an allowed origin sends nothing on, either', async (t) => {
    const service = serviceWith(t, { dpop: true, allowedOrigins: [stranger.origin] })
    const [request] = await stranger.during(() => service.fetch(to(307, `${stranger.origin}/x`)))
    assert.deepEqual([request.headers.dpop, request.headers.authorization], [undefined, undefined])
  })

  test('that comes back from another origin carries no header of ours', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const requests = await api.during(() => service.fetch(to(302, `${stranger.origin}/back`)))
    assert.equal(requests[1].path, '/end')
    assert.deepEqual([requests[1].headers.dpop, requests[1].headers.authorization], [undefined, undefined])
  })

  test("to another origin leaves the caller's cookie behind, and keeps other headers", async (t) => {
    const service = serviceWith(t, { dpop: true })
    const headers = { cookie: 'a=b', 'x-mine': '1' }
    const [request] = await stranger.during(() => service.fetch(to(307, `${stranger.origin}/x`), { headers }))
    assert.deepEqual([request.headers.cookie, request.headers['x-mine']], [undefined, '1'])
  })

  test('within the origin has its own proof for the new URL and method', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const requests = await api.during(() =>
      service.fetch(to(303, '/orders/7?page=2'), { method: 'POST', body: 'x' }),
    )
    const proofs = requests.map(({ headers }) => claimsOf(headers.dpop))
    assert.deepEqual([proofs[1].htm, proofs[1].htu], ['GET', `${api.origin}/orders/7`])
    assert.notEqual(proofs[0].jti, proofs[1].jti)
    assert.equal(requests[0].headers.authorization, requests[1].headers.authorization)
  })

  test('that never ends is an error, as the platform has it', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const count = async (call) =>
      (await api.during(() => assert.rejects(call(), { name: 'TypeError', message: 'fetch failed' }))).length
    const url = `${api.origin}/loop?1`
    assert.equal(await count(() => service.fetch(url)), await count(() => fetch(url)))
  })

  for (const location of ['http://[', 'data:,x', 'file:///etc/hosts']) {
    test(`to ${location} is an error, as on the platform`, async (t) => {
      const service = serviceWith(t, { dpop: true })
      for (const call of [fetch, (url) => service.fetch(url)])
        await assert.rejects(call(to(302, location)), TypeError)
    })
  }

  test('is not followed if the caller says so', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const url = to(302, `${stranger.origin}/x`)
    const told = await stranger.during(async () => {
      assert.equal((await service.fetch(url, { redirect: 'manual' })).status, 302)
      assert.equal((await service.fetch(new Request(url, { redirect: 'manual' }))).status, 302)
      await assert.rejects(service.fetch(url, { redirect: 'error' }), TypeError)
    })
    assert.deepEqual(told, [])
  })

  test('with a consumed body is an error, unless the body is dropped', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const stream = () => ({ method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' })
    await assert.rejects(service.fetch(to(307, '/orders'), stream()), {
      name: 'TypeError',
      message: 'fetch failed',
    })
    assert.equal((await service.fetch(to(303, '/orders'), stream())).status, 200)
    const request = () => new Request(to(303, '/orders'), { method: 'POST', body: 'x' })
    assert.equal((await service.fetch(request())).status, 200)
  })

  test('stops when the caller gives up', async (t) => {
    const service = serviceWith(t, { dpop: true })
    await service.getToken()
    const controller = new AbortController()
    const platform = globalThis.fetch
    t.mock.method(globalThis, 'fetch', async (...call) => {
      const response = await platform(...call)
      controller.abort()
      return response
    })
    await assert.rejects(service.fetch(to(302, '/orders'), { signal: controller.signal }), {
      name: 'AbortError',
    })
  })

  test('that ends in a 401 obtains one new token, and starts again', async (t) => {
    const service = serviceWith(t, { dpop: true })
    refused = await service.getToken()
    t.after(() => (refused = ''))
    const response = await service.fetch(to(302, '/orders'))
    assert.deepEqual(
      [response.status, response.redirected, new URL(response.url).pathname],
      [200, true, '/orders'],
    )
    assert.equal(service.status().counters.retriesOn401, 1)
  })

  const bodies = [
    ['GET'],
    ['HEAD'],
    ['DELETE'],
    ['POST', 'text'],
    ['PUT', 'text'],
    ['PATCH', 'text'],
    ['post', new URLSearchParams({ a: 'b' })],
  ]
  for (const status of [301, 302, 303, 307, 308, 300, 304]) {
    test(`with ${status} is followed as on the platform`, async (t) => {
      const service = serviceWith(t, { dpop: true })
      for (const [method, body = null] of bodies) {
        const outcomes = []
        for (const call of [fetch, (...call) => service.fetch(...call)]) {
          const seen = await api.during(async () => {
            const response = await call(`${to(status, '/end?x=1')}#part`, {
              method,
              body,
              headers: { 'x-mine': '1', 'content-language': 'en' },
            })
            const { url, redirected } = response
            outcomes.push({ status: response.status, url, redirected, text: await response.text() })
          })
          for (const { headers } of seen)
            for (const name of ['authorization', 'dpop', 'connection', 'keep-alive']) delete headers[name]
          outcomes.at(-1).seen = seen
        }
        assert.deepEqual(outcomes[1], outcomes[0], `${method} ${status}`)
      }
    })
  }

  test('without a Location is the final response', async (t) => {
    const service = serviceWith(t, { dpop: true })
    const response = await service.fetch(`${api.origin}/to/302`)
    assert.deepEqual([response.status, await response.text()], [302, 'moved'])
  })
})

describe('with a Bearer token, a redirect', () => {
  test('to another port of the same host sends no token', async (t) => {
    const service = serviceWith(t)
    for (const status of [302, 307]) {
      const [request] = await stranger.during(() => service.fetch(to(status, `${stranger.origin}/x`)))
      assert.equal(request.headers.authorization, undefined)
    }
  })

  test('to another name of the same host sends no token', async (t) => {
    const service = serviceWith(t)
    const requests = await api.during(() =>
      service.fetch(to(302, `${api.origin.replace('127.0.0.1', 'localhost')}/x`)).catch(() => {}),
    )
    assert.equal(requests[1]?.headers.authorization, undefined)
  })

  test('that leads to another server that responds with 401 says nothing about the token', async (t) => {
    const service = serviceWith(t)
    const response = await service.fetch(to(302, `${stranger.origin}/401`))
    assert.equal(response.status, 401)
    const { tokenRequests, retriesOn401 } = service.status().counters
    assert.deepEqual([tokenRequests, retriesOn401], [1, 0])
  })

  test('within the origin keeps it', async (t) => {
    const service = serviceWith(t)
    const requests = await api.during(() => service.fetch(to(302, '/end')))
    assert.match(requests[1].headers.authorization, /^Bearer t/)
  })
})
