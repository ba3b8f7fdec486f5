// The configurations of docs/providers that show no response, at servers that answer as the provider's documentation
// says, and take what it demands. `recipes.test.mjs` has the others.
import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { jwtVerify } from 'jose'
import { initializeTokenService } from 'evertoken'
import { startPlainServer } from '../support/plain-server.mjs'
import { products } from '../support/provider-products.mjs'
import { network, readConfigurations } from '../support/recipes.mjs'
import { freshName } from '../support/service.mjs'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

const configurations = (await readConfigurations()).filter(({ answer }) => answer === undefined)

test('every configuration has a provider to try it on, and every provider a configuration', () => {
  assert.deepEqual(configurations.map(({ product }) => product).sort(), Object.keys(products).sort())
  for (const { product, variants } of configurations) assert.equal(variants.length, 1, product)
})

for (const { product, variants } of configurations) {
  const spec = products[product]
  const { env, code, config } = variants[0]

  test(`${product}: a token arrives, and the next one`, async (t) => {
    const provider = await startProvider(t, spec, config)
    const service = start(t, provider, env, code)
    assert.deepEqual(await service.getAuthHeaders(), spec.header(provider.issued.at(-1)))
    const { expiresInSeconds, refreshTokenExpiresAt } = service.status()
    assert.ok(Math.abs(expiresInSeconds - spec.lifetime) <= 2, `${expiresInSeconds} s`)
    if (spec.consentLasts) {
      const seconds = (Date.parse(refreshTokenExpiresAt) - Date.now()) / 1000
      assert.ok(Math.abs(seconds - spec.consentLasts) <= 5, `${seconds} s`)
    }
    for (let turn = 0; turn < 2; turn += 1) {
      await service.refresh()
      assert.deepEqual(await service.getAuthHeaders(), spec.header(provider.issued.at(-1)))
    }
    assert.deepEqual(provider.faults, [])
    assert.equal(new Set(provider.issued).size, 3, 'one request for each token')
    const { fields } = await service.getAccessToken()
    assert.deepEqual({ ...fields }, spec.fields ?? {})
  })

  if (spec.isFunction) continue
  test(`${product}: a refusal is one request, and the error says what it means`, async (t) => {
    const provider = await startProvider(t, spec, config)
    provider.refuse()
    const service = start(t, provider, env, code)
    const recognized = spec.isConsent ? 'ERR_TOKEN_CONSENT' : 'ERR_TOKEN_CREDENTIALS'
    const expected = { code: spec.refusalCode ?? recognized }
    await assert.rejects(service.getToken(), expected)
    await assert.rejects(service.getToken(), expected)
    assert.equal(provider.requests(), 1)
  })
}

/** A server that takes what the provider demands, and nothing else. */
async function startProvider(context, spec, config) {
  const state = { issued: [], faults: [], isRefusing: false }
  state.refreshToken = spec.seed ?? config.refreshToken
  const server = await startPlainServer(async ({ method, path, headers, body }) => {
    if (method === 'GET') return metadata(path)
    if (state.isRefusing) return json(spec.refusal)
    try {
      assert.equal(path, spec.path)
      assert.equal(headers['content-type'].split(';')[0], 'application/x-www-form-urlencoded')
      for (const [name, value] of Object.entries(spec.headers ?? {})) assert.equal(headers[name], value)
      const sent = await withoutClient(Object.fromEntries(new URLSearchParams(body)), headers)
      assert.deepEqual(sent, expectedForm())
    } catch (error) {
      state.faults.push(error.message)
      return json({ status: 400, body: { error: 'invalid_request' } })
    }
    return json({ status: 200, body: granted() })
  })
  context.after(() => server.close())

  const expectedForm = () =>
    spec.isConsent ? { grant_type: 'refresh_token', refresh_token: state.refreshToken } : spec.form

  function granted() {
    const token = randomBytes(24).toString('base64url')
    state.issued.push(token)
    if (spec.rotates) state.refreshToken = randomBytes(24).toString('base64url')
    return spec.answer({ token, refreshToken: spec.rotates ? state.refreshToken : undefined })
  }

  /** The form without what the client authenticates with, once that is right. */
  async function withoutClient(form, { authorization }) {
    const { client_id: id, client_secret: secret, client_assertion: assertion, ...rest } = form
    const { clientId, clientSecret } = config
    const proofs = {
      basic: () =>
        assert.deepEqual([authorization, id, secret], [basic(clientId, clientSecret), undefined, undefined]),
      body: () => assert.deepEqual([authorization, id, secret], [undefined, clientId, clientSecret]),
      'secret-key': () => assert.equal(authorization, `Basic ${btoa('the STRIPE_SECRET_KEY: 100%+:')}`),
      async key() {
        const { payload, protectedHeader } = await jwtVerify(assertion, publicKey, { algorithms: ['RS384'] })
        const { iss, sub, aud, jti } = payload
        assert.deepEqual([iss, sub, aud], [clientId, clientId, `${server.origin}${spec.path}`])
        assert.ok(jti && protectedHeader.kid === 'reports-2026')
        delete rest.client_assertion_type
      },
    }
    await proofs[spec.client]()
    return rest
  }

  function metadata(path) {
    const issuer = config.issuer && relocated(config.issuer)
    const isKnown =
      `${server.origin}${path}` === `${issuer?.replace(/\/$/, '')}/.well-known/openid-configuration`
    if (!isKnown) return json({ status: 404, body: {} })
    return json({ status: 200, body: { issuer, token_endpoint: `${server.origin}${spec.path}` } })
  }

  const relocated = (url) => url.replace(new URL(url).origin, server.origin)
  return {
    ...state,
    refuse: () => (state.isRefusing = true),
    requests: () => server.requests.filter(({ method }) => method === 'POST').length,
    relocated,
  }
}

/** The service that the page makes, at this provider. */
function start(context, provider, env, code) {
  const addresses = ['authUrl', 'revocationUrl', 'OAUTH_ISSUER', 'EXTERNAL_AUTH_URL']
  const move = (values) =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [
        key,
        addresses.includes(key) ? provider.relocated(value) : value,
      ]),
    )
  network.fetch = (url, options) => fetch(provider.relocated(url), options)
  const config = { ...move(code), service: freshName(), storage: { kind: 'memory' }, onFailure: 'throw' }
  if (config.privateKey) config.privateKey = { ...config.privateKey, path: keyFile(context) }
  Object.assign(process.env, move(env))
  try {
    const service = initializeTokenService(config)
    context.after(() => service.shutdown())
    return service
  } finally {
    for (const name of Object.keys(env)) delete process.env[name]
  }
}

function keyFile(context) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-providers-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'key.pem')
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return path
}

/** RFC 6749 §2.3.1: form-encoded, joined, base64. */
function basic(clientId, clientSecret) {
  const encoded = (text) => new URLSearchParams([['', text]]).toString().slice(1)
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`
}

const json = ({ status, body }) => ({ status, headers: { 'content-type': 'application/json' }, body })
