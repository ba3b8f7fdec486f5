import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TokenError, configFromEnv, initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { configErrorOf } from '../support/config-error.mjs'
import { startPlainServer } from '../support/plain-server.mjs'
import { freshName } from '../support/service.mjs'

const worker = fileURLToPath(new URL('../support/processes-worker.cjs', import.meta.url))

afterEach(cleanEnvironment)

/** A folder that ends with the test, and a function that writes files in it. */
function folderFor(t) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-secrets-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (name) => join(folder, name)
  const write = (name, text) => {
    writeFileSync(at(name), text)
    return at(name)
  }
  return { at, write }
}

/** A token server for the client `app`, which accepts these secrets and notes those that it is sent. */
async function secretServer(t, ...accepted) {
  const sent = []
  let issued = 0
  const server = await startPlainServer(({ headers }) => {
    const [, secret] = Buffer.from(headers.authorization.slice(6), 'base64').toString().split(':')
    sent.push(decodeURIComponent(secret))
    if (!accepted.includes(decodeURIComponent(secret)))
      return { status: 401, body: { error: 'invalid_client' } }
    issued += 1
    return {
      headers: { 'content-type': 'application/json' },
      body: { access_token: `token-${issued}`, expires_in: 3600 },
    }
  })
  t.after(() => server.close())
  return { authUrl: `${server.origin}/oauth/token`, sent, accepted }
}

function clientAt({ authUrl }, config) {
  return {
    service: freshName(),
    authUrl,
    clientId: 'app',
    clientAuthentication: 'client_secret_basic',
    storage: { kind: 'memory' },
    onFailure: 'throw',
    retry: { attempts: 1 },
    timeoutMs: 2000,
    ...config,
  }
}

function serviceFor(t, config) {
  const service = initializeTokenService(config)
  t.after(() => service.shutdown())
  return service
}

const errorOf = (promise) =>
  promise.then(
    () => assert.fail('nothing was thrown'),
    (error) => error,
  )

