import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import {
  configFromEnv,
  getAuthHeaders,
  getTokenService,
  initializeTokenService,
  startTokenScheduler,
} from 'evertoken'
import { cleanEnvironment } from './support/clean-environment.mjs'
import { clientSecret, configAt, freshName, useTokenServer } from './support/front.mjs'

// What a text names is told apart here; the paths of kinds that the core refuses show only here.
const { storageFromDatabase } = createRequire(import.meta.url)('../lib/storage.js')

const server = useTokenServer()

afterEach(cleanEnvironment)

/** On Windows an absolute `file:` URL names a drive, which these do not. */
const isOfThisPlatform = (text) => process.platform !== 'win32' || !text.startsWith('file:///')

/** The TokenError that `call` throws at once. */
function errorOf(call) {
  try {
    call()
  } catch (error) {
    assert.equal(error.name, 'TokenError', error.stack)
    assert.equal(error.code, 'ERR_TOKEN_CONFIG')
    assert.ok(error.message.startsWith(error.field), `${error.message} begins with ${error.field}`)
    return error
  }
  assert.fail('nothing was thrown')
}

function circle() {
  const body = { inner: {} }
  body.inner.outer = body
  return body
}

class Money {}

function nested(depth) {
  return depth === 0 ? 'deep' : { in: nested(depth - 1) }
}

describe('a wrong value is refused at once, by the name of its field', () => {
  const wrong = {
    // What JSON cannot hold, which this side refuses.
    'login.body.when': { login: { body: { when: () => {} } } },
    'login.body.big': { login: { body: { big: 1n } } },
    'login.body.list.1': { login: { body: { list: [1, undefined] } } },
    'login.body.price': { login: { body: { price: new Money() } } },
    'login.body.inner.outer': { login: { body: circle() } },
    'login.body.nan': { login: { body: { nan: NaN } } },
    'login.body.half': { login: { body: { half: '\ud800' } } },
    'login.body.Symbol(a)': { login: { body: { [Symbol('a')]: 1 } } },
    [`login.body${'.in'.repeat(62)}`]: { login: { body: nested(80) } },
    authUrl: { authUrl: new URL('https://login.example.com') },
    'privateKey.pem': { privateKey: { pem: Buffer.from('key') } },
    privateKey: { privateKey: '-----BEGIN PRIVATE KEY-----' },
    'privateKey.alg': { privateKey: { path: './key.pem', alg: 'HS256' } },
    'clientCertificate.key': { clientCertificate: { cert: '-----BEGIN CERTIFICATE-----' } },
    clientAuthentication: { clientAuthentication: 'private_key_jwt' },
    encryptionKey: { encryptionKey: new Map() },
    'login.tokenPath': { login: { tokenPath: 'a..b' } },
    neverExpires: { neverExpires: 'yes' },
    timeoutMs: { timeoutMs: Infinity },
    refreshBufferSeconds: { refreshBufferSeconds: NaN },
    logger: { logger: { info() {} } },
    storage: { storage: 'memory' },
    'storage.client': { storage: { kind: 'prisma', client: { tokenCache: { findUnique() {} } } } },
    'storage.store': { storage: { kind: 'custom', store: new Map().get } },
    // What JSON can hold, which the core refuses.
    tokens: { tokens: ['x'] },
    'login.bodies': { login: { bodies: {} } },
    'retry.attempts': { retry: { attempts: 0 } },
    'storage.kind': { storage: { kind: 'cloud' } },
    'storage.dir': { storage: { kind: 'file', dir: '.' } },
    grant: { grant: 'magic' },
    scope: { scope: 'a  b' },
    allowedOrigins: { allowedOrigins: ['https://api.example.com/path'] },
    baseUrl: { baseUrl: '/v1' },
    'headers.Authorization': { headers: { Authorization: 'Basic x' } },
    service: { service: 7 },
    dpop: { dpop: 'yes' },
  }
  for (const [field, config] of Object.entries(wrong)) {
    test(field.slice(0, 60), () => {
      const error = errorOf(() => initializeTokenService(configAt(server, config)))
      assert.equal(error.field, field)
    })
  }

  test('http to a public host', () => {
    const error = errorOf(() =>
      initializeTokenService(configAt(server, { authUrl: 'http://login.example.com/token' })),
    )
    assert.equal(error.field, 'authUrl')
  })

  test('a configuration that is none', () => {
    for (const config of ['https://login.example.com', null, 7, [], new Money()]) {
      assert.equal(errorOf(() => initializeTokenService(config)).field, 'config')
    }
    assert.equal(errorOf(() => initializeTokenService({}, 'yes')).field, 'useDatabase')
  })

  test('a wrong service name asked for', async () => {
    assert.equal(errorOf(() => getTokenService(7)).field, 'service')
    await assert.rejects(getAuthHeaders({}), { code: 'ERR_TOKEN_CONFIG', field: 'service' })
  })

  test('an option of the scheduler', () => {
    assert.equal(
      errorOf(() => startTokenScheduler({ refreshIntervalSeconds: 0 })).field,
      'refreshIntervalSeconds',
    )
    assert.equal(errorOf(() => startTokenScheduler({ everyInterval: () => true })).field, 'everyInterval')
    assert.equal(errorOf(() => startTokenScheduler({ interval: 1 })).field, 'interval')
    assert.equal(errorOf(() => startTokenScheduler(60)).field, 'options')
  })

  test('with the name of the service, and without the value', () => {
    const error = errorOf(() =>
      initializeTokenService(configAt(server, { service: 'billing', password: { clientSecret } })),
    )
    assert.equal(error.service, 'billing')
    assert.equal(error.field, 'password')
    assert.ok(!JSON.stringify(error).includes(clientSecret) && !error.stack.includes(clientSecret))
  })

  test('LOG_LEVEL and LOG_FORMAT', () => {
    process.env.LOG_LEVEL = 'loud'
    assert.equal(errorOf(() => initializeTokenService(configAt(server))).field, 'LOG_LEVEL')
    // An application has one LOG_LEVEL for all its libraries, in the words of its own logger.
    for (const word of ['WARN', 'silent', 'fatal', 'verbose', 'off']) {
      process.env.LOG_LEVEL = word
      initializeTokenService(configAt(server))
    }
    process.env.LOG_LEVEL = 'ERROR'
    process.env.LOG_FORMAT = 'xml'
    assert.equal(errorOf(() => initializeTokenService(configAt(server))).field, 'LOG_FORMAT')
  })
})

