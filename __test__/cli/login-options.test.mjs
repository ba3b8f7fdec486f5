// The options and the configuration of `evertoken login`, and the browser that it opens.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  authorizationServerFor,
  clientSecret,
  encryptionKey,
  endOfLogin,
  loginAt,
  startLogin,
} from '../support/authorization-server.mjs'
import { evertoken, folderFor } from '../support/cli.mjs'

describe('the options of a login', () => {
  test('--param, --scope, --service and --json', async (t) => {
    const args = [
      '--no-browser',
      '--json',
      '--service',
      'drive',
      '--scope',
      'a b',
      '--param',
      'access_type=offline',
      '--param',
      'prompt=consent=1',
    ]
    const { login, call } = await loginAt(t, { args, env: { EVERTOKEN_STORAGE: 'sqlite:./tokens.db' } })
    const request = await login.authorizationRequest()
    const { access_type, prompt, scope } = request.parameters
    assert.deepEqual([access_type, prompt, scope], ['offline', 'consent=1', 'a b'])
    await request.respond({ code: 'the-code' })
    const { stdout } = await endOfLogin(login)
    assert.deepEqual([JSON.parse(stdout).service, JSON.parse(stdout).state], ['drive', 'valid'])
    assert.match((await call('status', '--service', 'drive')).stdout, /^drive: valid/)
  })

  test('--port and --redirect-uri set the redirect URI, character by character', async (t) => {
    const port = await freePort()
    for (const [args, expected] of [
      [['--port', port], `http://127.0.0.1:${port}/callback`],
      [['--redirect-uri', `http://localhost:${port}`], `http://localhost:${port}`],
      [['--redirect-uri', `http://localhost:${port}/`], `http://localhost:${port}/`],
      [['--redirect-uri', 'http://localhost/a/b', '--port', port], `http://localhost:${port}/a/b`],
    ]) {
      const { server, login } = await loginAt(t, { args: ['--no-browser', ...args] })
      const request = await login.authorizationRequest()
      assert.equal(request.parameters.redirect_uri, expected)
      const headers = { host: request.redirectUri.host }
      assert.equal((await request.respond({ code: 'the-code' }, { headers })).status, 200)
      assert.equal((await endOfLogin(login)).status, 0)
      assert.equal(server.requests[0].form.redirect_uri, expected)
    }
  })

  test('a port that another process has is an error', async (t) => {
    const port = await freePort()
    const other = createServer().listen(Number(port), '127.0.0.1')
    t.after(() => other.close())
    await once(other, 'listening')
    const { login } = await loginAt(t, { args: ['--no-browser', '--port', port] })
    const { status, stderr } = await endOfLogin(login)
    assert.match(stderr, new RegExp(`ERR_TOKEN_CONFIG: --port ${port} is in use by another process`))
    assert.equal(status, 1)
  })

  test('--timeout ends the wait for a browser that never comes', async (t) => {
    const { server, login } = await loginAt(t, { args: ['--no-browser', '--timeout', '1'] })
    const request = await login.authorizationRequest()
    await request.visit('/callback?state=wrong')
    const { status, stderr } = await endOfLogin(login)
    assert.match(stderr, /ERR_TOKEN_TIMEOUT: the login was not completed within 1 s/)
    assert.deepEqual([status, server.requests.length], [1, 0])
  })

  for (const signal of ['SIGINT', 'SIGTERM']) {
    test(`${signal} ends it cleanly`, async (t) => {
      const { login } = await loginAt(t)
      await login.authorizationRequest()
      login.child.kill(signal)
      const { status, stdout, stderr } = await endOfLogin(login)
      assert.deepEqual([status, stdout], [130, ''])
      assert.match(stderr, /The login was canceled\. Nothing was stored\.\n$/)
    })
  }

  test('wrong ones exit with 2', async (t) => {
    const folder = folderFor(t)
    for (const [said, ...args] of [
      [/--port must be a whole number/, '--port', '0'],
      [/--port must be a whole number/, '--port', '1e3'],
      [/--timeout must be a whole number/, '--timeout', '99999999'],
      [/--redirect-uri must be/, '--redirect-uri', 'https://localhost/callback'],
      [/--redirect-uri must be/, '--redirect-uri', 'http://localhost.evil.example.com/'],
      [/--redirect-uri must be/, '--redirect-uri', 'http://127.0.0.1:80/a?b'],
      [/--redirect-uri has a port/, '--redirect-uri', 'http://127.0.0.1:70000/a'],
      [/different ports/, '--redirect-uri', 'http://127.0.0.1:81/a', '--port', '82'],
      [/--port cannot be combined with --device/, '--device', '--port', '8080'],
      [/--scope must be/, '--scope', 'a  b'],
      [/--param must be NAME=VALUE/, '--param', 'prompt'],
      [/--param must not be state/, '--param', 'state=1'],
      [/--param must not be client_secret/, '--param', 'client_secret=1'],
      [/--param must not be scope: use --scope/, '--param', 'scope=a'],
      [/Unknown option/, '--endpoint', 'http://localhost'],
    ]) {
      const { status, stderr } = await evertoken(['login', ...args], { folder })
      assert.match(stderr, said)
      assert.equal(status, 2, args.join(' '))
    }
  })
})