describe('a secret in a file', () => {
  test('is read before each token request', async (t) => {
    const [server, { write }] = [await secretServer(t, 'first', 'second'), folderFor(t)]
    const service = serviceFor(t, clientAt(server, { clientSecret: { path: write('secret', 'first\n') } }))
    assert.equal(await service.getToken(), 'token-1')
    write('secret', 'second\r\n')
    await service.refresh()
    assert.deepEqual(server.sent, ['first', 'second'])
  })

  test('follows the links of Kubernetes', { skip: process.platform === 'win32' }, async (t) => {
    const [server, { at, write }] = [await secretServer(t, 'first', 'second'), folderFor(t)]
    for (const [version, text] of [
      ['..1', 'first'],
      ['..2', 'second'],
    ]) {
      mkdirSync(at(version))
      write(`${version}/secret`, text)
    }
    symlinkSync('..1', at('..data'))
    symlinkSync('..data/secret', at('secret'))
    const service = serviceFor(t, clientAt(server, { clientSecret: { path: at('secret') } }))
    await service.getToken()
    symlinkSync('..2', at('..data_tmp'))
    renameSync(at('..data_tmp'), at('..data'))
    await service.refresh()
    assert.deepEqual(server.sent, ['first', 'second'])
  })

  test('that is rejected is not sent again until it changes, and then at once', async (t) => {
    const [server, { write }] = [await secretServer(t, 'renewed'), folderFor(t)]
    const service = serviceFor(t, clientAt(server, { clientSecret: { path: write('secret', 'outdated') } }))
    assert.equal((await errorOf(service.getAuthHeaders())).code, 'ERR_TOKEN_CREDENTIALS')
    assert.equal((await errorOf(service.getAuthHeaders())).code, 'ERR_TOKEN_CREDENTIALS')
    write('secret', 'renewed')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer token-1' })
    assert.deepEqual(server.sent, ['outdated', 'renewed'])
  })

  test('that cannot be read is the error of the call, and the service heals', async (t) => {
    const [server, { at, write }] = [await secretServer(t, 'later'), folderFor(t)]
    const service = serviceFor(t, clientAt(server, { clientSecret: { path: at('secret') } }))
    for (const [content, fault] of [
      [undefined, 'names a file that does not exist'],
      ['\n', 'names an empty file'],
      [Buffer.from([0xff, 0xfe, 0x73]), 'names a file that is not UTF-8 text'],
      ['x'.repeat(64 * 1024 + 1), 'names a file that is larger than 64 KiB'],
    ]) {
      if (content !== undefined) write('secret', content)
      const error = await errorOf(service.refresh())
      assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'clientSecret.path'])
      assert.equal(error.message, `clientSecret.path ${fault}`)
      assert.equal(error.service, service.name)
    }
    unlinkSync(at('secret'))
    mkdirSync(at('secret'))
    assert.match((await errorOf(service.refresh())).message, /directory/)
    rmSync(at('secret'), { recursive: true })
    write('secret', 'later')
    assert.equal((await service.refresh()).state, 'valid')
    assert.deepEqual(server.sent, ['later'])
  })

  test('by a variable is named by it in the error', async (t) => {
    const [server, { at }] = [await secretServer(t), folderFor(t)]
    process.env.OAUTH_CLIENT_SECRET_FILE = at('none')
    const service = serviceFor(t, clientAt(server))
    const error = await errorOf(service.getAuthHeaders())
    assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'OAUTH_CLIENT_SECRET_FILE'])
    assert.ok(!error.message.includes(at('none')), 'the value could be the secret itself')
  })

  test('needs a key for a store', async (t) => {
    const [server, { at, write }] = [await secretServer(t, 'secret'), folderFor(t)]
    const config = clientAt(server, { clientSecret: { path: write('secret', 'secret') } })
    const storage = { kind: 'file', path: at('tokens.json') }
    const error = configErrorOf(() => initializeTokenService({ ...config, storage }))
    assert.equal(error.field, 'encryptionKey')
    assert.match(error.message, /npx evertoken keygen/)
    const encryptionKey = { path: write('key', 'a passphrase of many words\n') }
    const service = serviceFor(t, { ...config, storage, encryptionKey })
    assert.equal(await service.getToken(), 'token-1')
    // Another secret opens the same record.
    write('secret', 'another')
    await service.shutdown()
    const again = serviceFor(t, { ...config, storage, encryptionKey })
    assert.equal(await again.getToken(), 'token-1')
  })

  test('is shared by processes: each tries a replaced one at once', async (t) => {
    const [server, { at, write }] = [await secretServer(t, 'renewed'), folderFor(t)]
    const config = clientAt(server, {
      service: 'shared',
      clientSecret: { path: write('secret', 'outdated') },
      encryptionKey: { path: write('key', 'a passphrase of many words') },
      storage: { kind: 'file', path: at('tokens.json') },
      onFailure: 'unauthenticated',
    })
    const begin = async () => {
      const env = { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(config) }
      const child = fork(worker, { env })
      t.after(() => child.kill('SIGKILL'))
      await once(child, 'message')
      return async (message) => {
        const answered = once(child, 'message')
        child.send(message)
        return (await answered)[0]
      }
    }
    const first = await begin()
    assert.equal((await first({ callers: 1 })).status.lastError.code, 'ERR_TOKEN_CREDENTIALS')
    const second = await begin()
    assert.equal((await second({ callers: 1 })).status.lastError.code, 'ERR_TOKEN_CREDENTIALS')
    assert.deepEqual(server.sent, ['outdated'], 'the second knows from the store')
    write('secret', 'renewed')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const answers = [await second({ callers: 1 }), await first({ callers: 1 })]
    assert.deepEqual(
      answers.map(({ header }) => header),
      ['Bearer token-1', 'Bearer token-1'],
    )
    assert.deepEqual(server.sent, ['outdated', 'renewed'])
  })
})

describe('several secrets', () => {
  test('are tried in order, and the one that works is the first next time', async (t) => {
    const server = await secretServer(t, 'new')
    const service = serviceFor(t, clientAt(server, { clientSecret: ['old', 'new'] }))
    assert.equal(await service.getToken(), 'token-1')
    await service.refresh()
    assert.deepEqual(server.sent, ['old', 'new', 'new'])
  })

  test('end in one error if all are rejected', async (t) => {
    const server = await secretServer(t)
    const service = serviceFor(t, clientAt(server, { clientSecret: ['old', 'new'] }))
    const failures = []
    service.on('refreshFailed', ({ error }) => failures.push(error.code))
    for (let call = 0; call < 3; call += 1)
      assert.equal((await errorOf(service.getAuthHeaders())).code, 'ERR_TOKEN_CREDENTIALS')
    assert.deepEqual(server.sent, ['old', 'new'])
    assert.deepEqual(failures, ['ERR_TOKEN_CREDENTIALS'])
  })

  test('may mix texts, files and functions', async (t) => {
    const [server, { write }] = [await secretServer(t, 'of-a-function'), folderFor(t)]
    const path = write('secret', 'of-a-file')
    const service = serviceFor(
      t,
      clientAt(server, { clientSecret: ['a-text', { path }, () => 'of-a-function'] }),
    )
    assert.equal(await service.getToken(), 'token-1')
    assert.deepEqual(server.sent, ['a-text', 'of-a-file', 'of-a-function'])
  })
})

