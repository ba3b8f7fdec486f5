import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { getAuthHeaders, getTokenService, initializeTokenService, startTokenScheduler } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { configErrorOf } from '../support/config-error.mjs'
import { clientSecret, configAt, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()

afterEach(cleanEnvironment)

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
      const error = configErrorOf(() => initializeTokenService(configAt(server, config)))
      assert.equal(error.field, field)
    })
  }

  test('http to a public host', () => {
    const error = configErrorOf(() =>
      initializeTokenService(configAt(server, { authUrl: 'http://login.example.com/token' })),
    )
    assert.equal(error.field, 'authUrl')
  })

  test('a configuration that is none', () => {
    for (const config of ['https://login.example.com', null, 7, [], new Money()]) {
      assert.equal(configErrorOf(() => initializeTokenService(config)).field, 'config')
    }
    assert.equal(configErrorOf(() => initializeTokenService({}, 'yes')).field, 'useDatabase')
  })

  test('a service name of the wrong type', async () => {
    assert.equal(configErrorOf(() => getTokenService(7)).field, 'service')
    await assert.rejects(getAuthHeaders({}), { code: 'ERR_TOKEN_CONFIG', field: 'service' })
  })

  test('an option of the scheduler', () => {
    assert.equal(
      configErrorOf(() => startTokenScheduler({ refreshIntervalSeconds: 0 })).field,
      'refreshIntervalSeconds',
    )
    assert.equal(
      configErrorOf(() => startTokenScheduler({ everyInterval: () => true })).field,
      'everyInterval',
    )
    assert.equal(configErrorOf(() => startTokenScheduler({ interval: 1 })).field, 'interval')
    assert.equal(configErrorOf(() => startTokenScheduler(60)).field, 'options')
  })

  test('with the name of the service, and without the value', () => {
    const error = configErrorOf(() =>
      initializeTokenService(configAt(server, { service: 'billing', password: { clientSecret } })),
    )
    assert.equal(error.service, 'billing')
    assert.equal(error.field, 'password.path')
    assert.ok(!JSON.stringify(error).includes(clientSecret) && !error.stack.includes(clientSecret))
    // Bundlers rename a class that names itself.
    assert.deepEqual([error.constructor.name, error.stack.includes('_TokenError')], ['TokenError', false])
  })

  test('LOG_LEVEL and LOG_FORMAT', () => {
    process.env.LOG_LEVEL = 'loud'
    assert.equal(configErrorOf(() => initializeTokenService(configAt(server))).field, 'LOG_LEVEL')
    // An application has one LOG_LEVEL for all its libraries, in the words of its own logger.
    for (const word of ['WARN', 'silent', 'fatal', 'verbose', 'off']) {
      process.env.LOG_LEVEL = word
      initializeTokenService(configAt(server))
    }
    process.env.LOG_LEVEL = 'ERROR'
    process.env.LOG_FORMAT = 'xml'
    assert.equal(configErrorOf(() => initializeTokenService(configAt(server))).field, 'LOG_FORMAT')
  })
})

test('undefined means absent, and objects of another realm are accepted', async (t) => {
  const config = runInNewContext('({ ...config, email: undefined, login: { tokenPath: undefined } })', {
    config: configAt(server),
  })
  const service = initializeTokenService(config)
  t.after(() => service.shutdown())
  assert.match(await service.getToken(), /^access-/)
})
