import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { initializeTokenService, startTokenScheduler, stopTokenScheduler } from 'evertoken'
import { startMockTokenServer } from 'evertoken/testing'
import { serveRoutes } from '../support/app-routes.mjs'
import { evertoken, folderFor } from '../support/cli.mjs'

const { envTable } = createRequire(import.meta.url)('../../lib/support/env-table.js')

const users = { 'ann@example.com': 'the right password' }
const key = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'

const environment = (url) => ({
  EXTERNAL_AUTH_URL: url,
  EXTERNAL_API_EMAIL: 'ann@example.com',
  EXTERNAL_API_PASSWORD: 'the right password',
  TOKEN_ENCRYPTION_KEY: key,
})

async function mock(t, options = {}) {
  const server = await startMockTokenServer({ users, ...options })
  t.after(() => server.close())
  return server
}

/** What `doctor` finds, check by check. */
async function examined(t, env, folder = folderFor(t)) {
  const { status, stdout, stderr } = await evertoken(['doctor', '--json'], { folder, env })
  assert.equal(stderr, '')
  const { ok, checks } = JSON.parse(stdout)
  assert.equal(status, ok ? 0 : 1)
  assert.ok(!stdout.includes('the right password') && !stdout.includes(key), 'it shows no secret')
  return { ok, checks, cause: checks.find(({ outcome }) => outcome === 'failed') }
}

async function listen(t, server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address().port
}

const nothing = () => createServer((_request, response) => response.writeHead(404).end())

