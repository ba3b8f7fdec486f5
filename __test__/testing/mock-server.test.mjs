import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'

let count = 0

async function setUp(t, options, configure) {
  const server = await startMockTokenServer(options)
  const service = initializeTokenService({
    service: `mock-${(count += 1)}`,
    storage: { kind: 'memory' },
    timeoutMs: 2000,
    retry: { attempts: 1 },
    ...configure(server),
  })
  t.after(async () => {
    await service.shutdown()
    await server.close()
  })
  return { server, service }
}

const client = (server) => ({ authUrl: server.tokenUrl, clientId: 'app', clientSecret: 'p:a+s s%ü' })
const login = (server) => ({ authUrl: server.loginUrl, email: 'ann@example.com', password: 'hunter22' })

const post = (url, fields, headers = {}) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(fields), headers })

describe('the mock token server', () => {
  test('accepts an assertion as a grant without a client, and exchanges a token', async (t) => {
    const server = await startMockTokenServer({ clients: { app: 'secret' } })
    t.after(() => server.close())
    const ask = async (fields) => {
      const body = new URLSearchParams(fields)
      const response = await fetch(server.tokenUrl, { method: 'POST', body })
      return [response.status, await response.json()]
    }
    const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const [status, { access_token: accessToken }] = await ask({ grant_type: jwtBearer, assertion: 'a.b.c' })
    assert.deepEqual([status, typeof accessToken], [200, 'string'])
    assert.equal((await ask({ grant_type: jwtBearer, assertion: 'abc' }))[1].error, 'invalid_grant')
    const exchange = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      client_id: 'app',
      client_secret: 'secret',
      subject_token: 'abc',
    }
    assert.equal((await ask(exchange))[1].error_description, 'subject_token_type is missing')
    const [, granted] = await ask({ ...exchange, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' })
    assert.equal(granted.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token')
    assert.equal((await ask({ ...exchange, client_secret: 'wrong' }))[0], 401)
  })

  test('gives a client a token that its API accepts, and records the requests', async (t) => {
    const { server, service } = await setUp(t, { clients: { app: 'p:a+s s%ü' } }, client)
    const response = await service.fetch(`${server.apiUrl}/orders?page=2`)
    assert.deepEqual(await response.json(), { method: 'GET', path: '/api/orders?page=2', body: '' })
    assert.deepEqual(
      server.tokenRequests.map(({ method, path, fields }) => ({ method, path, fields })),
      [{ method: 'POST', path: '/oauth/token', fields: { grant_type: 'client_credentials' } }],
    )
    assert.ok(server.tokenRequests[0].at instanceof Date)
    assert.equal(server.apiRequests.length, 1)
  })

  test('rejects another secret or password', async (t) => {
    const wrongClient = await setUp(t, { clients: { app: 'another' } }, client)
    await assert.rejects(wrongClient.service.refresh(), { code: 'ERR_TOKEN_CREDENTIALS' })
    const wrongUser = await setUp(t, { users: { 'ann@example.com': 'another' } }, login)
    await assert.rejects(wrongUser.service.refresh(), { code: 'ERR_TOKEN_CREDENTIALS' })
  })

  test('accepts logins as JSON and as a form', async (t) => {
    const users = { 'ann@example.com': 'hunter22' }
    const asJson = await setUp(t, { users }, login)
    await asJson.service.refresh()
    assert.deepEqual(asJson.server.tokenRequests[0].fields, {
      email: 'ann@example.com',
      password: 'hunter22',
    })
    const asForm = await setUp(t, { users }, (server) => ({
      ...login(server),
      authUrl: server.tokenUrl,
      grant: 'password',
    }))
    await asForm.service.refresh()
    assert.equal(asForm.server.tokenRequests[0].fields.grant_type, 'password')
  })

  test('rotates refresh tokens, and ends the whole login when one is used twice', async (t) => {
    const { server, service } = await setUp(t, { refreshTokens: 'rotating' }, client)
    await service.refresh()
    await service.refresh()
    assert.deepEqual(server.counts, { logins: 1, refreshes: 1, reuses: 0, revocations: 0, abandoned: 0 })
    const { refresh_token: spent } = server.tokenRequests[1].fields
    const login = await (await post(server.tokenUrl, { grant_type: 'client_credentials' })).json()
    const again = await post(server.tokenUrl, { grant_type: 'refresh_token', refresh_token: spent })
    assert.deepEqual([again.status, await again.json()], [400, { error: 'invalid_grant' }])
    assert.equal(server.counts.reuses, 1)
    const refused = await fetch(server.apiUrl, { headers: await service.getAuthHeaders() })
    assert.equal(refused.status, 401)
    const other = await fetch(server.apiUrl, { headers: { authorization: `Bearer ${login.access_token}` } })
    assert.equal(other.status, 200, 'another login stands')
  })

  test('accepts a reusable refresh token as JSON and as the Bearer token', async (t) => {
    for (const refreshFormat of ['json', 'bearer']) {
      const { server, service } = await setUp(t, { refreshTokens: 'reusable' }, (at) => ({
        ...login(at),
        refreshUrl: at.refreshUrl,
        refreshFormat,
      }))
      for (let turn = 0; turn < 3; turn += 1) await service.refresh()
      assert.deepEqual([server.counts.logins, server.counts.refreshes], [1, 2], refreshFormat)
    }
  })

  test('revokes', async (t) => {
    const { server, service } = await setUp(t, {}, (at) => ({
      ...client(at),
      revocationUrl: at.revocationUrl,
    }))
    const headers = await service.getAuthHeaders()
    assert.equal((await fetch(server.apiUrl, { headers })).status, 200)
    await service.clear({ revoke: true })
    assert.equal(server.counts.revocations, 1)
    assert.equal((await fetch(server.apiUrl, { headers })).status, 401)
  })

  test('sends the scripted responses in order, and then its own', async (t) => {
    const { server, service } = await setUp(t, { script: [{ status: 503 }] }, client)
    const echo = ({ fields }) => ({ body: { access_token: `mine-${fields.grant_type}` } })
    server.script({ failure: 'reset' }, { status: 200, body: '<html>' }, echo)
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_RESPONSE', status: 503 })
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_NETWORK' })
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_RESPONSE' })
    await service.refresh()
    assert.equal(await service.getToken(), 'mine-client_credentials')
    await service.refresh()
    assert.match(await service.getToken(), /^access-/)
  })

  test('hangs, holds and releases', async (t) => {
    const { server, service } = await setUp(t, { script: [{ failure: 'hang' }] }, client)
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_TIMEOUT' })
    server.hold()
    const refresh = service.refresh()
    await server.waitForRequests(2)
    server.release()
    assert.equal((await refresh).state, 'valid')
    server.script({ hold: true })
    const held = fetch(server.tokenUrl, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    await server.waitForRequests(3)
    assert.equal((await service.refresh()).state, 'valid', 'the others are not held')
    server.release()
    assert.equal((await held).status, 200)
    assert.equal(server.counts.abandoned, 1, 'the first was given up')
    await assert.rejects(server.waitForRequests(5, 20), { name: 'AbortError' })
  })

  test('ends tokens early: all at once, or each with the next', async (t) => {
    const { server, service } = await setUp(t, { revokesOldTokens: true }, client)
    const old = await service.getAuthHeaders()
    await service.refresh()
    assert.equal((await fetch(server.apiUrl, { headers: old })).status, 401)
    server.revokeAll()
    assert.equal((await service.fetch(server.apiUrl)).status, 200, 'a new one was fetched')
    assert.equal(service.status().counters.retriesOn401, 1)
  })

  test('issues tokens with any lifetime, in the response or in the token', async (t) => {
    const told = await setUp(t, { expiresInSeconds: 60 }, client)
    const isAbout = (status, seconds) =>
      assert.ok(Math.abs(status.expiresInSeconds - seconds) <= 2, `${status.expiresInSeconds}`)
    isAbout(await told.service.refresh(), 60)
    const inside = await setUp(t, { expiresInSeconds: 120, tokens: 'jwt' }, client)
    isAbout(await inside.service.refresh(), 120)
    const untold = await setUp(t, { expiresInSeconds: null }, client)
    isAbout(await untold.service.refresh(), 3600)
  })

  test('reports errors in a request as the standard requires', async (t) => {
    const server = await startMockTokenServer()
    t.after(() => server.close())
    const answers = [
      [await post(server.tokenUrl, {}), 400, 'invalid_request'],
      [await post(server.tokenUrl, { grant_type: 'magic' }), 400, 'unsupported_grant_type'],
      [await post(server.loginUrl, { name: 'ann' }), 422, 'invalid_request'],
      [await post(`${server.origin}/nowhere`, {}), 404, 'not_found'],
      [await fetch(server.tokenUrl), 405, 'not_found'],
    ]
    for (const [response, status, error] of answers) {
      assert.deepEqual([response.status, (await response.json()).error], [status, error])
    }
    assert.equal((await fetch(server.apiUrl)).headers.get('www-authenticate'), 'Bearer')
  })
})

describe('a consent at the mock token server', () => {
  const refresh = async (server, token) => {
    const response = await post(server.tokenUrl, { grant_type: 'refresh_token', refresh_token: token })
    return [response.status, await response.json()]
  }

  async function start(t, options) {
    const server = await startMockTokenServer(options)
    t.after(() => server.close())
    return server
  }

  test('begins with a seed or consent(), and ends with endConsent()', async (t) => {
    const server = await start(t, { seeds: ['seed'], refreshTokens: 'rotating' })
    const [status, { refresh_token: next }] = await refresh(server, 'seed')
    assert.equal(status, 200)
    assert.equal((await refresh(server, server.consent()))[0], 200)
    server.endConsent()
    assert.deepEqual(await refresh(server, next), [400, { error: 'invalid_grant' }])
    assert.equal((await refresh(server, server.consent()))[0], 200)
    assert.equal(server.counts.reuses, 0)
  })

  test('is revoked by a reuse, unless that is within the grace', async (t) => {
    const strict = await start(t, { seeds: ['seed'], refreshTokens: 'rotating' })
    const [, { refresh_token: next }] = await refresh(strict, 'seed')
    assert.equal((await refresh(strict, 'seed'))[0], 400)
    assert.equal((await refresh(strict, next))[0], 400)
    assert.equal(strict.counts.reuses, 1)
    const lenient = await start(t, { seeds: ['seed'], refreshTokens: 'rotating', rotationGraceSeconds: 60 })
    await refresh(lenient, 'seed')
    const [status, { refresh_token: second }] = await refresh(lenient, 'seed')
    assert.equal(status, 200)
    assert.equal((await refresh(lenient, second))[0], 200)
    assert.equal(lenient.counts.reuses, 0)
  })

  test('ends by itself after refreshTokenExpiresInSeconds', async (t) => {
    const server = await start(t, { seeds: ['seed'], refreshTokenExpiresInSeconds: 0.5 })
    const [, body] = await refresh(server, 'seed')
    assert.equal(body.refresh_token_expires_in, 1)
    await new Promise((resolve) => setTimeout(resolve, 600))
    assert.deepEqual(await refresh(server, 'seed'), [400, { error: 'invalid_grant' }])
  })
})
