import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, test } from 'node:test'
import { configFromEnv, initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { configErrorOf } from '../support/config-error.mjs'
import { configAt, freshName, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()

afterEach(cleanEnvironment)

/** On Windows an absolute `file:` URL names a drive, which these do not. */
const isOfThisPlatform = (text) => process.platform !== 'win32' || !text.startsWith('file:///')

describe('the environment', () => {
  test('is read field by field', () => {
    const env = {
      EXTERNAL_AUTH_URL: 'https://login.example.com',
      OAUTH_ISSUER: 'https://id.example.com',
      EXTERNAL_API_EMAIL: 'a@example.com',
      EXTERNAL_API_USERNAME: 'a',
      EXTERNAL_API_PASSWORD: ' p ',
      OAUTH_CLIENT_ID: 'id',
      OAUTH_CLIENT_SECRET: 'secret',
      OAUTH_PRIVATE_KEY: '/run/secrets/key.pem',
      OAUTH_SCOPE: 'read write',
      OAUTH_AUDIENCE: 'api',
      EXTERNAL_API_TOKEN: 'by-hand',
      TOKEN_ENCRYPTION_KEY: 'new, old',
      EVERTOKEN_STORAGE: 'file:./x.json',
      UNRELATED: 'x',
    }
    assert.deepEqual(configFromEnv(env), {
      authUrl: 'https://login.example.com',
      issuer: 'https://id.example.com',
      email: 'a@example.com',
      username: 'a',
      password: ' p ',
      clientId: 'id',
      clientSecret: 'secret',
      privateKey: '/run/secrets/key.pem',
      scope: 'read write',
      audience: 'api',
      token: 'by-hand',
      encryptionKey: ['new', 'old'],
      storage: { kind: 'file', path: './x.json' },
    })
  })

  test('is ignored if it is empty', () => {
    const names = ['EXTERNAL_AUTH_URL', 'OAUTH_SCOPE', 'TOKEN_ENCRYPTION_KEY', 'EVERTOKEN_STORAGE']
    assert.deepEqual(configFromEnv(Object.fromEntries(names.map((name) => [name, '']))), {})
    assert.deepEqual(configFromEnv({ EXTERNAL_API_EMAIL: '  ', TOKEN_ENCRYPTION_KEY: ' , ' }), {})
    assert.deepEqual(configFromEnv({ TOKEN_ENCRYPTION_KEY: 'one,' }), { encryptionKey: 'one' })
  })

  test('names the grant for its own credentials, and not for those of the code', (t) => {
    assert.deepEqual(configFromEnv({ OAUTH_GRANT: ' refresh_token ' }), { grant: 'refresh_token' })
    process.env.OAUTH_GRANT = 'password'
    const base = { authUrl: 'https://h.example.com/token', storage: { kind: 'memory' } }
    const client = { clientId: 'app', clientSecret: 's' }
    for (const code of [
      client,
      { ...client, grant: 'client_credentials' },
      { refreshToken: 'r', clientId: 'app' },
    ]) {
      const service = initializeTokenService({ ...base, ...code, service: freshName() })
      t.after(() => service.shutdown())
    }
    process.env.OAUTH_CLIENT_SECRET = 's'
    const { message } = configErrorOf(() => initializeTokenService({ ...base, clientId: 'app' }))
    assert.match(message, /^grant \(OAUTH_GRANT\) is "password", which needs password/)
    process.env.OAUTH_GRANT = 'implicit'
    const other = configErrorOf(() => initializeTokenService({ ...base, clientId: 'app' }))
    assert.match(other.message, /^grant \(OAUTH_GRANT\) must be one of/)
  })

  test('of this process is read when none is given', () => {
    process.env.OAUTH_SCOPE = 'read'
    assert.deepEqual(configFromEnv(), { scope: 'read' })
  })

  const storages = {
    memory: { kind: 'memory' },
    file: { kind: 'file' },
    'file:./tokens.json': { kind: 'file', path: './tokens.json' },
    'file:///var/lib/tok%20ens.json': { kind: 'file', path: '/var/lib/tok ens.json' },
    'file:/var/lib/app.db': { kind: 'sqlite', path: '/var/lib/app.db' },
    'file:./app.SQLITE3': { kind: 'sqlite', path: './app.SQLITE3' },
    'sqlite:./app.db': { kind: 'sqlite', path: './app.db' },
    'sqlite://app.db': { kind: 'sqlite', path: 'app.db' },
    'sqlite:///var/lib/app': { kind: 'sqlite', path: '/var/lib/app' },
    'postgres://u:p@db/app': { kind: 'postgres', url: 'postgres://u:p@db/app' },
    'postgresql://u:p@db/app': { kind: 'postgres', url: 'postgresql://u:p@db/app' },
    'redis://cache:6379/1': { kind: 'redis', url: 'redis://cache:6379/1' },
    'rediss://cache:6379': { kind: 'redis', url: 'rediss://cache:6379' },
  }
  for (const [text, storage] of Object.entries(storages).filter(([text]) => isOfThisPlatform(text))) {
    test(`names the storage ${text}`, () => {
      assert.deepEqual(configFromEnv({ EVERTOKEN_STORAGE: text }), { storage })
    })
  }

  for (const text of [
    'disk',
    'file:',
    'sqlite:',
    'mysql://u:the-database-password@db/app',
    './tokens.json',
  ]) {
    test(`is refused where EVERTOKEN_STORAGE is ${text.split('//')[0]}`, () => {
      const error = configErrorOf(() => configFromEnv({ EVERTOKEN_STORAGE: text }))
      assert.equal(error.field, 'EVERTOKEN_STORAGE')
      assert.ok(!error.message.includes('the-database-password'))
    })
  }
})

describe('code and environment together', () => {
  /** The token request of a service with this configuration in this environment. */
  async function requestOf(t, env, config) {
    Object.assign(process.env, { EVERTOKEN_STORAGE: 'memory' }, env)
    const before = server.tokenRequests.length
    const service = initializeTokenService({ service: freshName(), ...config })
    t.after(() => service.shutdown())
    await service.getToken()
    const [{ path, headers, body }] = server.tokenRequests.slice(before)
    return {
      path,
      body,
      basic: headers.authorization?.startsWith('Basic ') && atob(headers.authorization.slice(6)),
    }
  }

  const client = { OAUTH_CLIENT_ID: 'env-client', OAUTH_CLIENT_SECRET: 'env-secret' }
  const login = { EXTERNAL_API_EMAIL: 'env@example.com', EXTERNAL_API_PASSWORD: 'env-password' }

  test('each field comes from the code, else from the environment', async (t) => {
    const env = { EXTERNAL_AUTH_URL: server.tokenUrl, OAUTH_SCOPE: 'env', ...client }
    const { basic, body } = await requestOf(t, env, {
      clientId: 'code-client',
      scope: 'code',
      audience: undefined,
    })
    assert.equal(basic, 'code-client:env-secret')
    assert.match(body, /scope=code/)
  })

  test('with an authUrl in code, the issuer of the environment is not used', async (t) => {
    const env = { OAUTH_ISSUER: 'https://id.example.com', ...client }
    assert.equal((await requestOf(t, env, { authUrl: server.tokenUrl })).path, '/oauth/token')
  })

  test('a user in code is not combined with the user of the environment', async (t) => {
    const env = { EXTERNAL_AUTH_URL: server.loginUrl, ...login }
    const { body } = await requestOf(t, env, { username: 'code-user' })
    assert.deepEqual(JSON.parse(body), { username: 'code-user', password: 'env-password' })
  })

  test("with a complete client credential in code, the environment's password is not sent", async (t) => {
    const config = { authUrl: server.loginUrl, clientId: 'code-client', clientSecret: 'code-secret' }
    const { basic, body } = await requestOf(t, login, config)
    assert.equal(basic, 'code-client:code-secret')
    assert.equal(body, 'grant_type=client_credentials')
  })

  test("with a key in code, the environment's secret is not sent", async (t) => {
    const { privateKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    const { basic, body } = await requestOf(t, client, { authUrl: server.tokenUrl, privateKey })
    assert.equal(basic, undefined)
    const form = new URLSearchParams(body)
    assert.equal(form.get('client_id'), 'env-client')
    assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    assert.ok(!body.includes('env-secret'))
  })

  test("with a secret in code, the environment's key is not used", async (t) => {
    const env = { OAUTH_CLIENT_ID: 'env-client', OAUTH_PRIVATE_KEY: '/nowhere/key.pem' }
    const { basic } = await requestOf(t, env, { authUrl: server.tokenUrl, clientSecret: 'code-secret' })
    assert.equal(basic, 'env-client:code-secret')
  })

  test("with a complete login in code, the environment's client is not used", async (t) => {
    const config = { authUrl: server.tokenUrl, email: 'code@example.com', password: 'code-password' }
    const { basic, body } = await requestOf(t, client, config)
    assert.equal(basic, undefined)
    assert.ok(body.includes('code-password') && !body.includes('env-'))
  })

  test('a grant in code uses fields from code and environment', async (t) => {
    const config = {
      authUrl: server.tokenUrl,
      clientId: 'code-client',
      clientSecret: 'code-secret',
      grant: 'password',
    }
    const { body } = await requestOf(t, login, config)
    assert.match(body, /grant_type=password/)
    assert.match(body, /password=env-password/)
  })

  test('a wrong value is an error that names the field and the variable', () => {
    process.env.EVERTOKEN_STORAGE = 'postgres://u:p@h:port/app'
    process.env.EXTERNAL_AUTH_URL = 'the-token-server'
    const error = configErrorOf(() => initializeTokenService({ clientId: 'a', clientSecret: 'b' }))
    assert.equal(error.field, 'storage.url')
    assert.match(error.message, /^storage\.url \(EVERTOKEN_STORAGE\) has a port/)
    assert.match(error.message, /; authUrl \(EXTERNAL_AUTH_URL\) is not an absolute URL/)
  })

  test('a storage in code makes a wrong EVERTOKEN_STORAGE irrelevant', (t) => {
    process.env.EVERTOKEN_STORAGE = 'disk'
    const service = initializeTokenService(configAt(server))
    t.after(() => service.shutdown())
    assert.equal(service.status().storage.kind, 'memory')
    assert.equal(
      configErrorOf(() => initializeTokenService(configAt(server, { storage: undefined }))).field,
      'EVERTOKEN_STORAGE',
    )
  })
})
