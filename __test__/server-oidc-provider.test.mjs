import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { decodeProtectedHeader, exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { initializeTokenService, TokenError } from 'evertoken'
import { freshName } from './support/front.mjs'
import { account, resource, startOidcProvider } from './support/oidc-provider.mjs'

const worker = fileURLToPath(new URL('./support/processes-worker.cjs', import.meta.url))

/** What this version does not have yet; a test runs once its word is gone from here. */
const missing = {
  issuer: 'issuer is not in this version',
  privateKey: 'privateKey is not in this version',
  dpop: 'dpop is not in this version',
}

/** A server that ends with the test. */
async function serverFor(context, options) {
  const server = await startOidcProvider(options)
  context.after(() => server.close())
  return server
}

/** A service that ends with the test. */
function serviceFor(context, config) {
  const service = initializeTokenService({
    service: freshName(),
    storage: { kind: 'memory' },
    onFailure: 'throw',
    ...config,
  })
  context.after(() => service.shutdown())
  return service
}

/** The configuration of the password grant, with a refresh token. */
const person = (server, config) => ({
  authUrl: server.tokenEndpoint,
  grant: 'password',
  ...server.person,
  ...account,
  scope: 'openid offline_access',
  ...config,
})

const failure = (code, status) => (error) => {
  assert.deepEqual([error.code, error.status], [code, status])
  return true
}

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

    test(`a wrong secret is sent once by ${clientAuthentication}, and not again by itself`, async (t) => {
      const service = serviceFor(t, machine({ clientAuthentication, clientSecret: 'wrong' }))
      for (const call of [() => service.getToken(), () => service.getToken(), () => service.getAuthHeaders()]) {
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
    assert.deepEqual([payload.scope, payload.client_id], ['orders:read orders:write', server.machine.clientId])
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

  test('the bare origin is not enough: /token is not among the common endpoints', async (t) => {
    const service = serviceFor(t, machine({ authUrl: server.origin }))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 404))
  })

  test('the client of another grant is told that it may not have this one', async (t) => {
    const service = serviceFor(t, { ...machine(), ...server.person })
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 400))
    assert.equal(service.status().counters.tokenRequests, 1)
  })
})

describe('the password grant at oidc-provider', () => {
  test('a name and a password beyond ASCII arrive, and the header opens a protected resource', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server))
    const response = await service.fetch(server.userinfoEndpoint)
    assert.deepEqual(await response.json(), { sub: account.username })
    assert.deepEqual(server.grants(), ['password'])
  })

  test('a wrong password is one request', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { password: 'wrong' }))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 400))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 400))
    assert.deepEqual(server.grants(), ['password'])
  })

  test('without offline_access there is no refresh token, and the password is sent again', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { scope: 'openid' }))
    await service.getToken()
    await service.refresh()
    assert.deepEqual(server.grants(), ['password', 'password'])
  })

  test('a dozen refreshes spend a dozen refresh tokens, each once', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { rateLimit: { attempts: 100, perSeconds: 1 } }))
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

  test('a grant that the server revokes because of a thief costs one refusal and one login', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server))
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

  test('two processes that share a file refresh for seconds, and no refresh token is spent twice', async (t) => {
    const server = await serverFor(t, { lifetimeSeconds: 2 })
    const folder = mkdtempSync(join(tmpdir(), 'evertoken-oidc-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const config = person(server, {
      storage: { kind: 'file', path: join(folder, 'token-cache.json') },
      rateLimit: { attempts: 1000, perSeconds: 1 },
    })
    const env = { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(config) }
    const children = [fork(worker, { env }), fork(worker, { env })]
    t.after(() => children.forEach((child) => child.kill('SIGKILL')))
    await Promise.all(children.map((child) => once(child, 'message')))
    const answers = await Promise.all(
      children.map(async (child) => {
        const answered = once(child, 'message')
        child.send({ loop: 7000 })
        return (await answered)[0]
      }),
    )
    assert.deepEqual(answers.map(({ without }) => without), [0, 0])
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
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { revocationUrl: server.revocationEndpoint }))
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
      const server = await serverFor(t)
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
    const server = await serverFor(t)
    const service = serviceFor(t, {
      authUrl: server.tokenEndpoint,
      revocationUrl: server.revocationEndpoint,
      ...server.machine,
    })
    const token = await service.getToken()
    await service.clear()
    assert.equal((await server.introspect(token)).active, true)
  })

  test('a JWT, which the server cannot revoke, is cleared, and the error says that it lives on', async (t) => {
    const server = await serverFor(t)
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

describe('discovery at oidc-provider', { skip: missing.issuer }, () => {
  test('issuer alone finds the token endpoint', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, { issuer: server.origin, ...server.machine })
    assert.equal((await server.introspect(await service.getToken())).active, true)
    assert.equal(service.status().strategy.endpoint, server.tokenEndpoint)
  })

  test('the endpoints of refresh and revocation are found as well', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { authUrl: undefined, issuer: server.origin }))
    await service.getToken()
    await service.refresh()
    const token = await service.getToken()
    await service.clear({ revoke: true })
    assert.deepEqual(server.grants(), ['password', 'refresh_token'])
    assert.equal((await server.introspect(token)).active, false)
  })

  test('metadata that names another issuer is refused, and no credential is sent', async (t) => {
    const server = await serverFor(t)
    const issuer = server.origin.replace('127.0.0.1', 'localhost')
    const service = serviceFor(t, { issuer, ...server.machine })
    await assert.rejects(service.getToken(), TokenError)
    assert.deepEqual(server.grants(), [])
  })
})