describe('a secret of a function', () => {
  test('is asked for before each token request, and after a rejection', async (t) => {
    const server = await secretServer(t, 'second', 'third')
    const secrets = ['first', 'second', 'third']
    let calls = 0
    const clientSecret = async ({ signal }) => {
      assert.ok(signal instanceof AbortSignal)
      return secrets[calls++]
    }
    const service = serviceFor(t, clientAt(server, { clientSecret }))
    assert.equal(await service.getToken(), 'token-1')
    await service.refresh()
    assert.deepEqual(server.sent, secrets)
  })

  const secret = 'hunter2-of-the-function'
  for (const [what, clientSecret, code, message] of [
    [
      'throws',
      () => {
        throw new Error(secret)
      },
      'ERR_TOKEN_CONFIG',
      /^clientSecret\(\) threw Error$/,
    ],
    ['rejects', () => Promise.reject(new TypeError(secret)), 'ERR_TOKEN_CONFIG', /threw TypeError/],
    [
      'throws a TokenError',
      () => {
        throw new TokenError('ERR_TOKEN_NETWORK', secret)
      },
      'ERR_TOKEN_NETWORK',
      /^clientSecret\(\) threw TokenError/,
    ],
    [
      'throws nothing',
      () => {
        throw undefined
      },
      'ERR_TOKEN_CONFIG',
      /^clientSecret\(\) threw/,
    ],
    ['returns nothing', () => {}, 'ERR_TOKEN_CONFIG', /returned nothing/],
    ['returns null', () => null, 'ERR_TOKEN_CONFIG', /returned nothing/],
    ['returns a number', () => 7, 'ERR_TOKEN_CONFIG', /returned a number, not a string/],
    ['returns an object', () => ({ secret }), 'ERR_TOKEN_CONFIG', /returned an object, not a string/],
    ['returns an empty string', () => '', 'ERR_TOKEN_CONFIG', /returned an empty string/],
    ['never settles', () => new Promise(() => {}), 'ERR_TOKEN_TIMEOUT', /did not return within/],
  ]) {
    test(`that ${what} is the error of the call`, async (t) => {
      const server = await secretServer(t)
      const service = serviceFor(t, clientAt(server, { clientSecret, timeoutMs: 300 }))
      const began = performance.now()
      const error = await errorOf(service.getAuthHeaders())
      assert.ok(performance.now() - began < 5000, 'nothing hangs')
      assert.deepEqual([error.code, error.field, error.service], [code, 'clientSecret', service.name])
      assert.match(error.message, message)
      assert.ok(!`${error.stack}${JSON.stringify(service.status())}`.includes(secret))
      assert.deepEqual(server.sent, [])
    })
  }

  test('is aborted when it takes too long', async (t) => {
    const server = await secretServer(t)
    let aborted
    const wasAborted = new Promise((resolve) => {
      aborted = resolve
    })
    const clientSecret = ({ signal }) => new Promise(() => signal.addEventListener('abort', aborted))
    const service = serviceFor(t, clientAt(server, { clientSecret, timeoutMs: 200 }))
    await errorOf(service.getAuthHeaders())
    await wasAborted
  })

  test('may be a password, a manual token or a key', async (t) => {
    const { at } = folderFor(t)
    const server = await startPlainServer(({ body }) => ({ body: { token: JSON.parse(body).password } }))
    t.after(() => server.close())
    const service = serviceFor(t, {
      service: freshName(),
      authUrl: `${server.origin}/login`,
      email: 'a@example.com',
      password: () => 'of-a-function',
      login: { body: { password: '{password}-1' } },
      encryptionKey: () => 'a passphrase of many words',
      storage: { kind: 'sqlite', path: at('tokens.db') },
    })
    assert.equal(await service.getToken(), 'of-a-function-1')
    const manual = serviceFor(t, {
      service: freshName(),
      token: async () => 'by-hand\n',
      storage: { kind: 'memory' },
    })
    assert.equal(await manual.getToken(), 'by-hand')
  })

  test('is not accepted where a text is expected', () => {
    for (const field of ['clientId', 'authUrl', 'email']) {
      const error = configErrorOf(() => initializeTokenService({ service: freshName(), [field]: () => 'x' }))
      assert.equal(error.field, field)
    }
  })
})

