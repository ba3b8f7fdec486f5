import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  account,
  oidcProviderFor,
  passwordGrant,
  resource,
  startOidcProvider,
} from '../support/oidc-provider.mjs'
import { answersOfTwo, failure, serviceFor } from '../support/real-servers.mjs'

describe('client credentials at oidc-provider', () => {
  let server
  before(async () => (server = await startOidcProvider()))
  after(() => server.close())

  const machine = (config) => ({ authUrl: server.tokenEndpoint, ...server.machine, ...config })

  for (const clientAuthentication of ['client_secret_basic', 'client_secret_post']) {
    test(`${clientAuthentication} carries an identifier and a secret that need encoding`, async (t) => {
      const service = serviceFor(t, machine({ clientAuthentication }))
      const { active, client_id } = await server.introspect(await service.getToken())
      assert.deepEqual([active, client_id], [true, server.machine.clientId])
      assert.equal(service.status().counters.tokenRequests, 1)
      assert.equal(service.status().strategy.format, clientAuthentication)
    })

    test(`a wrong secret is sent once by ${clientAuthentication}, and not again automatically`, async (t) => {
      const service = serviceFor(t, machine({ clientAuthentication, clientSecret: 'wrong' }))
      for (const call of [
        () => service.getToken(),
        () => service.getToken(),
        () => service.getAuthHeaders(),
      ]) {
        await assert.rejects(call(), failure('ERR_TOKEN_CREDENTIALS', 401))
      }
      assert.equal(service.status().counters.tokenRequests, 1)
    })
  }

  test('without clientAuthentication a wrong secret is sent by both methods, once each', async (t) => {
    const service = serviceFor(t, machine({ clientSecret: 'wrong' }))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
    assert.equal(service.status().counters.tokenRequests, 2)
  })

  test('the token has the configured scope and the lifetime that the server says', async (t) => {
    const service = serviceFor(t, machine({ scope: 'orders:read' }))
    const said = await server.introspect(await service.getToken())
    assert.equal(said.scope, 'orders:read')
    const expires = Date.parse(service.status().expiresAt) / 1000
    assert.ok(Math.abs(expires - said.exp) <= 2, `${expires} and ${said.exp}`)
  })

  test('the token is for the configured resource (RFC 8707), with the scope that it knows', async (t) => {
    const service = serviceFor(t, machine({ resource, scope: 'orders:read orders:write' }))
    const { payload } = await server.verify(await service.getToken(), resource)
    assert.deepEqual(
      [payload.scope, payload.client_id],
      ['orders:read orders:write', server.machine.clientId],
    )
  })

  for (const [what, wrong] of [
    ['a resource that it does not know', 'https://other.example.com/'],
    ['two resources, of which this grant takes one', [resource, `${resource}&page=2`]],
  ]) {
    test(`the server refuses ${what}: one request, and the error says invalid_target`, async (t) => {
      const service = serviceFor(t, machine({ resource: wrong }))
      await assert.rejects(service.getToken(), (error) => {
        assert.match(error.message, /invalid_target/)
        return failure('ERR_TOKEN_CREDENTIALS', 400)(error)
      })
      assert.equal(service.status().counters.tokenRequests, 1)
    })
  }

  test('the origin alone is not enough: /token is not one of the common endpoints', async (t) => {
    const service = serviceFor(t, machine({ authUrl: server.origin }))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 404))
  })

  test('a client of another grant receives unauthorized_client', async (t) => {
    const service = serviceFor(t, { ...machine(), ...server.person })
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 400))
    assert.equal(service.status().counters.tokenRequests, 1)
  })
})

