// The header that carries the token, where an API wants another one than `Authorization: Bearer …`.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { configFromEnv, getAuthHeaders, initializeTokenService } from 'evertoken'
import { createFakeEvertoken } from 'evertoken/testing'
import { freshName, serviceFor } from '../support/service.mjs'
import { startPlainServer } from '../support/plain-server.mjs'

let tokens, api, stranger
let issued = 0
let refused = ''

before(async () => {
  tokens = await startPlainServer(() => ({
    body: { access_token: `t${++issued}`, token_type: 'Bearer', expires_in: 3600 },
  }))
  stranger = await startPlainServer(({ path }) =>
    path.startsWith('/back')
      ? { status: 302, headers: { location: `${api.origin}/end` } }
      : { status: path === '/401' ? 401 : 200 },
  )
  api = await startPlainServer(({ path, headers }) => {
    if (refused !== '' && headers['x-auth-token'] === refused) return { status: 401 }
    const [, to] = /^\/to\/(.*)$/.exec(path) ?? []
    if (to === undefined) return { body: path }
    const [status, location] = decodeURIComponent(to).split(' ')
    return { status: Number(status), headers: { location }, body: 'moved' }
  })
})
after(() => {
  for (const server of [tokens, api, stranger]) server.close()
})

const serviceWith = (t, config) =>
  serviceFor(t, { tokenUrl: `${tokens.origin}/token` }, { header: 'X-Auth-Token', ...config })
const to = (status, location) => `${api.origin}/to/${encodeURIComponent(`${status} ${location}`)}`
const both = ({ headers }) => [headers['x-auth-token'], headers.authorization]

describe('the token', () => {
  const shapes = [
    ['X-Auth-Token', (token) => ({ 'X-Auth-Token': token })],
    [{ name: 'x-api-key' }, (token) => ({ 'x-api-key': token })],
    [{ name: 'X-Api-Key', value: '{scheme}:{token}' }, (token) => ({ 'X-Api-Key': `Bearer:${token}` })],
    ['authorization', (token) => ({ Authorization: `Bearer ${token}` })],
    [{ name: 'Authorization' }, (token) => ({ Authorization: `Bearer ${token}` })],
    [{ name: 'Authorization', value: '{token}' }, (token) => ({ Authorization: token })],
    [
      { name: 'Authorization', value: 'Token token="{token}"' },
      (token) => ({ Authorization: `Token token="${token}"` }),
    ],
  ]
  for (const [header, expected] of shapes) {
    test(`goes where header: ${JSON.stringify(header)} says`, async (t) => {
      const service = serviceWith(t, { header })
      const token = await service.getToken()
      for (let call = 0; call < 2; call += 1) {
        for (const headers of [await service.getAuthHeaders(), await getAuthHeaders(service.name)]) {
          assert.deepEqual(headers, expected(token))
          headers.other = '1'
        }
      }
      const [{ headers }] = await api.during(() => service.fetch(`${api.origin}/`))
      const [[name, value]] = Object.entries(expected(token))
      assert.equal(headers[name.toLowerCase()], value)
      if (name !== 'Authorization') assert.equal(headers.authorization, undefined)
    })
  }

  test('that the caller configures is sent there, too', async (t) => {
    const manual = { authUrl: undefined, clientId: undefined, clientSecret: undefined, token: 'by-hand' }
    const service = serviceWith(t, manual)
    assert.deepEqual(await service.getAuthHeaders(), { 'X-Auth-Token': 'by-hand' })
  })

  test('goes into the header that EXTERNAL_API_HEADER names', () => {
    assert.equal(configFromEnv({ EXTERNAL_API_HEADER: ' X-Auth-Token\n' }).header, 'X-Auth-Token')
    assert.equal(configFromEnv({ EXTERNAL_API_HEADER: ' ' }).header, undefined)
  })

  test('with dpop in code stays in Authorization, even if the environment sets another', (t) => {
    process.env.EXTERNAL_API_HEADER = 'X-Auth-Token'
    t.after(() => delete process.env.EXTERNAL_API_HEADER)
    assert.doesNotThrow(() => serviceWith(t, { header: undefined, dpop: true }))
  })
})

describe('a header', () => {
  for (const [header, field] of [
    ['Host', 'header'],
    ['X Auth', 'header'],
    [7, 'header'],
    [{}, 'header.name'],
    [{ name: 'Content-Length' }, 'header.name'],
    [{ name: 'Cookie' }, 'header.name'],
    [{ name: 'Transfer-Encoding' }, 'header.name'],
    [{ name: '__proto__' }, 'header.name'],
    [{ name: 'X-Key\r\nX-Injected' }, 'header.name'],
    [{ name: 'X-Key', value: '' }, 'header.value'],
    [{ name: 'X-Key', value: 'Bearer' }, 'header.value'],
    [{ name: 'X-Key', value: '{token}\r\nX-Injected: 1' }, 'header.value'],
    [{ name: 'X-Key', value: '{clientSecret}{token}' }, 'header.value'],
    [{ name: 'X-Key', value: () => '' }, 'header.value'],
  ]) {
    test(`${JSON.stringify(header)} is refused, and ${field} named`, () => {
      const call = () =>
        initializeTokenService({ service: freshName(), token: 'x', storage: { kind: 'memory' }, header })
      assert.throws(call, { code: 'ERR_TOKEN_CONFIG', field })
    })
  }

  test('together with dpop is refused, as dpop has one of its own', (t) => {
    assert.throws(() => serviceWith(t, { dpop: true }), { code: 'ERR_TOKEN_CONFIG', field: 'header' })
  })
})

