import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeProtectedHeader, exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { TokenError } from 'evertoken'
import { oidcProviderFor, passwordGrant } from '../support/oidc-provider.mjs'
import { failure, serviceFor } from '../support/real-servers.mjs'

describe('discovery at oidc-provider', () => {
  test('issuer alone finds the token endpoint', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, { issuer: server.origin, ...server.machine })
    assert.equal((await server.introspect(await service.getToken())).active, true)
    assert.equal(service.status().strategy.endpoint, server.tokenEndpoint)
  })

  test('the endpoints of refresh and revocation are found as well', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server, { authUrl: undefined, issuer: server.origin }))
    await service.getToken()
    await service.refresh()
    const token = await service.getToken()
    await service.clear({ revoke: true })
    assert.deepEqual(server.grants(), ['password', 'refresh_token'])
    assert.equal((await server.introspect(token)).active, false)
  })

  test('metadata that names another issuer is refused, and no credential is sent', async (t) => {
    const server = await oidcProviderFor(t)
    const issuer = server.origin.replace('127.0.0.1', 'localhost')
    const service = serviceFor(t, { issuer, ...server.machine })
    await assert.rejects(service.getToken(), TokenError)
    assert.deepEqual(server.grants(), [])
  })
})

describe('private_key_jwt at oidc-provider (RFC 7523)', () => {
  for (const [alg, options] of [
    ['RS256', {}],
    ['RS384', {}],
    ['RS512', {}],
    ['PS256', {}],
    ['PS384', {}],
    ['PS512', {}],
    ['ES256', {}],
    ['ES384', {}],
    ['EdDSA', { crv: 'Ed25519' }],
    ['Ed25519', {}],
  ]) {
    test(`a client that signs with ${alg} gets a token, and the next with another assertion`, async (t) => {
      const { clientId, privateKey, metadata } = await keyClient(alg, options)
      const server = await oidcProviderFor(t, { clients: [metadata] })
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
    const server = await oidcProviderFor(t, { clients: [metadata] })
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

test('client_secret_jwt at oidc-provider (RFC 7523): the secret signs, and a wrong one is sent once', async (t) => {
  const clientSecret = 'a secret of more than thirty-two bytes, as HS256 wants it'
  const metadata = {
    client_id: 'signs-with-its-secret',
    client_secret: clientSecret,
    token_endpoint_auth_method: 'client_secret_jwt',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }
  const server = await oidcProviderFor(t, { clients: [metadata] })
  const config = {
    authUrl: server.tokenEndpoint,
    clientId: metadata.client_id,
    clientAuthentication: 'client_secret_jwt',
  }
  const service = serviceFor(t, { ...config, clientSecret })
  const { active, client_id } = await server.introspect(await service.getToken())
  assert.deepEqual([active, client_id], [true, metadata.client_id])
  const wrong = serviceFor(t, { ...config, clientSecret: `${clientSecret}!` })
  await assert.rejects(wrong.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
  assert.equal(server.grants().length, 2)
})

describe('DPoP at oidc-provider (RFC 9449)', () => {
  for (const requireNonce of [false, true]) {
    const under = requireNonce ? 'with a nonce from the server' : 'without a nonce'

    test(`the token is bound to a key, ${under}`, async (t) => {
      const server = await oidcProviderFor(t, { requireNonce })
      const service = serviceFor(t, { authUrl: server.tokenEndpoint, ...server.machine, dpop: true })
      const { token_type, cnf } = await server.introspect(await service.getToken())
      assert.equal(token_type, 'DPoP')
      assert.match(cnf.jkt, /^[\w-]{43}$/)
      await service.refresh()
      // The nonce is known from the first time on.
      assert.equal(server.grants().length, requireNonce ? 3 : 2)
      assert.equal((await server.introspect(await service.getToken())).cnf.jkt, cnf.jkt)
    })

    test(`a protected resource accepts the token with a proof for the request, ${under}`, async (t) => {
      const server = await oidcProviderFor(t, { requireNonce })
      const service = serviceFor(t, passwordGrant(server, { scope: 'openid', dpop: true }))
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

  test('without the proof, the token gives no access', async (t) => {
    const server = await oidcProviderFor(t)
    const service = serviceFor(t, passwordGrant(server, { scope: 'openid', dpop: true }))
    const authorization = `Bearer ${await service.getToken()}`
    assert.equal((await fetch(server.userinfoEndpoint, { headers: { authorization } })).status, 401)
  })
})
