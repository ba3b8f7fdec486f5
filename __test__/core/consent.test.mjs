import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { configFromEnv, initializeTokenService } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'
import { freshName } from '../support/service.mjs'

const encryptionKey = 'the-encryption-key-of-the-tests-0123456789'
const worker = fileURLToPath(new URL('../support/processes-worker.cjs', import.meta.url))

async function setUp(t, options = {}, extra = {}) {
  const server = await startMockTokenServer({ refreshTokens: 'rotating', ...options })
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-consent-'))
  const config = {
    service: freshName(),
    authUrl: server.tokenUrl,
    clientId: 'app',
    refreshToken: server.consent(),
    encryptionKey,
    storage: { kind: 'file', path: join(folder, 'token-cache.json') },
    onFailure: 'throw',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...extra,
  }
  t.after(async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const start = (changes = {}) => {
    const service = initializeTokenService({ ...config, ...changes })
    t.after(() => service.shutdown())
    return service
  }
  return { server, folder, config, start }
}

/** Every byte below this folder. */
const stored = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')

describe('a consent', () => {
  test('begins with the seed, rotates, and survives a restart', async (t) => {
    const { server, start } = await setUp(t)
    const first = start()
    await first.getToken()
    await first.refresh()
    assert.equal(first.status().strategy.grant, 'refresh_token')
    await first.shutdown()
    const second = start()
    await second.getToken()
    assert.equal(server.tokenRequests.length, 2)
    await second.refresh()
    assert.deepEqual(
      { ...server.counts },
      { logins: 0, refreshes: 3, reuses: 0, revocations: 0, abandoned: 0 },
    )
  })

  test('that ends is an error, events and a status, and sends nothing more', async (t) => {
    const { server, start } = await setUp(t)
    const service = start()
    const heard = []
    for (const type of ['consentEnded', 'alert', 'recovered']) service.on(type, (event) => heard.push(event))
    await service.getToken()
    server.endConsent()
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CONSENT', status: 400 })
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CONSENT' })
    assert.equal(server.tokenRequests.length, 2)
    assert.deepEqual(
      heard.map(({ type, error }) => [type, error.code]),
      [
        ['consentEnded', 'ERR_TOKEN_CONSENT'],
        ['alert', 'ERR_TOKEN_CONSENT'],
      ],
    )
    assert.ok(Date.parse(service.status().consentEndedAt) <= Date.now())
    await service.shutdown()

    const restarted = start()
    await assert.rejects(restarted.refresh(), { code: 'ERR_TOKEN_CONSENT' })
    assert.equal(server.tokenRequests.length, 2)
    const recovered = once(restarted, 'recovered').catch(() => undefined)
    const status = await restarted.adopt({ refreshToken: server.consent() })
    assert.equal(status.consentEndedAt, null)
    assert.equal(status.healthy, true)
    assert.match(await restarted.getToken(), /^access-/)
    await recovered
  })

  test('with another seed begins again', async (t) => {
    const { server, start } = await setUp(t)
    const service = start()
    await service.getToken()
    server.endConsent()
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CONSENT' })
    const renewed = start({ refreshToken: server.consent() })
    assert.match(await renewed.getToken(), /^access-/)
  })

  test('shows its seed and its tokens nowhere', async (t) => {
    const { server, folder, config, start } = await setUp(t)
    const lines = []
    const write = (...line) => lines.push(inspect(line, { depth: 9 }))
    const service = start({ logger: { debug: write, info: write, warn: write, error: write } })
    const events = []
    for (const type of ['refreshed', 'refreshFailed', 'consentEnded', 'alert'])
      service.on(type, (event) => events.push(event))
    const token = await service.getToken()
    const next = server.consent()
    await service.adopt({ refresh_token: next })
    await service.getToken()
    server.script({ status: 400, body: { error: 'invalid_grant', error_description: `${next} is not good` } })
    const error = await service.refresh().then(assert.fail, (error) => error)
    const refused = await service
      .adopt({ accessToken: config.refreshToken })
      .then(assert.fail, (error) => error)
    assert.equal(refused.field, 'accessToken')
    const shown = inspect([service.status(), error, refused, events, lines], { depth: 9 })
    const everything = `${shown}\n${error.stack}\n${stored(folder)}`
    for (const secret of [config.refreshToken, token, next]) assert.ok(!everything.includes(secret))
    assert.ok(lines.length > 0 && stored(folder).length > 0)
  })

  test('tells when it ends', async (t) => {
    const { start } = await setUp(t, { refreshTokenExpiresInSeconds: 86_400 })
    const service = start()
    await service.getToken()
    const left = Date.parse(service.status().refreshTokenExpiresAt) - Date.now()
    assert.ok(left > 86_000_000 && left <= 86_400_000, `${left} ms`)
    const { start: startOther } = await setUp(t)
    const other = startOther()
    await other.getToken()
    assert.equal(other.status().refreshTokenExpiresAt, null)
  })
})

describe('adopt()', () => {
  test('takes what Auth.js and better-auth hand over', async (t) => {
    const { server, start } = await setUp(t, {}, { grant: 'refresh_token', refreshToken: undefined })
    const service = start()
    await assert.rejects(service.getToken(), { code: 'ERR_TOKEN_CONSENT' })
    const inAnHour = Date.now() + 3_600_000
    const account = {
      provider: 'google',
      providerAccountId: '7',
      access_token: 'a1',
      expires_at: Math.floor(inAnHour / 1000),
      token_type: 'bearer',
      scope: 'openid email',
      id_token: 'x.y.z',
      session_state: '',
    }
    const isSoon = (text) => Math.abs(Date.parse(text) - inAnHour) < 2000
    assert.ok(isSoon((await service.adopt(account)).expiresAt))
    assert.equal(await service.getToken(), 'a1')
    const row = {
      id: '1',
      accessToken: 'a2',
      refreshToken: server.consent(),
      accessTokenExpiresAt: new Date(inAnHour),
      refreshTokenExpiresAt: null,
      createdAt: new Date(),
      user: { name: 'Ann' },
      save() {},
    }
    assert.ok(isSoon((await service.adopt(row)).expiresAt))
    assert.equal(await service.getToken(), 'a2')
    assert.equal(server.tokenRequests.length, 0)
    assert.equal((await service.refresh()).state, 'valid')
  })

  test('names what is wrong, and keeps what it had', async (t) => {
    const { server, start } = await setUp(t)
    const service = start()
    const token = await service.getToken()
    for (const [tokens, field] of [
      [{}, 'tokens'],
      [undefined, 'tokens'],
      [null, 'tokens'],
      ['token', 'tokens'],
      [[], 'tokens'],
      [{ accessToken: 7 }, 'accessToken'],
      [{ accessToken: () => 'a' }, 'accessToken'],
      [{ accessToken: 'a\nb' }, 'accessToken'],
      [{ accessToken: 'a\ud800' }, 'accessToken'],
      [{ accessToken: 'a', expiresAt: new Date(Number.NaN) }, 'expiresAt'],
      [{ accessToken: 'a', expiresInSeconds: Number.NaN }, 'expiresInSeconds'],
      [{ accessToken: 'a', expiresInSeconds: -1 }, 'expiresInSeconds'],
      [{ accessToken: 'a', expiresInSeconds: 10n }, 'expiresInSeconds'],
      [{ refreshToken: new Map() }, 'refreshToken'],
      [{ refreshToken: 'r', refreshTokenExpiresInSeconds: -1 }, 'refreshTokenExpiresInSeconds'],
    ]) {
      await assert.rejects(service.adopt(tokens), (error) => {
        assert.deepEqual([error.code, error.field, error.service], ['ERR_TOKEN_CONFIG', field, service.name])
        return true
      })
    }
    assert.equal(await service.getToken(), token)
    await service.refresh()
    assert.equal(server.counts.refreshes, 2)
    await service.shutdown()
    await assert.rejects(service.adopt({ accessToken: 'a' }), { code: 'ERR_TOKEN_SHUTDOWN' })
  })
})

describe('the configuration of a consent', () => {
  const faulty = (config) => {
    try {
      initializeTokenService({ service: freshName(), storage: { kind: 'memory' }, ...config })
    } catch (error) {
      assert.equal(error.code, 'ERR_TOKEN_CONFIG')
      return [error.field, error.message]
    }
    return assert.fail('it was accepted')
  }
  const whole = { authUrl: 'http://127.0.0.1:9/token', clientId: 'app', refreshToken: 'r' }

  test('names the fields that are missing or contradict each other', () => {
    for (const [config, field, words] of [
      [{ ...whole, authUrl: undefined }, 'authUrl', /authUrl is missing/],
      [{ ...whole, clientId: undefined }, 'clientId', /clientId is missing/],
      [{ ...whole, email: 'a@b.c', password: 'p' }, 'refreshToken', /keep refreshToken .*or keep email/],
      [{ ...whole, grant: 'client_credentials', clientSecret: 's' }, 'refreshToken', /remove/],
      [{ ...whole, storage: { kind: 'file' } }, 'encryptionKey', /TOKEN_ENCRYPTION_KEY/],
      [
        { ...whole, clientSecret: 's', storage: { kind: 'sqlite' } },
        'encryptionKey',
        /encryptionKey is missing/,
      ],
      [{ ...whole, grantType: 'x' }, 'grantType', /remove/],
      [{ ...whole, refreshToken: 'a\u0007b' }, 'refreshToken', /control character/],
      [{ ...whole, refreshToken: 7 }, 'refreshToken', /must be/],
      [{ ...whole, parameters: { refresh_token: 'r' } }, 'parameters.refresh_token', /set refreshToken/],
      [{ ...whole, alerts: { consentDays: -1 } }, 'alerts.consentDays', /must be/],
    ]) {
      const [found, message] = faulty(config)
      assert.equal(found, field, message)
      assert.match(message, words)
      assert.ok(!message.includes('\u0007'))
    }
  })

  test('may send JSON without a client', async (t) => {
    const server = await startMockTokenServer({ refreshTokens: 'rotating' })
    const service = initializeTokenService({
      service: freshName(),
      authUrl: server.loginUrl,
      refreshUrl: server.refreshUrl,
      refreshToken: server.consent(),
      storage: { kind: 'memory' },
    })
    t.after(async () => {
      await service.shutdown()
      await server.close()
    })
    assert.match(await service.getToken(), /^access-/)
    assert.deepEqual(Object.keys(server.tokenRequests[0].fields), ['refresh_token'])
  })

  test('comes from the environment, and never completes another credential', (t) => {
    assert.deepEqual(configFromEnv({ OAUTH_REFRESH_TOKEN: 'r' }), { refreshToken: 'r' })
    const names = ['OAUTH_REFRESH_TOKEN', 'EXTERNAL_API_EMAIL', 'EXTERNAL_API_PASSWORD']
    for (const name of names) process.env[name] = `${name}@example.com`
    t.after(() => {
      for (const name of names) delete process.env[name]
    })
    for (const code of [
      { ...whole },
      { authUrl: whole.authUrl, clientId: 'app', clientSecret: 's' },
      { authUrl: whole.authUrl, email: 'a@b.c', password: 'p' },
      { authUrl: whole.authUrl, clientId: 'app', clientSecret: 's', grant: 'client_credentials' },
    ]) {
      const service = initializeTokenService({ service: freshName(), storage: { kind: 'memory' }, ...code })
      t.after(() => service.shutdown())
    }
  })
})

for (const [kind, name] of [
  ['file', 'token-cache.json'],
  ['sqlite', 'token-cache.db'],
]) {
  test(`three processes that start cold over ${kind} spend a seed once`, async (t) => {
    const { server, folder, config } = await setUp(t, { delayMs: 50 })
    const children = []
    t.after(() => {
      for (const child of children) child.kill('SIGKILL')
    })
    for (let index = 0; index < 3; index += 1) {
      const { logger, service, ...rest } = config
      const own = { ...rest, storage: { kind, path: join(folder, name) } }
      const child = fork(worker, { env: { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(own) } })
      children.push(child)
    }
    await Promise.all(children.map((child) => once(child, 'message')))
    const answers = children.map((child) => once(child, 'message'))
    for (const child of children) child.send({ callers: 20 })
    const headers = (await Promise.all(answers)).map(([{ header, without }]) => [header, without])
    assert.match(headers[0][0], /^Bearer access-/)
    assert.deepEqual(headers, [headers[0], headers[0], headers[0]])
    assert.deepEqual([server.tokenRequests.length, server.counts.reuses], [1, 0])
  })
}