describe('the configuration of a login', () => {
  const attempt = async (t, env, args = []) => {
    const folder = folderFor(t)
    return evertoken(['login', '--no-browser', '--timeout', '1', ...args], { folder, env })
  }
  const client = {
    OAUTH_CLIENT_ID: 'app',
    OAUTH_CLIENT_SECRET: 's3cret',
    TOKEN_ENCRYPTION_KEY: encryptionKey,
  }

  test('that cannot work is an error that names what to set', async (t) => {
    const token = { EXTERNAL_AUTH_URL: 'https://h.example.com/token' }
    for (const [said, env] of [
      [
        /storage is memory.+EVERTOKEN_STORAGE.+adopt\(\)/,
        { ...client, ...token, EVERTOKEN_STORAGE: 'memory' },
      ],
      [/clientId is missing/, { ...token, EXTERNAL_API_TOKEN: 'manual' }],
      [
        /authUrl must be the URL of the token endpoint/,
        { ...client, EXTERNAL_AUTH_URL: 'https://h.example.com' },
      ],
      [/OAUTH_AUTHORIZATION_URL is not set/, { ...client, ...token }],
      [
        /OAUTH_AUTHORIZATION_URL must be an https URL/,
        { ...client, ...token, OAUTH_AUTHORIZATION_URL: 'http://h.example.com/a' },
      ],
      [
        /OAUTH_AUTHORIZATION_URL must be an https URL/,
        { ...client, ...token, OAUTH_AUTHORIZATION_URL: 'javascript:1' },
      ],
      [/encryptionKey is missing/, { ...token, OAUTH_CLIENT_ID: 'public' }],
      [
        /grant is client_credentials: set OAUTH_GRANT to refresh_token/,
        { ...client, ...token, OAUTH_GRANT: 'client_credentials' },
      ],
      [/OAUTH_GRANT|grant/, { ...client, ...token, OAUTH_GRANT: 'implicit' }],
      [/ERR_TOKEN_STORAGE/, { ...client, ...token, EVERTOKEN_STORAGE: 'redis://127.0.0.1:1' }],
    ]) {
      const { status, stdout, stderr } = await attempt(t, env)
      assert.match(stderr, said)
      assert.deepEqual([status, stdout], [1, ''])
      assert.ok(!stderr.includes('s3cret'))
    }
    const { stderr } = await attempt(t, { ...client, ...token, OAUTH_AUTHORIZATION_URL: 'https://h/a' }, [])
    assert.match(stderr, /within 1 s/)
  })

  test('without OAUTH_GRANT works, and says that the app needs it', async (t) => {
    const note = /Set OAUTH_GRANT=refresh_token/
    for (const [env, isNoted] of [
      [{ OAUTH_GRANT: '' }, true],
      [{ OAUTH_GRANT: '', OAUTH_REFRESH_TOKEN: 'an-earlier-refresh-token' }, false],
      [{}, false],
    ]) {
      const { login, call, server } = await loginAt(t, { env })
      await (await login.authorizationRequest()).respond({ code: 'the-code' })
      const { status, stderr } = await endOfLogin(login, server)
      assert.deepEqual([status, note.test(stderr)], [0, isNoted])
      if (!isNoted) assert.match((await call('status')).stdout, /^external_api: valid/)
    }
  })

  test('of a public client without an issuer works, and sends its name only', async (t) => {
    const server = await authorizationServerFor(t)
    const env = {
      EXTERNAL_AUTH_URL: `${server.origin}/token`,
      OAUTH_AUTHORIZATION_URL: `${server.origin}/authorize`,
      OAUTH_CLIENT_ID: 'public',
      TOKEN_ENCRYPTION_KEY: encryptionKey,
    }
    const login = startLogin(t, ['--no-browser'], { folder: folderFor(t), env })
    const request = await login.authorizationRequest()
    // Without metadata there is nothing to compare it with.
    await request.respond({ code: 'the-code', iss: 'https://unknown.example.com' })
    assert.equal((await endOfLogin(login)).status, 0)
    const [{ form, authorization }] = server.requests
    assert.deepEqual([form.client_id, authorization], ['public', undefined])
  })
})

