// Credentials with what copying, editors, shells and loaders leave in them.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { runScript } from '../support/child.mjs'
import { evertoken, folderFor } from '../support/cli.mjs'
import { freshName, useTokenServer } from '../support/service.mjs'

// The clean environment logs errors only.
process.env.LOG_LEVEL = 'warn'

const server = useTokenServer({ clients: { app: 's3cret' }, users: { ann: 'pass' } })

/** What a service with this configuration gets, and what it warns of at its start. */
async function started(config) {
  const lines = []
  const logger = {
    debug() {},
    info() {},
    warn: (line) => lines.push(line),
    error: (line) => lines.push(line),
  }
  const common = {
    service: freshName(),
    storage: { kind: 'memory' },
    onFailure: 'throw',
    retry: { attempts: 1 },
    logger,
  }
  const service = initializeTokenService({ ...common, ...config })
  const token = await service.getToken().catch(() => null)
  await service.shutdown()
  const warnings = lines
    .filter((line) => !/in clear text|ERR_TOKEN|rejected|refused/.test(line))
    .map((line) => line.replace(/^evertoken\[[^\]]+\] /, ''))
  return { token, warnings, lines }
}

const client = (clientSecret) => ({ authUrl: server.tokenUrl, clientId: 'app', clientSecret })

describe('a client secret', () => {
  for (const lineEnd of ['\n', '\r\n', '\r', '\n\n']) {
    test(`with ${JSON.stringify(lineEnd)} at its end works, with one warning that names the field`, async () => {
      const { token, warnings } = await started(client(`s3cret${lineEnd}`))
      assert.ok(token)
      assert.deepEqual(warnings, ['clientSecret ended with a line break, which evertoken removed'])
    })
  }

  const malformed = {
    '\ufeffs3cret': /^clientSecret starts with a byte order mark \(U\+FEFF\)/,
    's3cret\u200b': /^clientSecret ends with an invisible character \(U\+200B\)/,
    's3\u00a0cret': /^clientSecret contains a non-breaking space \(U\+00A0\)/,
    '"s3cret"': /^clientSecret is enclosed in quotes/,
    "'s3cret'": /^clientSecret is enclosed in quotes/,
    's3cret ': /^clientSecret ends with a space/,
    '\ts3cret': /^clientSecret starts with a tab/,
    s3crét: /^clientSecret contains a non-ASCII character/,
  }
  for (const [secret, remark] of Object.entries(malformed)) {
    test(`such as ${JSON.stringify(secret)} is sent unchanged, with a warning that does not contain it`, async () => {
      const { token, warnings, lines } = await started(client(secret))
      assert.equal(token, null, 'it is not the right one')
      assert.equal(warnings.length, 1)
      assert.match(warnings[0], remark)
      assert.ok(
        lines.every((line) => !line.includes(secret) && !line.includes('s3c')),
        'no line tells it',
      )
    })
  }

  test('that is ordinary causes no warning', async () => {
    const { token, warnings } = await started(client('s3cret'))
    assert.ok(token)
    assert.deepEqual(warnings, [])
  })
})

test('a password, a name, a manual token and a key are checked as well', async () => {
  const { token, warnings } = await started({
    authUrl: server.loginUrl,
    email: 'ann\n',
    password: 'pass\r\n',
    token: "'manual'",
    encryptionKey: ['one\n', '"two"'],
  })
  assert.ok(token)
  assert.deepEqual(
    warnings.map((line) => line.split(/ (?=ended|is enclosed in)/)[0]),
    ['email', 'password', 'token', 'encryptionKey.0', 'encryptionKey.1'],
  )
})

test('the variable is named, whether the code passes it on or leaves it to evertoken', async () => {
  for (const config of [
    '{}',
    '{ clientSecret: process.env.OAUTH_CLIENT_SECRET }',
    '{ ...configFromEnv() }',
  ]) {
    const { stderr, stdout } = await runScript(
      `import { configFromEnv, initializeTokenService } from 'evertoken'
       console.log(typeof await initializeTokenService(${config}).getToken())`,
      {
        env: {
          LOG_LEVEL: 'warn',
          EXTERNAL_AUTH_URL: server.tokenUrl,
          OAUTH_CLIENT_ID: 'app',
          OAUTH_CLIENT_SECRET: 's3cret\n',
        },
      },
    )
    assert.equal(stdout, 'string\n', stderr)
    assert.match(stderr, /OAUTH_CLIENT_SECRET ended with a line break, which evertoken removed/)
    assert.ok(!stderr.includes('clientSecret'))
  }
})