describe('private_key_jwt at oidc-provider (RFC 7523)', { skip: missing.privateKey }, () => {
  for (const [alg, options] of [
    ['RS256', {}],
    ['PS256', {}],
    ['ES256', {}],
    ['EdDSA', { crv: 'Ed25519' }],
  ]) {
    test(`a client that signs with ${alg} gets a token, and the next one with another assertion`, async (t) => {
      const { clientId, privateKey, metadata } = await keyClient(alg, options)
      const server = await serverFor(t, { clients: [metadata] })
      const service = serviceFor(t, {
        authUrl: server.tokenEndpoint,
        clientId,
        clientAuthentication: 'private_key_jwt',
        privateKey,
      })
      await service.getToken()
      await service.refresh()
      const { active, client_id } = await server.introspect(await service.getToken())
      assert.deepEqual([active, client_id], [true, clientId])
      assert.deepEqual(server.log.refusals, [])
    })
  }

  test('a key that the server does not know is sent once', async (t) => {
    const { clientId, metadata } = await keyClient('ES256')
    const { privateKey } = await keyClient('ES256')
    const server = await serverFor(t, { clients: [metadata] })
    const service = serviceFor(t, { authUrl: server.tokenEndpoint, clientId, privateKey })
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
    await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
    assert.equal(server.grants().length, 1)
  })

  /** A client with a key of its own, as evertoken and as the server have it. */
  async function keyClient(alg, options = {}) {
    const pair = await generateKeyPair(alg, { extractable: true, ...options })
    const kid = `the ${alg} key`
    const metadata = {
      client_id: `signs-with-${alg}`,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      jwks: { keys: [{ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' }] },
    }
    const pem = await exportPKCS8(pair.privateKey)
    return { clientId: metadata.client_id, metadata, privateKey: { pem, kid, alg } }
  }
})

describe('DPoP at oidc-provider (RFC 9449)', { skip: missing.dpop }, () => {
  for (const requireNonce of [false, true]) {
    const under = requireNonce ? 'with a nonce from the server' : 'without a nonce'

    test(`the token is bound to a key, ${under}`, async (t) => {
      const server = await serverFor(t, { requireNonce })
      const service = serviceFor(t, { authUrl: server.tokenEndpoint, ...server.machine, dpop: true })
      const { token_type, cnf } = await server.introspect(await service.getToken())
      assert.equal(token_type, 'DPoP')
      assert.match(cnf.jkt, /^[\w-]{43}$/)
      await service.refresh()
      // The nonce is known from the first time on.
      assert.equal(server.grants().length, requireNonce ? 3 : 2)
      assert.equal((await server.introspect(await service.getToken())).cnf.jkt, cnf.jkt)
    })

    test(`a protected resource takes the token with a proof for the request, ${under}`, async (t) => {
      const server = await serverFor(t, { requireNonce })
      const service = serviceFor(t, person(server, { scope: 'openid', dpop: true }))
      for (let turn = 0; turn < 3; turn += 1) {
        assert.equal((await service.fetch(server.userinfoEndpoint)).status, 200)
        assert.equal((await service.fetch(server.userinfoEndpoint, { method: 'POST' })).status, 200)
      }
      assert.equal(service.status().counters.tokenRequests, server.grants().length)
      assert.equal(service.status().counters.refreshes, 1)

      const request = { method: 'GET', url: server.userinfoEndpoint }
      const headers = await service.getAuthHeaders(request)
      assert.match(headers.Authorization, /^DPoP /)
      assert.equal(decodeProtectedHeader(headers.DPoP).typ, 'dpop+jwt')
      const proofs = new Set([headers.DPoP, (await service.getAuthHeaders(request)).DPoP])
      assert.equal(proofs.size, 2, 'a proof is for one request')
    })
  }

  test('without the proof the token opens nothing', async (t) => {
    const server = await serverFor(t)
    const service = serviceFor(t, person(server, { scope: 'openid', dpop: true }))
    const authorization = `Bearer ${await service.getToken()}`
    assert.equal((await fetch(server.userinfoEndpoint, { headers: { authorization } })).status, 401)
  })
})