test('undefined means absent, and objects of another realm are plain, too', async (t) => {
  const config = runInNewContext('({ ...config, email: undefined, login: { tokenPath: undefined } })', {
    config: configAt(server),
  })
  const service = initializeTokenService(config)
  t.after(() => service.shutdown())
  assert.match(await service.getToken(), /^access-/)
})

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

  test('counts for nothing where it is empty', () => {
    const names = ['EXTERNAL_AUTH_URL', 'OAUTH_SCOPE', 'TOKEN_ENCRYPTION_KEY', 'EVERTOKEN_STORAGE']
    assert.deepEqual(configFromEnv(Object.fromEntries(names.map((name) => [name, '']))), {})
    assert.deepEqual(configFromEnv({ EXTERNAL_API_EMAIL: '  ', TOKEN_ENCRYPTION_KEY: ' , ' }), {})
    assert.deepEqual(configFromEnv({ TOKEN_ENCRYPTION_KEY: 'one,' }), { encryptionKey: 'one' })
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
      const error = errorOf(() => configFromEnv({ EVERTOKEN_STORAGE: text }))
      assert.equal(error.field, 'EVERTOKEN_STORAGE')
      assert.ok(!error.message.includes('the-database-password'))
    })
  }
})

describe('code and environment together', () => {
  /** What the token server is told by a service with this configuration in this environment. */
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

  test('an authUrl in code keeps the issuer of the environment out', async (t) => {
    const env = { OAUTH_ISSUER: 'https://id.example.com', ...client }
    assert.equal((await requestOf(t, env, { authUrl: server.tokenUrl })).path, '/oauth/token')
  })

  test('a user in code is not mixed with the one of the environment', async (t) => {
    const env = { EXTERNAL_AUTH_URL: server.loginUrl, ...login }
    const { body } = await requestOf(t, env, { username: 'code-user' })
    assert.deepEqual(JSON.parse(body), { username: 'code-user', password: 'env-password' })
  })

  test("a whole client credential in code keeps the environment's password at home", async (t) => {
    const config = { authUrl: server.loginUrl, clientId: 'code-client', clientSecret: 'code-secret' }
    const { basic, body } = await requestOf(t, login, config)
    assert.equal(basic, 'code-client:code-secret')
    assert.equal(body, 'grant_type=client_credentials')
  })

  test("a key in code keeps the environment's secret at home", async (t) => {
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

  test("a secret in code keeps the environment's key at home", async (t) => {
    const env = { OAUTH_CLIENT_ID: 'env-client', OAUTH_PRIVATE_KEY: '/nowhere/key.pem' }
    const { basic } = await requestOf(t, env, { authUrl: server.tokenUrl, clientSecret: 'code-secret' })
    assert.equal(basic, 'env-client:code-secret')
  })

  test("a whole login in code keeps the environment's client at home", async (t) => {
    const config = { authUrl: server.tokenUrl, email: 'code@example.com', password: 'code-password' }
    const { basic, body } = await requestOf(t, client, config)
    assert.equal(basic, undefined)
    assert.ok(body.includes('code-password') && !body.includes('env-'))
  })

  test('a grant in code takes what it needs from both', async (t) => {
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

  test('a storage in code makes a wrong EVERTOKEN_STORAGE irrelevant', (t) => {
    process.env.EVERTOKEN_STORAGE = 'disk'
    const service = initializeTokenService(configAt(server))
    t.after(() => service.shutdown())
    assert.equal(service.status().storage.kind, 'memory')
    assert.equal(
      errorOf(() => initializeTokenService(configAt(server, { storage: undefined }))).field,
      'EVERTOKEN_STORAGE',
    )
  })
})

/** Works in a folder of its own until the test is over. */
function moveToFreshFolder(t) {
  const [home, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), 'evertoken-'))]
  process.chdir(folder)
  t.after(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true })
  })
  return folder
}