describe('a manual token in a file', () => {
  test('replaces one that the API refused', async (t) => {
    const { write } = folderFor(t)
    const api = await startPlainServer(({ headers }) => ({
      status: headers.authorization === 'Bearer new' ? 200 : 401,
    }))
    t.after(() => api.close())
    const token = { path: write('token', 'old\n') }
    const service = serviceFor(t, {
      service: freshName(),
      token,
      baseUrl: api.origin,
      storage: { kind: 'memory' },
    })
    assert.equal((await service.fetch('/')).status, 401)
    write('token', 'new\n')
    assert.equal((await service.fetch('/')).status, 200)
  })

  test('that cannot be read is a warning, or the error', async (t) => {
    const { at } = folderFor(t)
    const token = { path: at('none') }
    const lines = []
    const logger = { debug() {}, info() {}, warn: (line) => lines.push(line), error() {} }
    process.env.LOG_LEVEL = 'warn'
    const quiet = serviceFor(t, { service: freshName(), token, logger, storage: { kind: 'memory' } })
    assert.deepEqual(await quiet.getAuthHeaders(), {})
    const strict = serviceFor(t, {
      service: freshName(),
      token,
      onFailure: 'throw',
      storage: { kind: 'memory' },
    })
    const error = await errorOf(strict.getAuthHeaders())
    assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'token.path'])
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.match(lines[0], /token\.path names a file that does not exist/)
  })
})

describe('a variable of a file', () => {
  const files = {
    OAUTH_CLIENT_SECRET_FILE: 'clientSecret',
    OAUTH_PRIVATE_KEY_FILE: 'privateKey',
    EXTERNAL_API_PASSWORD_FILE: 'password',
    EXTERNAL_API_TOKEN_FILE: 'token',
    TOKEN_ENCRYPTION_KEY_FILE: 'encryptionKey',
  }

  test('sets the path', () => {
    const env = Object.fromEntries(Object.keys(files).map((name) => [name, ` /run/secrets/${name}\n`]))
    const expected = Object.entries(files).map(([name, field]) => [field, { path: `/run/secrets/${name}` }])
    assert.deepEqual(configFromEnv(env), Object.fromEntries(expected))
    assert.deepEqual(configFromEnv({ OAUTH_CLIENT_SECRET_FILE: ' ' }), {})
  })

  test('cannot be combined with that of the secret', () => {
    for (const file of Object.keys(files)) {
      const name = file.replace(/_FILE$/, '')
      const error = configErrorOf(() => configFromEnv({ [file]: '/run/secrets/x', [name]: 'hunter2' }))
      assert.equal(error.field, file)
      assert.ok(error.message.includes(name) && !error.message.includes('hunter2'))
    }
  })

  test('is not read where the code sets the field', async (t) => {
    const server = await secretServer(t, 'in-code')
    Object.assign(process.env, { OAUTH_CLIENT_SECRET: 'x', OAUTH_CLIENT_SECRET_FILE: '/run/secrets/x' })
    const service = serviceFor(t, clientAt(server, { clientSecret: 'in-code' }))
    assert.equal(await service.getToken(), 'token-1')
  })

  test('is enough without code', async (t) => {
    const [server, { write }] = [await secretServer(t, 'secret'), folderFor(t)]
    Object.assign(process.env, {
      EXTERNAL_AUTH_URL: server.authUrl,
      OAUTH_CLIENT_ID: 'app',
      OAUTH_CLIENT_SECRET_FILE: write('secret', 'secret\n'),
      EVERTOKEN_STORAGE: 'memory',
    })
    const service = serviceFor(t)
    assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer token-1' })
  })
})