test('a value in code is named by its field, even if the variable is set', async () => {
  const { stderr } = await runScript(
    `import { initializeTokenService } from 'evertoken'
     console.log(typeof await initializeTokenService({ clientSecret: 's3cret ' }).getToken())`,
    {
      env: {
        LOG_LEVEL: 'warn',
        EXTERNAL_AUTH_URL: server.tokenUrl,
        OAUTH_CLIENT_ID: 'app',
        OAUTH_CLIENT_SECRET: 's3cret',
      },
    },
  )
  assert.match(stderr, /clientSecret ends with a space/)
})

describe('doctor', () => {
  const examined = async (folder, env) => {
    const { stdout } = await evertoken(['doctor', '--json'], { folder, env })
    assert.ok(!stdout.includes('s3cret') && !stdout.includes('ecret"'), 'it shows no secret')
    return JSON.parse(stdout).checks
  }
  const basics = () => ({
    EXTERNAL_AUTH_URL: server.tokenUrl,
    OAUTH_CLIENT_ID: 'app',
    EVERTOKEN_STORAGE: 'memory',
  })

  test('shows each malformed variable, before the credential', async (t) => {
    const checks = await examined(folderFor(t), {
      ...basics(),
      OAUTH_CLIENT_SECRET: '"s3cret"',
      EXTERNAL_API_TOKEN: 'manual\n',
    })
    const values = checks.filter(({ check }) => check === 'values')
    assert.deepEqual(
      values.map(({ outcome, detail }) => [outcome, detail.split('.')[0]]),
      [
        ['warned', 'OAUTH_CLIENT_SECRET is enclosed in quotes'],
        ['warned', 'EXTERNAL_API_TOKEN ended with a line break, which evertoken removed'],
      ],
    )
    const names = checks.map(({ check }) => check)
    assert.ok(names.indexOf('values') < names.indexOf('credential'), names.join())
  })

  /** A folder of a Next.js app, as far as its loader of `.env` files goes. */
  function nextApp(t, dotenv) {
    const folder = folderFor(t)
    const modules = join(folder, 'node_modules')
    mkdirSync(join(modules, 'next'), { recursive: true })
    mkdirSync(join(modules, '@next'))
    writeFileSync(join(modules, 'next', 'package.json'), '{ "name": "next", "version": "16.0.0" }')
    symlinkSync(
      dirname(createRequire(import.meta.url).resolve('@next/env/package.json')),
      join(modules, '@next', 'env'),
      'junction',
    )
    writeFileSync(join(folder, '.env.local'), dotenv)
    return folder
  }
  const expanded = (checks) =>
    checks.filter(({ detail }) => /Next\.js replaced/.test(detail)).map(({ detail }) => detail)

  test('says that Next.js took a $ in a .env file for a variable', async (t) => {
    for (const [written, isTold] of [
      ['pa$word', true],
      ['$ecret', true],
      ["'pa$$word'", true],
      ['pa\\$word', false],
      ['pa$', false],
      ['s3cret', false],
    ]) {
      const checks = await examined(nextApp(t, `OAUTH_CLIENT_SECRET=${written}\n`), basics())
      const told = isTold
        ? [
            'OAUTH_CLIENT_SECRET contains a $ in .env.local, and Next.js replaced the name after it with the value of a variable',
          ]
        : []
      assert.deepEqual(expanded(checks), told, written)
    }
  })

  test('does not mention a $ if the variable is already set, or without Next.js', async (t) => {
    const dotenv = 'OAUTH_CLIENT_SECRET=pa$word\n'
    assert.deepEqual(
      expanded(await examined(nextApp(t, dotenv), { ...basics(), OAUTH_CLIENT_SECRET: 's3cret' })),
      [],
    )
    const folder = folderFor(t)
    writeFileSync(join(folder, '.env.local'), dotenv)
    assert.deepEqual(expanded(await examined(folder, basics())), [])
  })
})
