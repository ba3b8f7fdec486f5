// Values from outside that the command prints: none of them can control the terminal.
import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { evertoken, folderFor } from '../support/cli.mjs'

/** Escape sequences of seven and eight bits, a carriage return, a line of its own, an override, and what is not seen. */
const hostile =
  'a\u001b]0;title\u0007\u001b[2J\u009b31m\u0000\u007f\r✔ all\n✔ all is well\u2028x\u202egnp\u2066y\u200b\ufeff\u00ad\u{e0041}b'
const controls =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/u

const good = {
  service: 'external_api',
  state: 'valid',
  healthy: true,
  source: 'store',
  tokenType: 'Bearer',
  issuedAt: null,
  refreshAt: null,
  expiresAt: null,
  expiresInSeconds: 5,
  strategy: null,
  lastError: null,
  consecutiveFailures: 0,
  lastRefreshAt: null,
  storage: { kind: 'file', location: '/data', encrypted: true, healthy: true },
  scheduler: { running: true, nextRefreshAt: null },
  counters: {},
  history: [],
}
const bad = {
  ...good,
  service: hostile,
  source: hostile,
  issuedAt: hostile,
  refreshAt: hostile,
  expiresAt: hostile,
  lastRefreshAt: hostile,
  strategy: { grant: hostile, endpoint: hostile, format: hostile },
  lastError: { code: hostile, message: hostile, at: hostile },
  consecutiveFailures: 2,
  storage: { kind: hostile, location: hostile, encrypted: true, healthy: true },
  scheduler: { running: true, nextRefreshAt: hostile },
}

function assertHarmless(text) {
  assert.ok(!controls.test(text), JSON.stringify(text))
  assert.doesNotMatch(text, /^✔ all is well/m, 'a value begins no line')
}

/** An app whose routes answer as `answer` has it; resolves with its address and the requests. */
async function app(t, answer) {
  const requests = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { endpoint: `http://127.0.0.1:${server.address().port}/api/token`, requests }
}

const json =
  (body, status = 200) =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