describe('the third argument', () => {
  const places = {
    nothing: [undefined, './data/token-cache.db'],
    'a path': ['./tokens.db', './tokens.db'],
    'a file: URL': ['file:./dev.db?connection_limit=1', './dev.db'],
    'a sqlite: URL': ['sqlite:./own.db', './own.db'],
  }
  for (const [name, [database, location]] of Object.entries(places)) {
    test(`that is ${name} names a SQLite database`, async (t) => {
      moveToFreshFolder(t)
      const service = initializeTokenService(configAt(server), true, database)
      t.after(() => service.shutdown())
      const { storage } = service.status()
      assert.deepEqual([storage.kind, storage.location, storage.encrypted], ['sqlite', location, true])
    })
  }

  const unsupported = { 'a postgres URL': ['postgres', 'postgres://u:p@db/app'], 'a redis URL': ['redis', 'redis://cache'] }
  for (const [name, [kind, database]] of Object.entries(unsupported)) {
    test(`that is ${name} names a ${kind} storage, which this version refuses by its name`, () => {
      const error = errorOf(() => initializeTokenService(configAt(server), true, database))
      assert.equal(error.field, 'storage.kind')
      assert.match(error.message, new RegExp(`"${kind}"`))
    })
  }

  const provided = {
    prisma: { tokenCache: { findUnique() {}, upsert() {}, deleteMany() {} } },
    custom: new (class {
      get() {}
      set() {}
      delete() {}
    })(),
  }
  for (const [kind, database] of Object.entries(provided)) {
    test(`that is an object with the functions of a ${kind} storage names one`, (t) => {
      const service = initializeTokenService(configAt(server), true, database)
      t.after(() => service.shutdown())
      assert.equal(service.status().storage.kind, kind)
    })
  }

  const paths = {
    './tokens.db': './tokens.db',
    'C:\\data\\tokens.db': 'C:\\data\\tokens.db',
    'sqlite:./tokens.db': './tokens.db',
    'sqlite:///var/lib/tokens.db': '/var/lib/tokens.db',
    'file:./dev.db?connection_limit=1': './dev.db',
    'file:///var/lib/dev%20.db': '/var/lib/dev .db',
  }
  for (const [database, path] of Object.entries(paths).filter(([database]) => isOfThisPlatform(database))) {
    test(`that is ${database} names the file ${path}`, () => {
      assert.deepEqual(storageFromDatabase(database), { kind: 'sqlite', path })
    })
  }

  test('that is left out names the file ./data/token-cache.db', () => {
    assert.deepEqual(storageFromDatabase(undefined), { kind: 'sqlite', path: './data/token-cache.db' })
  })

  test('that is something else is refused', () => {
    for (const database of [7, {}, { tokenCache: {} }, '', 'mysql://u:the-database-password@db/app', null]) {
      const error = errorOf(() => initializeTokenService(configAt(server), true, database))
      assert.equal(error.field, 'database')
      assert.ok(!error.message.includes('the-database-password'))
    }
  })

  test('is not looked at without the second', (t) => {
    const service = initializeTokenService(configAt(server), false, 7)
    t.after(() => service.shutdown())
    assert.equal(service.status().storage.kind, 'memory')
  })
})

test('without a word about storage the token is kept in ./data/token-cache.json', async (t) => {
  const folder = moveToFreshFolder(t)
  const service = initializeTokenService(configAt(server, { storage: undefined }))
  await service.getToken()
  await service.shutdown()
  assert.ok(existsSync(join(folder, 'data', 'token-cache.json')))
})