describe('the browser of a login', {
  skip: process.platform !== 'linux' && 'it is opened differently',
}, () => {
  /** A folder for PATH in which `xdg-open` writes down what it gets. */
  function fakeOpener(folder, code = 0) {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" > "${folder}/opened.part"\nenv >> "${folder}/opened.part"\nmv "${folder}/opened.part" "${folder}/opened"\nexit ${code}\n`
    writeFileSync(join(bin, 'xdg-open'), script)
    chmodSync(join(bin, 'xdg-open'), 0o755)
    return { PATH: `${bin}:${process.env.PATH}`, DISPLAY: ':0' }
  }
  const read = async (file) => {
    for (let tries = 0; ; tries += 1) {
      try {
        return readFileSync(file, 'utf8')
      } catch (error) {
        if (tries === 100) throw error
        await sleep(50)
      }
    }
  }

  test('gets the authorization request, and no secret', async (t) => {
    const folder = folderFor(t)
    const server = await authorizationServerFor(t)
    const login = startLogin(t, [], { folder, env: { ...server.env, ...fakeOpener(folder) } })
    const request = await login.authorizationRequest()
    const opened = await read(join(folder, 'opened'))
    assert.equal(opened.split('\n')[0], request.url.href)
    assert.ok(!opened.includes(clientSecret))
    await request.respond({ code: 'the-code' })
    assert.equal((await endOfLogin(login)).status, 0)
  })

  test('is not opened over SSH or with --no-browser, and a failure is said', async (t) => {
    for (const [args, env, said] of [
      [[], { SSH_CONNECTION: '10.0.0.1 1 10.0.0.2 22' }, /ssh -L (\d+):127\.0\.0\.1:\1 [\s\S]+--device/],
      [['--no-browser'], {}, /^Open this URL in a browser:/],
      [[], { DISPLAY: '' }, /^Open this URL in a browser:[\s\S]+ssh -L/],
    ]) {
      const folder = folderFor(t)
      const server = await authorizationServerFor(t)
      const opener = fakeOpener(folder)
      const login = startLogin(t, args, { folder, env: { ...server.env, ...opener, ...env } })
      await login.printed(said)
      await sleep(200)
      assert.throws(() => readFileSync(join(folder, 'opened')))
      login.child.kill('SIGINT')
      await login.end()
    }
    const folder = folderFor(t)
    const server = await authorizationServerFor(t)
    const login = startLogin(t, [], { folder, env: { ...server.env, ...fakeOpener(folder, 3) } })
    await login.printed(/No browser could be opened: open the URL above/)
  })
})

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return String(port)
}
