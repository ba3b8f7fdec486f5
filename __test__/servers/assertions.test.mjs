// The recipes of docs/assertions.md at servers that check what the products' documentation requires. The signatures are
// verified by `jose`.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { jwtVerify, SignJWT } from 'jose'
import { initializeTokenService } from 'evertoken'
import { products } from '../support/assertion-products.mjs'
import { startPlainServer } from '../support/plain-server.mjs'
import { freshName } from '../support/service.mjs'

const page = readFileSync(new URL('../../docs/assertions.md', import.meta.url), 'utf8')
const sections = page.split(/^## /m).slice(1)
const recipes = sections
  .filter((section) => products[section.split('\n')[0]])
  .map((section) => ({
    title: section.split('\n')[0],
    code: /^```ts\n([\s\S]*?)^```$/m.exec(section)[1],
  }))

test('every recipe has a product to try it on', () => {
  assert.deepEqual(
    recipes.map(({ title }) => title),
    Object.keys(products),
  )
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

for (const { title, code } of recipes) {
  const product = products[title]
  const skip = title.includes('certificate') && !hasOpenssl ? 'openssl is not installed' : false
  test(`${title}: the request is what the product requires, twice`, { skip }, async (t) => {
    const platform = await createPlatform(t, product)
    const failures = []
    const server = await startPlainServer(async ({ method, path, headers, body }) => {
      if (method === 'GET') return metadata(path)
      const form = Object.fromEntries(new URLSearchParams(body))
      const seen = { path, headers, body, form, value, origin: server.origin, ...platform }
      try {
        await product.check(seen)
      } catch (error) {
        failures.push(error)
        return json(400, { error: 'invalid_request' })
      }
      const { status = 200, ...answer } = product.answer
      return json(status, answer)
    })
    t.after(() => server.close())
    const metadata = (path) => {
      const issuer = `${server.origin}${product.issuer}`
      const isKnown = path === `${product.issuer}/.well-known/openid-configuration`
      return isKnown ? json(200, { issuer, token_endpoint: `${server.origin}/token` }) : json(404, {})
    }
    platform.writeAccount(server.origin)

    const config = platform.located(readConfig(code, product, platform), server.origin)
    const service = initializeTokenService({
      ...config,
      service: freshName(),
      storage: { kind: 'memory' },
      onFailure: 'throw',
    })
    t.after(() => service.shutdown())
    try {
      await service.getToken()
    } catch (error) {
      throw failures[0] ?? error
    }
    await platform.renew()
    await service.refresh()
    const { access_token: accessToken, token } = product.answer
    assert.equal(await service.getToken(), accessToken ?? token)
    assert.deepEqual(failures, [])
    const posts = server.requests.filter(({ method }) => method === 'POST')
    assert.equal(posts.length, 2)
    const bodies = posts.map(({ body, headers }) => body + headers.authorization)
    assert.notEqual(bodies[0], bodies[1], 'each request has an assertion of its own')
    if (product.answer.instance_url) {
      const { fields } = await service.getAccessToken()
      assert.equal(fields.instance_url, product.answer.instance_url)
    }
  })
}

const json = (status, body) => ({ status, headers: { 'content-type': 'application/json' }, body })

/** What a recipe's variable holds. */
const value = (name) => `the-${name.toLowerCase().replaceAll('_', '-')}`

/** What the code hands to `initializeTokenService`. */
function readConfig(code, product, platform) {
  const env = new Proxy(
    {},
    { get: (_, name) => (name === 'TOKEN_ENCRYPTION_KEY' ? 'a key for the store of the test' : value(name)) },
  )
  const paths = { ...env, GOOGLE_APPLICATION_CREDENTIALS: platform.files.account }
  if (product.platform?.startsWith('AZURE')) paths[product.platform] = platform.files.token
  const process = { env: new Proxy({}, { get: (_, name) => paths[name] ?? env[name] }) }
  const plain = code.replace(/^import .*$/m, '').replaceAll(/!(?=[,\s}])/g, '')
  const found = []
  new Function('initializeTokenService', 'process', plain)((config) => found.push(config), process)
  assert.equal(found.length, 1)
  return found[0]
}

/** A key, its certificate, the key file of an account, and an assertion that the platform renews. */
async function createPlatform(t, product) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-assertions-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const files = Object.fromEntries(
    ['key', 'certificate', 'account.json', 'token'].map((name) => [
      name.replace('.json', ''),
      join(folder, name),
    ]),
  )
  writeFileSync(files.key, pem)
  const thumbprints = certify(files, product)
  let renewals = 0
  const renew = async () => {
    renewals += 1
    const token = await new SignJWT({ sub: 'system:default:reports', renewals })
      .setProtectedHeader({ alg: 'RS256' })
      .setExpirationTime('10m')
      .sign(privateKey)
    writeFileSync(files.token, `${token}\n`)
  }
  await renew()
  return {
    files,
    renew,
    thumbprints,
    verify: async (token) => {
      const { protectedHeader, payload } = await jwtVerify(token, publicKey, { algorithms: [product.alg] })
      return { header: protectedHeader, claims: payload }
    },
    writeAccount: (origin) =>
      writeFileSync(
        files.account,
        JSON.stringify({
          type: 'service_account',
          project_id: 'project',
          private_key_id: 'the key of the account',
          private_key: pem,
          client_email: 'robot@project.iam.gserviceaccount.com',
          client_id: '1234567890',
          token_uri: `${origin}/token`,
        }),
      ),
    /** The configuration with the addresses of the mock server, and the paths of these files. */
    located(config, origin) {
      const move = (url) => url?.replace(new URL(url).origin, origin)
      const { authUrl, issuer, privateKey, clientAssertion, subjectToken, ...rest } = config
      const token = { path: files.token }
      return {
        ...rest,
        ...(authUrl && { authUrl: move(authUrl) }),
        ...(issuer && { issuer: move(issuer) }),
        ...(clientAssertion && { clientAssertion: token }),
        ...(subjectToken && { subjectToken: token }),
        ...(privateKey && {
          privateKey: {
            ...privateKey,
            path: product.account ? files.account : files.key,
            ...(privateKey.certificate && { certificate: { path: files.certificate } }),
          },
        }),
      }
    },
  }
}

/** Writes a certificate of the key; its thumbprints. */
function certify(files, product) {
  if (product.alg !== 'PS256') return undefined
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-new',
    '-key',
    files.key,
    '-subj',
    '/CN=reports',
    '-days',
    '2',
  ])
  writeFileSync(files.certificate, made.stdout)
  const { raw } = new X509Certificate(made.stdout)
  const hash = (algorithm) => createHash(algorithm).update(raw).digest('base64url')
  return { sha1: hash('sha1'), sha256: hash('sha256') }
}

describe('what the page says besides', () => {
  test('a certificate of another key in a file is an error that names it', {
    skip: !hasOpenssl,
  }, async (t) => {
    const one = await createPlatform(t, { alg: 'PS256' })
    const two = await createPlatform(t, { alg: 'PS256' })
    const service = initializeTokenService({
      service: freshName(),
      authUrl: 'http://127.0.0.1:1/token',
      clientId: 'app',
      privateKey: { path: one.files.key, certificate: { path: two.files.certificate } },
      storage: { kind: 'memory' },
      onFailure: 'throw',
    })
    t.after(() => service.shutdown())
    await assert.rejects(service.getToken(), {
      code: 'ERR_TOKEN_CONFIG',
      field: 'privateKey.certificate.path',
    })
  })
})