describe('the response of an endpoint', () => {
  const consult = (t, endpoint, ...args) =>
    evertoken([...args, '--endpoint', endpoint], {
      folder: folderFor(t),
      env: { EVERTOKEN_ADMIN_SECRET: 'the secret' },
    })

  for (const command of ['status', 'refresh', 'doctor']) {
    test(`does not control the terminal through ${command}`, async (t) => {
      const { endpoint } = await app(t, json(bad))
      const { stdout, stderr } = await consult(t, endpoint, command)
      assertHarmless(stdout + stderr)
      assert.match(stdout, /a�\]0;title�/)
      assert.ok(!stdout.includes('unpkg.com'), 'an unknown code makes no link')
      const inJson = await consult(t, endpoint, command, '--json')
      assertHarmless(inJson.stdout)
      if (command === 'status')
        assert.deepEqual(JSON.parse(inJson.stdout), bad, 'for programs it says the same')
    })
  }

  for (const command of ['status', 'refresh', 'clear', 'doctor']) {
    test(`does not control the terminal through an error of ${command}`, async (t) => {
      const { endpoint } = await app(t, json({ error: { code: hostile, message: hostile } }, 500))
      const { status, stdout, stderr } = await consult(t, endpoint, command)
      assertHarmless(stdout + stderr)
      assert.equal(status, 1)
    })
  }

  const odd = [
    ['null', null],
    ['a list', []],
    ['a number', 7],
    ['a text', 'valid'],
    ['nothing in it', {}],
    ['an unknown state', { ...good, state: 'fine' }],
    ['a state that every object has', { ...good, state: 'constructor' }],
    ['a number for a text', { ...good, service: 1 }],
    ['a list of a million for a text', { ...good, issuedAt: new Array(100_000).fill(1) }],
    ['a text for a number', { ...good, expiresInSeconds: '5' }],
    ['an object for a number', { ...good, consecutiveFailures: {} }],
    ['no storage', { ...good, storage: null }],
    ['a location that is an object', { ...good, storage: { ...good.storage, location: { a: 1 } } }],
    ['an error without a message', { ...good, lastError: {} }],
    ['a list for a strategy', { ...good, strategy: ['a'] }],
    ['no scheduler', { ...good, scheduler: undefined }],
  ]
  test('is reported if it is not a status', async (t) => {
    let body
    const { endpoint } = await app(t, (...args) => json(body)(...args))
    for (const [what, value] of odd) {
      body = value
      for (const command of ['status', 'doctor']) {
        const { status, stdout, stderr } = await consult(t, endpoint, command)
        assert.equal(status, 1, what)
        assert.match(
          stdout + stderr,
          /responded with 200: the response is not from an evertoken route/,
          `${what}: ${stdout}${stderr}`,
        )
      }
    }
  })

  test('is reported if it is not JSON, too long or too deep', async (t) => {
    const answers = [
      '',
      '<!doctype html><title>Sign in</title>',
      '{"service":',
      `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
      ' '.repeat(3 << 20),
    ]
    let body
    const { endpoint } = await app(t, (_, response) => response.end(body))
    for (const text of answers) {
      body = text
      const { status, stderr } = await consult(t, endpoint, 'status')
      assert.equal(status, 1)
      assert.match(
        stderr,
        /^evertoken: ERR_TOKEN_(RESPONSE|NETWORK): http.+(not from an evertoken route|longer than 1024 KiB)/,
        stderr,
      )
      assert.ok(stderr.length < 1000)
    }
  })

  test('is shortened if it is too long', async (t) => {
    const { endpoint } = await app(
      t,
      json({ ...good, lastError: { code: 'ERR_TOKEN_NETWORK', message: 'x'.repeat(500_000), at: 'now' } }),
    )
    const { stdout } = await consult(t, endpoint, 'status')
    assert.ok(stdout.length < 2000 && stdout.includes('…'))
  })

  test('sends the secret nowhere else', async (t) => {
    const elsewhere = await app(t, json(good))
    for (const code of [301, 302, 303, 307, 308]) {
      const location = `${elsewhere.endpoint}/status`
      const { endpoint, requests } = await app(t, (_, response) =>
        response.writeHead(code, { location }).end(),
      )
      for (const command of ['status', 'refresh', 'clear', 'doctor']) {
        const { status, stdout, stderr } = await consult(t, endpoint, command)
        assert.equal(status, 1)
        assert.match(
          stdout + stderr,
          /redirects to http:\/\/127\.0\.0\.1:\d+, and evertoken does not follow it/,
        )
      }
      assert.equal(requests[0].headers.authorization, 'Bearer the secret')
    }
    assert.equal(elsewhere.requests.length, 0)
  })
})

describe('the address and the secret', () => {
  test('are not quoted if they are invalid', async (t) => {
    const folder = folderFor(t)
    for (const endpoint of [
      'http://ann:hunter2@localhost:9/api',
      'http://localhost:9/api?key=hunter2',
      'http://localhost:9/#hunter2',
      'ftp://hunter2',
    ]) {
      const { status, stdout, stderr } = await evertoken(['status', '--endpoint', endpoint], { folder })
      assert.equal(status, 2)
      assert.match(stderr, /--endpoint must/)
      assert.ok(!(stdout + stderr).includes('hunter2'))
    }
    for (const secret of ['hunter2\nx: y', 'hunter2\u200b', 'hunter2é', 'hunter2\u001b[2J']) {
      const { status, stdout, stderr } = await evertoken(['status', '--endpoint', 'http://localhost:9/api'], {
        folder,
        env: { EVERTOKEN_ADMIN_SECRET: secret },
      })
      assert.equal(status, 1)
      assert.match(stderr, /EVERTOKEN_ADMIN_SECRET contains a character that cannot be sent/)
      assert.ok(!(stdout + stderr).includes('hunter2'))
    }
  })
})

describe('the values of the environment, the store and files', () => {
  test('does not control the terminal', async (t) => {
    const folder = folderFor(t)
    const path = `./da\u001b[2Jta\u009b\u202e\n✔ all is well`
    const env = {
      EXTERNAL_AUTH_URL: 'http://127.0.0.1:9/login',
      OAUTH_CLIENT_ID: 'app',
      OAUTH_CLIENT_SECRET: 'secret',
      EVERTOKEN_STORAGE: `file:${path}/token.json`,
    }
    mkdirSync(join(folder, path))
    writeFileSync(join(folder, path, 'token.json'), '{"\u001b[2J')
    for (const args of [
      ['status'],
      ['doctor'],
      ['clear'],
      ['refresh'],
      ['status', '--json'],
      ['status', '--service', hostile.replaceAll('\u0000', '')],
      [`st\u001b[2Jatus`],
      ['status', `--\u001b[2J`],
    ]) {
      const { stdout, stderr } = await evertoken(args, { folder, env })
      assertHarmless(stdout + stderr)
      assert.ok((stdout + stderr).length > 0)
    }
  })

  test('does not control the terminal through the files that init looks at', async (t) => {
    const folder = folderFor(t)
    writeFileSync(join(folder, 'package.json'), '{ "dependencies": { "next": "16" } }')
    mkdirSync(join(folder, 'app'))
    writeFileSync(join(folder, 'app', 'layout.js'), '')
    writeFileSync(
      join(folder, 'next.config.js'),
      `// \u001b[2J\u009b31m\u202e\r✔ all is well\nconst config = {}\nexport default config\n`,
    )
    const { stdout, stderr } = await evertoken(['init'], { folder })
    assertHarmless(stdout + stderr)
    assert.match(stdout, /next\.config\.js \(changed\)/)
  })
})