describe('doctor', () => {
  test('does not spend a refresh token', async (t) => {
    const server = await mock(t, { refreshTokens: 'rotating' })
    for (const env of [{ OAUTH_REFRESH_TOKEN: server.consent() }, { OAUTH_GRANT: 'refresh_token' }]) {
      const { ok, checks } = await examined(t, {
        EXTERNAL_AUTH_URL: server.tokenUrl,
        OAUTH_CLIENT_ID: 'app',
        TOKEN_ENCRYPTION_KEY: key,
        ...env,
      })
      assert.ok(ok, JSON.stringify(checks))
      assert.equal(server.tokenRequests.length, 0)
      assert.equal(checks.find(({ check }) => check === 'credential').outcome, 'skipped')
    }
  })

  test('logs in with the key file of a service account, which names the server', async (t) => {
    const server = await mock(t)
    const folder = folderFor(t)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const account = {
      type: 'service_account',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'robot@example.com',
      token_uri: server.tokenUrl,
    }
    const path = join(folder, 'account.json')
    const env = { OAUTH_PRIVATE_KEY: path, EVERTOKEN_STORAGE: 'memory' }
    const missing = await examined(t, env, folder)
    assert.match(missing.cause.detail, /privateKey\.path cannot be read/)

    writeFileSync(path, JSON.stringify(account))
    const { ok, checks } = await examined(t, env, folder)
    const credential = checks.find(({ check }) => check === 'credential')
    assert.equal(ok, true)
    assert.match(credential.detail, /obtained a token .* with jwt_bearer \(form\)/)
  })

  test('uses the same way as a request: through the proxy, and directly on this machine', async (t) => {
    const server = await mock(t)
    const proxy = 'http://ann:hunter2@127.0.0.1:1'
    const { ok, checks } = await examined(t, {
      ...environment(server.loginUrl),
      HTTP_PROXY: proxy,
      ALL_PROXY: proxy,
    })
    assert.ok(ok, JSON.stringify(checks))

    const away = environment('https://token.example.com/token')
    const behind = await examined(t, { ...away, HTTPS_PROXY: proxy })
    assert.equal(behind.cause.check, 'connection')
    assert.match(
      behind.cause.detail,
      /^the proxy 127\.0\.0\.1 \(HTTPS_PROXY\) does not accept connections on port 1:/,
    )
    assert.ok(!JSON.stringify(behind).includes('hunter2'))

    const unusable = await examined(t, { ...away, all_proxy: 'socks://ann:hunter2@127.0.0.1:1' })
    assert.match(unusable.cause.detail, /^all_proxy must be a proxy URL/)
    assert.match(unusable.cause.remedy, /all_proxy/)
    assert.ok(!JSON.stringify(unusable).includes('hunter2'))
  })

  test('finds no problem in a correct setup, with one login, and leaves nothing behind', async (t) => {
    const folder = folderFor(t)
    const server = await mock(t)
    const { ok, checks } = await examined(t, environment(server.loginUrl), folder)
    assert.ok(ok, JSON.stringify(checks))
    assert.deepEqual(
      checks.map(({ check, outcome }) => `${check} ${outcome}`),
      [
        'environment passed',
        'name passed',
        'connection passed',
        'tls warned',
        'clock passed',
        'endpoint passed',
        'credential passed',
        'storage passed',
        'key passed',
      ],
    )
    assert.equal(server.tokenRequests.length, 1)
    const data = join(folder, 'data', 'token-cache.json.d')
    assert.deepEqual(JSON.parse(readFileSync(join(data, 'evertoken_doctor.json'), 'utf8')).services, {})
    const left = () => readdirSync(data).map((name) => [name, statSync(join(data, name)).size])
    const afterOne = left()
    for (let run = 0; run < 3; run += 1)
      assert.ok((await examined(t, environment(server.loginUrl), folder)).ok)
    assert.deepEqual(left(), afterOne, 'nothing grows')
  })

  test('says that the stored token cannot be decrypted with this key, and does not change it', async (t) => {
    const folder = folderFor(t)
    const server = await mock(t)
    const env = environment(server.loginUrl)
    assert.equal((await evertoken(['refresh'], { folder, env })).status, 0)
    for (const storedWith of [
      { ...env, TOKEN_ENCRYPTION_KEY: key.replaceAll('0', 'f') },
      { ...env, TOKEN_ENCRYPTION_KEY: '' },
    ]) {
      const { checks, cause } = await examined(t, storedWith, folder)
      assert.deepEqual([cause.check, checks.at(-1)], ['key', cause])
      assert.match(cause.detail, /decrypts/)
      assert.match(cause.help, /ERR_TOKEN_DECRYPT\.md$/)
      assert.match((await evertoken(['status'], { folder, env: storedWith })).stdout, /missing/)
    }
    const { ok, cause } = await examined(t, env, folder)
    assert.ok(ok, JSON.stringify(cause))
    assert.match((await evertoken(['status'], { folder, env })).stdout, /^external_api: valid/)
  })

  test('does not affect another run at the same time', async (t) => {
    const folder = folderFor(t)
    const server = await mock(t)
    const runs = await Promise.all([1, 2, 3].map(() => examined(t, environment(server.loginUrl), folder)))
    for (const { ok, cause } of runs) assert.ok(ok, JSON.stringify(cause))
  })

  const faults = [
    ['nothing configured', 'environment', /authUrl is missing/, async () => ({})],
    [
      'a field that is wrong',
      'environment',
      /storage/i,
      async () => ({ ...environment('https://h.invalid/token'), EVERTOKEN_STORAGE: 'floppy' }),
    ],
    [
      'a name that is none',
      'name',
      /ENOTFOUND|EAI_AGAIN/,
      async () => environment('https://no-such-host.invalid/token'),
    ],
    ['a wrong port', 'connection', /ECONNREFUSED/, async () => environment('http://127.0.0.1:9/login')],
    [
      'a wrong address',
      'endpoint',
      /404/,
      async (t) => environment(`http://127.0.0.1:${await listen(t, nothing())}/nowhere`),
    ],
    [
      'a page instead of an endpoint',
      'endpoint',
      /JSON/,
      async (t) => environment((await mock(t, { script: [{ body: '<html>' }] })).loginUrl),
    ],
    [
      'a wrong password',
      'credential',
      /401/,
      async (t) => ({ ...environment((await mock(t)).loginUrl), EXTERNAL_API_PASSWORD: 'wrong' }),
    ],
    [
      'a store that cannot be written',
      'storage',
      /ENOTDIR|not a directory|no directory|cannot/i,
      async (t) => ({
        ...environment((await mock(t)).loginUrl),
        EVERTOKEN_STORAGE: 'file:/dev/null/token.json',
      }),
    ],
  ]
  for (const [what, check, detail, env] of faults) {
    test(`names ${what} in its first failing line`, async (t) => {
      const { cause } = await examined(t, await env(t))
      assert.equal(cause?.check, check, JSON.stringify(cause))
      assert.match(cause.detail, detail)
      assert.ok(cause.remedy.length > 10)
      if (!['name', 'connection', 'storage'].includes(check))
        assert.match(cause.help, /docs\/errors\/ERR_TOKEN_\w+\.md$/)
    })
  }

  for (const [what, url] of [
    ['PostgreSQL', 'postgres://app:hunter2@127.0.0.1:1/app'],
    ['Redis', 'redis://app:hunter2@127.0.0.1:1'],
  ]) {
    test(`says what is wrong with ${what}, and not to change permissions of files`, async (t) => {
      const server = await mock(t, { refreshTokens: 'rotating' })
      const { checks, cause } = await examined(t, { ...environment(server.loginUrl), EVERTOKEN_STORAGE: url })
      assert.equal(cause?.check, 'storage', JSON.stringify(checks))
      assert.match(cause.detail, /^(the Redis server at redis|postgres):\/\/127\.0\.0\.1:1\/.* refused/)
      assert.match(cause.remedy, /EVERTOKEN_STORAGE/)
      assert.doesNotMatch(cause.remedy, /write access/)
      assert.ok(!JSON.stringify(checks).includes('hunter2'))
    })
  }

  test('names the variable of the value that is wrong, also where only the login shows it', async (t) => {
    const client = (url) => ({ EXTERNAL_AUTH_URL: url, OAUTH_CLIENT_ID: 'app', TOKEN_ENCRYPTION_KEY: key })
    const answers = (error) => ({
      script: Array.from({ length: 2 }, () => ({ status: 400, body: { error } })),
    })
    const secret = { OAUTH_CLIENT_SECRET: 'the right password' }
    const cases = [
      [{ OAUTH_PRIVATE_KEY: './no-such-key.pem' }, {}, /\bOAUTH_PRIVATE_KEY\b/],
      [{ OAUTH_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----' }, {}, /\bOAUTH_PRIVATE_KEY\b/],
      [
        { ...secret, OAUTH_AUDIENCE: 'https://wrong.example.com' },
        answers('invalid_target'),
        /\bOAUTH_AUDIENCE\b/,
      ],
      [{ ...secret, OAUTH_SCOPE: 'wrong' }, answers('invalid_scope'), /\bOAUTH_SCOPE\b/],
    ]
    for (const [env, options, variable] of cases) {
      const { cause } = await examined(t, { ...client((await mock(t, options)).tokenUrl), ...env })
      assert.match(cause.remedy, variable, JSON.stringify(cause))
      assert.doesNotMatch(cause.remedy, /EXTERNAL_AUTH_URL|password/)
    }
  })

  test('shows the text of no variable that may hold a secret', async (t) => {
    const secrets = envTable.filter(({ isSecret }) => isSecret).map(({ name }) => name)
    const forms = {
      EXTERNAL_AUTH_URL: (secret) => `https://no-such-host.invalid/token?key=${secret}`,
      OAUTH_PARAMETERS: (secret) => `tenant=${secret}`,
      EVERTOKEN_STORAGE: (secret) => `postgres://user:${secret}@db/app`,
    }
    for (const name of secrets) {
      const secret = 'not-for-your-eyes-0123456789'
      const env = {
        ...environment('https://no-such-host.invalid/token'),
        [name]: (forms[name] ?? String)(secret),
      }
      const outputs = await Promise.all(
        ['doctor', 'status'].map((command) => evertoken([command], { folder: folderFor(t), env })),
      )
      for (const { stdout, stderr } of outputs)
        assert.ok(!`${stdout}${stderr}`.includes(secret), `${name}: ${stdout}${stderr}`)
    }
  })

  test('reads secrets in files', async (t) => {
    const folder = folderFor(t)
    const write = (name, text) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const { EXTERNAL_API_PASSWORD, TOKEN_ENCRYPTION_KEY, ...env } = environment((await mock(t)).loginUrl)
    const files = {
      EXTERNAL_API_PASSWORD_FILE: write('password', `${EXTERNAL_API_PASSWORD}\n`),
      TOKEN_ENCRYPTION_KEY_FILE: write('key', `${TOKEN_ENCRYPTION_KEY}\n`),
    }
    const { ok, checks } = await examined(t, { ...env, ...files }, folder)
    assert.ok(ok, JSON.stringify(checks))
    assert.equal(checks.find(({ check }) => check === 'key').detail, 'TOKEN_ENCRYPTION_KEY_FILE')
    for (const [name, check] of [
      ['EXTERNAL_API_PASSWORD_FILE', 'credential'],
      ['TOKEN_ENCRYPTION_KEY_FILE', 'key'],
    ]) {
      const { cause } = await examined(t, { ...env, ...files, [name]: 'none' }, folder)
      assert.equal(cause.check, check)
      assert.equal(cause.detail, `${name} names a file that does not exist`)
      assert.equal(cause.remedy, `Correct ${name}, or the file that it names.`)
    }
    const both = await examined(t, { ...env, ...files, EXTERNAL_API_PASSWORD }, folder)
    assert.match(
      both.cause.detail,
      /^EXTERNAL_API_PASSWORD_FILE cannot be combined with EXTERNAL_API_PASSWORD/,
    )
    const secret = 'not-for-your-eyes-0123456789'
    const wrong = { ...env, ...files, EXTERNAL_API_PASSWORD_FILE: write('password', secret) }
    for (const command of ['doctor', 'status']) {
      const { stdout, stderr } = await evertoken([command], { folder, env: wrong })
      assert.ok(!`${stdout}${stderr}`.includes(secret), `${stdout}${stderr}`)
    }
  })

  test("shows the server's error text, without secrets", async (t) => {
    const body = {
      error: 'invalid_client',
      error_description: 'AADSTS7000222: The secret the right password has expired.\r\n\u001b[31mforged',
      error_uri: 'https://login.example.com/error?code=7000222',
    }
    const server = await mock(t, { script: Array.from({ length: 2 }, () => ({ status: 401, body })) })
    const words =
      /^The server said: invalid_client: AADSTS7000222: The secret \[removed\] has expired\. \[31mforged \(https:\/\/login\.example\.com\/error\)$/
    const { cause } = await examined(t, environment(server.loginUrl))
    assert.equal(cause.check, 'credential')
    assert.match(cause.said, words)
    const { stdout } = await evertoken(['doctor'], {
      folder: folderFor(t),
      env: environment(server.loginUrl),
    })
    assert.match(
      stdout
        .split('\n')
        .find((line) => line.includes('The server said'))
        .trim(),
      words,
    )
  })

  test('names a clock that is an hour off', async (t) => {
    const answer = (_request, response) => {
      response.setHeader('date', new Date(Date.now() + 3_600_000).toUTCString())
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ access_token: 'token', expires_in: 3600 }))
    }
    const port = await listen(t, createServer(answer))
    const { cause } = await examined(t, environment(`http://127.0.0.1:${port}/login`))
    assert.equal(cause.check, 'clock')
    assert.match(cause.detail, /^this machine’s clock is (59 min 5\d s|1 h.*) behind/)
  })

  test('names a certificate that is not trusted', async (t) => {
    const folder = folderFor(t)
    const [keyFile, certFile] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
    try {
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-keyout',
          keyFile,
          '-out',
          certFile,
          ...subject,
        ],
        { stdio: 'pipe' },
      )
    } catch (error) {
      return t.skip(`no certificate could be made: ${error.code ?? error.message}`)
    }
    const options = { key: readFileSync(keyFile), cert: readFileSync(certFile) }
    const port = await listen(
      t,
      createTlsServer(options, (_request, response) => response.end('{}')),
    )
    const { cause } = await examined(t, environment(`https://127.0.0.1:${port}/login`), folder)
    assert.equal(cause.check, 'tls')
    assert.match(cause.detail, /certificate/)
    assert.match(cause.remedy, /NODE_EXTRA_CA_CERTS/)
  })

  test('prints lines, without colors if stdout is not a terminal, and reads .env files', async (t) => {
    const folder = folderFor(t)
    const server = await mock(t)
    const lines = Object.entries(environment(server.loginUrl)).map(([name, value]) => `${name}="${value}"`)
    writeFileSync(join(folder, '.env'), 'EXTERNAL_AUTH_URL=https://overruled.invalid\n')
    writeFileSync(join(folder, '.env.local'), lines.join('\n'))
    const { status, stdout } = await evertoken(['doctor'], { folder })
    assert.equal(status, 0, stdout)
    assert.match(stdout, /^✔ environment {1}complete; read from the environment, \.env\.local, \.env\n/)
    assert.match(stdout, /\nAll checks passed\.\n$/)
    assert.ok(!stdout.includes('\u001b'))
    const colored = await evertoken(['doctor'], { folder, env: { FORCE_COLOR: '1' } })
    assert.ok(colored.stdout.includes('\u001b[32m✔'))
    const plain = await evertoken(['doctor'], { folder, env: { FORCE_COLOR: '1', NO_COLOR: '1' } })
    assert.ok(!plain.stdout.includes('\u001b'))
    assert.deepEqual(readdirSync(folder).sort(), ['.env', '.env.local', 'data'])
  })
})