describe('service.fetch with a header of another name', () => {
  test('leaves a request with this header unchanged, and adds it next to an Authorization header', async (t) => {
    const service = serviceWith(t)
    const [own] = await api.during(() =>
      service.fetch(`${api.origin}/`, { headers: { 'x-auth-token': 'mine' } }),
    )
    assert.deepEqual(both(own), ['mine', undefined])
    const [other] = await api.during(() =>
      service.fetch(`${api.origin}/`, { headers: { Authorization: 'Basic x' } }),
    )
    assert.deepEqual(both(other), [await service.getToken(), 'Basic x'])
  })

  test('repeats a request once after a 401, with the later token', async (t) => {
    const service = serviceWith(t)
    refused = await service.getToken()
    t.after(() => (refused = ''))
    const requests = await api.during(async () =>
      assert.equal((await service.fetch(`${api.origin}/x`)).status, 200),
    )
    assert.deepEqual(
      requests.map(({ headers }) => headers['x-auth-token']),
      [refused, await service.getToken()],
    )
  })

  for (const status of [301, 302, 303, 307, 308]) {
    test(`sends nothing on after a redirect to another origin (${status})`, async (t) => {
      const service = serviceWith(t, { allowedOrigins: [api.origin, stranger.origin] })
      const [request] = await stranger.during(() => service.fetch(to(status, `${stranger.origin}/x`)))
      assert.deepEqual(both(request), [undefined, undefined])
    })
  }

  test('sends nothing after a redirect back from another origin', async (t) => {
    const service = serviceWith(t)
    const requests = await api.during(() => service.fetch(to(302, `${stranger.origin}/back`)))
    assert.equal(requests[1].path, '/end')
    assert.deepEqual(both(requests[1]), [undefined, undefined])
  })

  test('keeps the header, the method and the body within the origin', async (t) => {
    const service = serviceWith(t)
    const init = { method: 'PUT', body: 'text' }
    let response
    const [, request] = await api.during(async () => (response = await service.fetch(to(308, '/end'), init)))
    assert.deepEqual([request.method, request.body, request.path], ['PUT', 'text', '/end'])
    assert.deepEqual(both(request), [await service.getToken(), undefined])
    assert.deepEqual(
      [response.redirected, response.url, await response.text()],
      [true, `${api.origin}/end`, '/end'],
    )
  })

  test('leaves redirects to a caller that handles them', async (t) => {
    const service = serviceWith(t)
    assert.equal((await service.fetch(to(302, `${stranger.origin}/x`), { redirect: 'manual' })).status, 302)
    await assert.rejects(service.fetch(to(302, '/end'), { redirect: 'error' }), TypeError)
  })

  test('does not treat the 401 of another origin as a refusal', async (t) => {
    const service = serviceWith(t)
    const before = tokens.requests.length
    assert.equal((await service.fetch(to(302, `${stranger.origin}/401`))).status, 401)
    assert.equal(tokens.requests.length - before, 1)
  })
})

describe('rejected() with a header of another name', () => {
  const shapes = {
    'the headers': (headers) => headers,
    'a name in lower case': (headers) => ({ 'x-auth-token': headers['X-Auth-Token'] }),
    Headers: (headers) => new Headers(headers),
    'the value': (headers) => headers['X-Auth-Token'],
  }
  for (const [name, shape] of Object.entries(shapes)) {
    test(`recognizes the token in ${name}`, async (t) => {
      const service = serviceWith(t, {
        header: { name: 'X-Auth-Token', value: 'Token token="{token}"; v=1' },
      })
      const headers = await service.getAuthHeaders()
      const [, ...more] = await tokens.during(async () => {
        const later = await service.rejected(shape(headers))
        assert.notDeepEqual(later, headers)
        assert.deepEqual(await service.rejected(shape(headers)), later)
      })
      assert.deepEqual(more, [])
    })
  }

  test('also recognizes the bare token, and headers without a token', async (t) => {
    const service = serviceWith(t)
    const headers = await service.getAuthHeaders()
    assert.deepEqual(await service.rejected({ Authorization: `Bearer ${headers['X-Auth-Token']}` }), headers)
    assert.notDeepEqual(await service.rejected(await service.getToken()), headers)
  })
})

test('the fake carries its token in the same header', async () => {
  const fake = createFakeEvertoken({ token: 'a$&b' })
  const service = fake.initializeTokenService({ header: { name: 'X-Auth-Token', value: 'Token {token}' } })
  const headers = await fake.getAuthHeaders()
  assert.deepEqual(headers, { 'X-Auth-Token': 'Token a$&b' })
  const [request] = await api.during(() => service.fetch(`${api.origin}/`))
  assert.deepEqual(both(request), ['Token a$&b', undefined])
  assert.deepEqual(await service.rejected(headers), { 'X-Auth-Token': 'Token fake-token-2' })
})