describe('the password grant at oidc-provider', () => {
  test('a name and a password beyond ASCII arrive, and the protected resource accepts the header', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server))
    const response = await service.fetch(server.userinfoEndpoint)
    assert.deepEqual(await response.json(), { sub: account.username })
    assert.deepEqual(server.grants(), ['password'])
  })

  test('a wrong password is one request', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server, { password: 'wrong' }))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 400))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 400))
    assert.deepEqual(server.grants(), ['password'])
  })

  test('without offline_access there is no refresh token, and the password is sent again', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server, { scope: 'openid' }))
    await service.getToken()
    await service.refresh()
    assert.deepEqual(server.grants(), ['password', 'password'])
  })

  test('a dozen refreshes use a dozen refresh tokens, each once', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server))
    const tokens = new Set([await service.getToken()])
    for (let turn = 0; turn < 12; turn += 1) {
      await Promise.all([service.refresh(), service.refresh(), service.getAuthHeaders()])
      tokens.add(await service.getToken())
    }
    assert.equal(tokens.size, 13)
    assert.deepEqual(server.grants(), ['password', ...Array(12).fill('refresh_token')])
    assert.equal(new Set(server.log.spent).size, 12)
    assert.deepEqual([server.log.refusals, server.log.revoked], [[], 0])
    assert.equal((await server.introspect(await service.getToken())).active, true)
  })

  test('a grant that the server revokes because of reuse costs one refusal and one login', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server))
    await service.getToken()
    await service.refresh()
    const { clientId, clientSecret } = server.person
    const [stolen] = server.log.spent
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: stolen })
    const headers = { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` }
    const answer = await fetch(server.tokenEndpoint, { method: 'POST', body, headers })
    assert.deepEqual([answer.status, server.log.revoked], [400, 1])

    const response = await service.fetch(server.userinfoEndpoint)
    assert.equal(response.status, 200)
    assert.deepEqual(server.grants().slice(-2), ['refresh_token', 'password'])
    assert.equal(service.status().consecutiveFailures, 0)
  })

  test('two processes that share a file refresh for seconds, and no refresh token is used twice', async (t) => {
    const server = await oidcProviderFor(t, { lifetimeSeconds: 2 })
    const answers = await answersOfTwo(t, passwordGrant(server), { loop: 7000 })
    assert.deepEqual(
      answers.map(({ without }) => without),
      [0, 0],
    )
    const [first, ...rest] = server.grants()
    assert.equal(first, 'password')
    assert.deepEqual(new Set(rest), new Set(['refresh_token']))
    assert.ok(rest.length >= 3, `${rest.length} refreshes`)
    assert.equal(new Set(server.log.spent).size, rest.length)
    assert.deepEqual([server.log.refusals, server.log.revoked], [[], 0])
    const requests = answers.reduce((sum, { status }) => sum + status.counters.tokenRequests, 0)
    assert.equal(requests, server.grants().length)
    assert.ok(answers.some(({ status }) => status.history.some(({ outcome }) => outcome === 'adopted')))
  })
})

describe('revocation at oidc-provider (RFC 7009)', () => {
  test('clear({ revoke: true }) ends the grant: access and refresh token', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server, { revocationUrl: server.revocationEndpoint }))
    await service.refresh()
    await service.refresh()
    const token = await service.getToken()
    assert.equal((await server.introspect(token)).active, true)
    await service.clear({ revoke: true })
    assert.equal((await server.introspect(token)).active, false)
    assert.equal(server.log.revoked, 1)
    assert.equal(service.status().state, 'missing')
  })

  for (const clientAuthentication of ['client_secret_basic', 'client_secret_post']) {
    test(`without a refresh token the access token is revoked, by ${clientAuthentication}`, async (t) => {
      const server = await oidcProviderFor(t)
      const service = serviceFor(t, {
        authUrl: server.tokenEndpoint,
        revocationUrl: server.revocationEndpoint,
        ...server.machine,
        clientAuthentication,
      })
      const token = await service.getToken()
      await service.clear({ revoke: true })
      assert.equal((await server.introspect(token)).active, false)
    })
  }

  test('clear() alone revokes nothing', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, {
      authUrl: server.tokenEndpoint,
      revocationUrl: server.revocationEndpoint,
      ...server.machine,
    })
    const token = await service.getToken()
    await service.clear()
    assert.equal((await server.introspect(token)).active, true)
  })

  test('a JWT, which the server cannot revoke, is cleared, and the error says that it remains valid', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, {
      authUrl: server.tokenEndpoint,
      revocationUrl: server.revocationEndpoint,
      ...server.machine,
      resource,
    })
    await service.getToken()
    await assert.rejects(service.clear({ revoke: true }), failure('ERR_TOKEN_ENDPOINT', 400))
    assert.equal(service.status().state, 'missing')
  })
})