describe('doctor --endpoint', () => {
  test('checks a running app, independent of the configuration here', async (t) => {
    const folder = folderFor(t)
    const server = await mock(t)
    const service = initializeTokenService({
      authUrl: server.loginUrl,
      email: 'ann@example.com',
      password: 'the right password',
      storage: { kind: 'memory' },
      retry: { attempts: 1 },
    })
    const app = await serveRoutes({
      authorize: (request) => request.headers.get('authorization') === 'Bearer let me in',
    })
    t.after(async () => {
      stopTokenScheduler()
      await app.close()
      await service.shutdown()
    })
    const consulted = async (env = { EVERTOKEN_ADMIN_SECRET: 'let me in' }) => {
      const { status, stdout, stderr } = await evertoken(['doctor', '--json', '--endpoint', app.endpoint], {
        folder,
        env,
      })
      assert.equal(stderr, '')
      const { ok, checks } = JSON.parse(stdout)
      assert.equal(status, ok ? 0 : 1)
      return checks
    }
    const outcomes = (checks) => checks.map(({ check, outcome }) => `${check} ${outcome}`)

    await service.refresh()
    assert.deepEqual(outcomes(await consulted()), [
      'routes passed',
      'refresh passed',
      'token passed',
      'scheduler warned',
      'storage warned',
    ])
    startTokenScheduler()
    server.script({ status: 503 })
    await assert.rejects(service.refresh())
    const checks = await consulted()
    assert.deepEqual(outcomes(checks), [
      'routes passed',
      'refresh failed',
      'token passed',
      'scheduler passed',
      'storage warned',
    ])
    assert.match(checks[1].detail, /^ERR_TOKEN_RESPONSE: .+503/)
    assert.match(checks[1].help, /ERR_TOKEN_RESPONSE\.md$/)

    const [stranger] = await consulted({})
    assert.deepEqual([stranger.check, stranger.outcome], ['routes', 'failed'])
    assert.match(stranger.remedy, /EVERTOKEN_ADMIN_SECRET/)
    await app.close()
    const [gone] = await consulted()
    assert.match(gone.detail, /ECONNREFUSED/)
  })
})
