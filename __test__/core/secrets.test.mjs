import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { initializeTokenService, TokenError } from 'evertoken'
import { runScript } from '../support/child.mjs'
import { clientSecret, configAt, freshName, useTokenServer } from '../support/service.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const server = useTokenServer()
const password = 'the-password-of-the-tests'
const manual = 'the-manual-token-of-the-tests'
const key = 'the-encryption-key-of-the-tests-0123456789'

/** Every way in which a value is usually printed. */
function printed(value) {
  const deep = { depth: Infinity, showHidden: true, getters: true, maxStringLength: null }
  const own = typeof value === 'object' ? Object.entries(Object.getOwnPropertyDescriptors(value)) : []
  return [
    String(value),
    `${value?.stack}`,
    JSON.stringify(value),
    inspect(value),
    inspect(value, deep),
    inspect(own, deep),
  ].join('\n')
}

function assertSilent(value, secrets) {
  const text = printed(value)
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), btoa(secret), btoa(`tests:${secret}`)]) {
      assert.ok(!text.includes(form), `${form} is in ${text}`)
    }
  }
}

test('a planted secret is found', () => {
  assert.throws(() => assertSilent({ nested: { password } }, [password]))
  assert.throws(() => assertSilent(new Error('x', { cause: new Error(password) }), [password]))
})

describe('nothing secret is in', () => {
  test('a service and its status', async (t) => {
    const config = configAt(server, { email: 'a@example.com', password, token: manual, encryptionKey: key })
    const service = initializeTokenService({ ...config, headers: { 'x-api-key': 'the-api-key' } })
    t.after(() => service.shutdown())
    const token = await service.getToken()
    const secrets = [token, clientSecret, password, manual, key, 'the-api-key']
    assertSilent(service, secrets)
    assertSilent(service.status(), secrets)
    assertSilent(await service.refresh(), secrets)
    assert.equal(JSON.stringify(service), JSON.stringify({ name: service.name }))
  })

  test('an event of any kind', async (t) => {
    const service = initializeTokenService(configAt(server, { token: manual }))
    t.after(() => service.shutdown())
    const events = []
    for (const type of ['refreshed', 'refreshFailed', 'cleared'])
      service.on(type, (event) => events.push(event))
    const told = new Promise((resolve) => service.on('refreshFailed', resolve))
    const token = await service.getToken()
    await service.clear()
    server.script({
      status: 400,
      body: { error: 'invalid_client', error_description: `${clientSecret} is wrong` },
    })
    server.script({
      status: 400,
      body: { error: 'invalid_client', error_description: `${clientSecret} is wrong` },
    })
    await service.refresh().catch(() => {})
    await told
    assert.deepEqual(
      events.map(({ type }) => type),
      ['refreshed', 'cleared', 'refreshFailed'],
    )
    assertSilent(events, [token, clientSecret, manual])
  })

  const answers = {
    'a refusal that repeats the secret': {
      status: 401,
      body: { error: 'invalid_client', error_description: clientSecret },
    },
    'a response that is not JSON': { body: `<html>${clientSecret}</html>` },
    'an answer without a token': { body: { refresh_token: clientSecret, note: clientSecret } },
    'a token that is not a token': { body: { access_token: `${clientSecret}\r\nx: y` } },
    'a failure of the server': { status: 503, body: clientSecret },
    'a redirect elsewhere': {
      status: 307,
      headers: { location: `https://elsewhere.example.com/?s=${clientSecret}` },
    },
  }
  for (const [name, answer] of Object.entries(answers)) {
    test(`the error of ${name}`, async (t) => {
      const failing = await startMockTokenServer()
      t.after(() => failing.close())
      failing.script(...Array.from({ length: 20 }, () => answer))
      const service = initializeTokenService(
        configAt(failing, { onFailure: 'throw', retry: { attempts: 1 } }),
      )
      t.after(() => service.shutdown())
      for (const call of [() => service.refresh(), () => service.getAuthHeaders()]) {
        const error = await call().then(
          () => assert.fail('no error'),
          (error) => error,
        )
        assert.ok(error instanceof TokenError, error)
        assertSilent(error, [clientSecret])
      }
      assertSilent(service.status(), [clientSecret])
    })
  }

  test('the error of a wrong configuration, for a secret in any wrong place', () => {
    const secret = clientSecret
    const wrong = [
      { authUrl: `https://user:${secret}@login.example.com` },
      { authUrl: secret },
      { grant: secret },
      { scope: `${secret}  ` },
      { timeoutMs: secret },
      { retry: secret },
      { login: { format: secret } },
      { headers: { 'x-key': `${secret}\n` } },
      { token: `${secret} ${secret}` },
      { scheme: `${secret} ${secret}` },
      { ca: secret },
      { password: [[secret]] },
      { clientSecret: { path: [secret] } },
      { clientId: () => secret },
      { baseUrl: secret },
      { allowedOrigins: [secret] },
      { storage: secret },
      { storage: { kind: secret } },
      { logger: secret },
    ]
    for (const config of wrong) {
      const [field] = Object.keys(config)
      let error
      assert.throws(
        () => initializeTokenService({ ...configAt(server), service: freshName(), ...config }),
        (thrown) => {
          error = thrown
          return thrown.code === 'ERR_TOKEN_CONFIG' && thrown.field.split('.')[0] === field
        },
        field,
      )
      assertSilent(error, [secret])
    }
  })

  test('what a process prints', async () => {
    const source = `
      import { initializeTokenService } from 'evertoken'
      const service = initializeTokenService({ email: 'a@example.com', password: ${JSON.stringify(password)}, onFailure: 'throw' })
      console.log(service, service.status())
      console.dir(service, { depth: null, showHidden: true })
      await service.getToken()
    `
    const failing = await startMockTokenServer()
    failing.script({ status: 401, body: { detail: password } })
    const env = { EXTERNAL_AUTH_URL: failing.loginUrl, LOG_LEVEL: 'trace' }
    const { code, stdout, stderr } = await runScript(source, { env })
    await failing.close()
    assert.equal(code, 1)
    assert.match(stderr, /ERR_TOKEN_CREDENTIALS/)
    assertSilent(stdout + stderr.replaceAll(source, ''), [password])
  })
})

test('a TokenError in JSON contains the known details only', () => {
  const error = new TokenError('ERR_TOKEN_TIMEOUT', 'no answer', {
    service: 'billing',
    cause: new Error('inner'),
  })
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    code: 'ERR_TOKEN_TIMEOUT',
    help: error.help,
    service: 'billing',
    name: 'TokenError',
    message: 'no answer',
  })
  assert.deepEqual(Object.keys(error), ['code', 'help', 'service'])
  assert.equal(error.cause.message, 'inner')
  assert.match(error.stack, /^TokenError: no answer/)
})
