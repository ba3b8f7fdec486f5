// A function as `login`: the program obtains the token itself.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  getTokenService,
  initializeTokenService,
  startTokenScheduler,
  stopTokenScheduler,
  TokenError,
} from 'evertoken'
import { runScript } from '../support/child.mjs'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { startPlainServer } from '../support/plain-server.mjs'
import { freshName } from '../support/service.mjs'

cleanEnvironment()

/** A service whose login is this function; it ends with the test. */
const serviceOf = (t, login, config) => {
  const service = initializeTokenService({
    service: freshName(),
    storage: { kind: 'memory' },
    onFailure: 'throw',
    login,
    ...config,
  })
  t.after(() => service.shutdown())
  return service
}

const failureOf = async (t, login, config) => {
  const error = await serviceOf(t, login, config)
    .getToken()
    .then(
      () => assert.fail('it returned a token'),
      (error) => error,
    )
  assert.ok(error instanceof TokenError, error)
  return error
}

const refuse = () => {
  throw new TypeError('hunter2')
}

describe('a function as login', () => {
  test('is called for a token, with the service, the reason, the refresh token and a signal', async (t) => {
    const contexts = []
    const service = serviceOf(t, (context) => {
      contexts.push(context)
      return { token: `t${contexts.length}`, refreshToken: `r${contexts.length}`, expiresInSeconds: 600 }
    })
    assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer t1' })
    await service.refresh()
    assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer t2' })
    const [first, second] = contexts.map(({ signal, ...context }) => {
      assert.ok(signal instanceof AbortSignal && !signal.aborted)
      return context
    })
    assert.deepEqual(first, { service: service.name, reason: 'missing', refreshToken: null })
    assert.deepEqual(second, { service: service.name, reason: 'forced', refreshToken: 'r1' })
    const { strategy, counters, state } = service.status()
    assert.deepEqual(strategy, { grant: 'login', endpoint: 'login()', format: 'function' })
    assert.equal(counters.tokenRequests, 2)
    assert.equal(state, 'valid')
  })

  test('is called once for all callers', async (t) => {
    let calls = 0
    const service = serviceOf(t, async () => {
      calls += 1
      await sleep(50)
      return { token: 'abc' }
    })
    const tokens = await Promise.all(Array.from({ length: 200 }, () => service.getToken()))
    assert.deepEqual([...new Set(tokens)], ['abc'])
    assert.equal(calls, 1)
  })

  test('is called again for a token that an API refuses', async (t) => {
    const api = await startPlainServer(({ headers }) => ({
      status: headers.authorization === 'Bearer t2' ? 200 : 401,
    }))
    t.after(() => api.close())
    const reasons = []
    const service = serviceOf(t, ({ reason, refreshToken }) => {
      reasons.push([reason, refreshToken])
      return { token: `t${reasons.length}`, refreshToken: `r${reasons.length}` }
    })
    const responses = await Promise.all(Array.from({ length: 10 }, () => service.fetch(api.origin)))
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200])
    assert.deepEqual(reasons, [
      ['missing', null],
      ['refused', 'r1'],
    ])
  })

  test('is called again before the token expires, in the background', async (t) => {
    const reasons = []
    const service = serviceOf(
      t,
      ({ reason }) => {
        reasons.push(reason)
        return { token: `t${reasons.length}`, expiresInSeconds: reasons.length === 1 ? 8 : 3600 }
      },
      { refreshBufferSeconds: 7 },
    )
    assert.equal(await service.getToken(), 't1')
    startTokenScheduler()
    t.after(() => stopTokenScheduler())
    const { refreshAt } = service.status()
    assert.ok(Date.parse(refreshAt) > Date.now())
    for (const end = Date.now() + 9_000; reasons.length === 1 && Date.now() < end; ) await sleep(50)
    assert.deepEqual(reasons, ['missing', 'expiring'])
    assert.equal(await service.getToken(), 't2')
  })

  test('is left alone by clear, and called for the next caller without a refresh token', async (t) => {
    const tokens = []
    const service = serviceOf(t, ({ refreshToken }) => {
      tokens.push(refreshToken)
      return { token: 'abc', refreshToken: 'r' }
    })
    await service.getToken()
    await service.clear({ revoke: true })
    assert.equal(tokens.length, 1)
    await service.getToken()
    assert.deepEqual(tokens, [null, null])
  })

  test('replaces that of an equal configuration: a hot reload uses the new one', async (t) => {
    const config = { service: freshName() }
    const service = serviceOf(t, () => ({ token: 'old' }), config)
    assert.equal(await service.getToken(), 'old')
    assert.equal(
      serviceOf(t, () => ({ token: 'new' }), config),
      service,
    )
    assert.equal(await service.getToken(), 'old')
    await service.refresh()
    assert.equal(await service.getToken(), 'new')
  })

  test('may return what servers and libraries write', async (t) => {
    const expiresAt = new Date(Date.now() + 600_000)
    for (const answer of [
      { access_token: 'abc', token_type: 'bearer', expires_in: 600, scope: 'read' },
      { access_token: 'abc', expires_in: '600' },
      { accessToken: 'abc', expiresOn: expiresAt },
      { token: 'abc', expiresAt },
      { token: 'abc', expiresAt: expiresAt.toISOString() },
      { token: 'abc', expiresAt: expiresAt.getTime() },
      { token: 'abc', expiresAt: expiresAt.getTime() / 1000 },
      { token: 'abc', expiresAt, expiresInSeconds: 3600 },
      { token: 'abc', expiresAt: new Date(Date.now() + 3_600_000), expiresInSeconds: 600n },
      { token: 'abc', expiresInSeconds: 600, helper() {}, [Symbol('x')]: 1, more: undefined },
      Object.assign(Object.create({ inherited: true }), { token: 'Bearer abc', expiresInSeconds: 600 }),
    ]) {
      const service = serviceOf(t, async () => answer)
      assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer abc' })
      const { expiresInSeconds } = service.status()
      assert.ok(expiresInSeconds > 590 && expiresInSeconds <= 600, `${expiresInSeconds} s`)
    }
  })
})

describe('a function as login that fails', () => {
  const cases = {
    'throws an error': [refuse, 'login() threw TypeError'],
    'throws a string': [
      () => {
        throw 'hunter2'
      },
      'login() threw a string',
    ],
    'throws null': [
      () => {
        throw null
      },
      'login() threw null',
    ],
    'rejects with an error that has a code': [
      () => Promise.reject(Object.assign(new Error('hunter2'), { code: 'ECONNREFUSED' })),
      'login() threw Error (ECONNREFUSED)',
    ],
    'rejects as fetch does': [
      () =>
        Promise.reject(
          new TypeError('fetch failed', {
            cause: Object.assign(new Error('hunter2'), { code: 'ENOTFOUND' }),
          }),
        ),
      'login() threw TypeError, caused by Error (ENOTFOUND)',
    ],
    'returns nothing': [() => {}, 'login() returned nothing, not an object such as { token }'],
    'returns a number': [() => 7, 'login() returned a number, not an object such as { token }'],
    'returns the token alone': [
      () => 'hunter2',
      'login() returned a string, not an object such as { token }',
    ],
    'returns an object without a token': [
      () => ({ jot: 'hunter2' }),
      'login() returned an object without token; its members are: jot',
    ],
    'returns a token with a line break': [
      () => ({ token: 'hunter2\nhunter2' }),
      'login() returned `token`, which is not usable: the token contains a space, a control character or a non-ASCII ' +
        'character, which a header cannot contain',
    ],
    'returns a token of half a surrogate pair': [
      () => ({ token: 'hunter2\ud800' }),
      'login() returned `token`, which is not usable: the token contains a space, a control character or a non-ASCII ' +
        'character, which a header cannot contain',
    ],
    'returns an expiresAt that is not a date': [
      () => ({ token: 'hunter2', expiresAt: new Date('hunter2') }),
      'login() returned `expiresAt`, which is not a date or a number of seconds',
    ],
    'returns a lifetime that is not a number': [
      () => ({ token: 'hunter2', expiresInSeconds: NaN }),
      'login() returned `expiresInSeconds`, which is not a date or a number of seconds',
    ],
    'returns a response of fetch': [
      () => new Response('{}'),
      'login() returned an object without token; its members are: none',
    ],
    'returns an object whose getter throws': [
      () => ({
        get token() {
          return refuse()
        },
      }),
      'login() returned a value that cannot be read: it threw TypeError',
    ],
    'returns a revoked proxy': [
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return [proxy]
      },
      'login() returned a value that cannot be read: it threw TypeError',
    ],
    'returns an object without end': [
      () => {
        const endless = { token: 'hunter2', more: Array.from({ length: 20_000 }, () => 1) }
        return endless
      },
      'login() returned far more than a token response',
    ],
    'returns a thenable that rejects': [
      () => ({ then: (_, reject) => reject(new RangeError('hunter2')) }),
      'login() threw RangeError',
    ],
    'returns a thenable whose then throws': [
      () => ({
        get then() {
          return refuse()
        },
      }),
      'login() threw TypeError',
    ],
    'throws an error that cannot be inspected': [
      () => {
        throw new Proxy(new Error('hunter2'), { get: refuse, getPrototypeOf: refuse, has: refuse })
      },
      'login() threw a value that cannot be inspected',
    ],
  }
  for (const [what, [login, message]] of Object.entries(cases)) {
    test(`because it ${what}`, async (t) => {
      const error = await failureOf(t, login)
      assert.deepEqual({ code: error.code, message: error.message }, { code: 'ERR_TOKEN_RESPONSE', message })
      assert.ok(!JSON.stringify(error).includes('hunter2'))
    })
  }

  test('keeps the code of a TokenError, and is not called again before the cool-down of rejected credentials ends', async (t) => {
    let calls = 0
    const service = serviceOf(t, () => {
      calls += 1
      throw new TokenError('ERR_TOKEN_CREDENTIALS', 'hunter2', { retryAfterSeconds: 1 })
    })
    const error = await service.getToken().catch((error) => error)
    assert.deepEqual(
      [error.code, error.message],
      ['ERR_TOKEN_CREDENTIALS', 'login() threw TokenError (ERR_TOKEN_CREDENTIALS)'],
    )
    assert.ok(error.retryAfterSeconds > 50, `${error.retryAfterSeconds} s`)
    await assert.rejects(service.getToken(), { code: 'ERR_TOKEN_CREDENTIALS' })
    assert.equal(calls, 1)
    await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CREDENTIALS' })
    assert.equal(calls, 2)
  })

  test('hands what it threw to those who wait for the token, as the cause, and not to those who listen', async (t) => {
    const thrown = [new TypeError('hunter2'), 'hunter2', null]
    for (const one of thrown) {
      const service = serviceOf(t, () => {
        throw one
      })
      const events = []
      service.on('refreshFailed', (event) => events.push(event))
      const error = await service.getToken().catch((error) => error)
      assert.equal(error.cause, one)
      assert.ok(Object.hasOwn(error, 'cause'))
      // Also while evertoken waits.
      assert.equal((await service.getToken().catch((error) => error)).cause, one)
      while (events.length === 0) await sleep(1)
      assert.ok(!('cause' in events[0].error))
      assert.ok(!JSON.stringify([error, events, service.status()]).includes('hunter2'))
    }
  })

  test('does not end its service with the end of another one', async (t) => {
    const error = await failureOf(t, () => {
      throw new TokenError('ERR_TOKEN_SHUTDOWN', 'the other one has ended')
    })
    assert.equal(error.code, 'ERR_TOKEN_RESPONSE')
  })

  test('is not called again before the time that it asks for', async (t) => {
    const later = () => new Date(Date.now() + 30_000)
    for (const error of [
      new TokenError('ERR_TOKEN_RATE_LIMITED', 'slow down', { retryAfterSeconds: 30 }),
      Object.assign(new Error('slow down'), { retryAfter: 30 }),
      Object.assign(new Error('slow down'), { retryAfter: '30' }),
      Object.assign(new Error('slow down'), { retryAfter: later() }),
      Object.assign(new Error('slow down'), { retryAfter: later().toUTCString() }),
    ]) {
      let calls = 0
      const service = serviceOf(t, () => {
        calls += 1
        throw error
      })
      const { code } = await service.getToken().catch((error) => error)
      assert.equal(code, error.code ?? 'ERR_TOKEN_RESPONSE')
      const { retryAfterSeconds } = await service.getToken().catch((error) => error)
      assert.ok(retryAfterSeconds > 25 && retryAfterSeconds <= 30, `${retryAfterSeconds} s`)
      assert.equal(calls, 1)
    }
  })

  test('is aborted when timeoutMs has passed, whether it heeds the signal or not', async (t) => {
    let signal
    const error = await failureOf(
      t,
      (context) => {
        signal = context.signal
        return new Promise(() => {})
      },
      { timeoutMs: 200 },
    )
    assert.equal(error.code, 'ERR_TOKEN_TIMEOUT')
    assert.equal(error.message, 'login() did not return within timeoutMs')
    while (!signal.aborted) await sleep(1)
    assert.equal(signal.reason.name, 'TimeoutError')
  })

  test('waits for itself if it asks its own service for the token, no longer than timeoutMs', async (t) => {
    let inner
    const service = serviceOf(
      t,
      () => {
        inner = service.getToken()
        return inner.then((token) => ({ token }))
      },
      { timeoutMs: 200 },
    )
    await assert.rejects(service.getToken(), { code: 'ERR_TOKEN_TIMEOUT' })
    await assert.rejects(inner, { code: 'ERR_TOKEN_TIMEOUT' })
  })

  test('works again after its failure', async (t) => {
    let calls = 0
    const service = serviceOf(t, () => {
      if (++calls === 1) refuse()
      return { token: 'abc' }
    })
    await assert.rejects(service.getToken())
    await service.refresh()
    assert.equal(await service.getToken(), 'abc')
    assert.equal(service.status().lastError, null)
  })
})

describe('the process of a function as login', () => {
  const outputOf = async (source) => {
    const { code, stdout, stderr } = await runScript(
      `const { initializeTokenService, getTokenService, TokenError } = await import('evertoken')\n${source}`,
    )
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    return stdout.trim()
  }

  test('ends after a call that never settles, without an unhandled rejection', async () => {
    const output = await outputOf(`
      const service = initializeTokenService({
        storage: { kind: 'memory' }, onFailure: 'throw', timeoutMs: 200,
        login: ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('late')))),
      })
      await service.getToken().catch((error) => console.log(error.code))
    `)
    assert.equal(output, 'ERR_TOKEN_TIMEOUT')
  })

  test('is not kept alive by a call that no caller waits for', async () => {
    const output = await outputOf(`
      const service = initializeTokenService({
        storage: { kind: 'memory' }, timeoutMs: 60_000,
        login: () => { console.log('called'); return new Promise(() => {}) },
      })
      service.getToken()
      process.on('exit', () => console.log('exit'))
      setTimeout(() => process.exit(), 100).unref()
      setTimeout(() => {}, 300)
    `)
    assert.equal(output, 'called\nexit')
  })

  test('uses a function that still exists if the thread of the newest one ends', async () => {
    const output = await outputOf(`
      const { Worker } = await import('node:worker_threads')
      const { once } = await import('node:events')
      const config = { service: 'shared', storage: { kind: 'memory' }, onFailure: 'throw' }
      const service = initializeTokenService({ ...config, login: () => ({ token: 'of-main' }) })
      const worker = new Worker(\`
        const { parentPort } = require('node:worker_threads')
        const { initializeTokenService } = require('evertoken')
        initializeTokenService({
          service: 'shared', storage: { kind: 'memory' }, onFailure: 'throw',
          login: ({ reason }) => {
            if (reason !== 'forced') return { token: 'of-worker' }
            parentPort.postMessage('called')
            return new Promise(() => {})
          },
        })
        parentPort.postMessage('ready')
        setInterval(() => {}, 1000)
      \`, { eval: true, execArgv: [] })
      await once(worker, 'message')
      console.log(await service.getToken())
      const refreshing = service.refresh().catch((error) => console.log(error.code, error.field))
      await once(worker, 'message')
      await worker.terminate()
      await refreshing
      await service.refresh()
      console.log(await service.getToken())
    `)
    assert.deepEqual(output.split('\n'), ['of-worker', 'ERR_TOKEN_CONFIG login', 'of-main'])
  })
})

describe('the configuration of a function as login', () => {
  const errorOf = (config) => {
    try {
      initializeTokenService({
        service: freshName(),
        storage: { kind: 'memory' },
        login: () => ({ token: 'abc' }),
        ...config,
      })
    } catch (error) {
      return error
    }
    return assert.fail('it was accepted')
  }

  test('needs an encryption key, unless the token stays in memory', () => {
    const error = errorOf({ storage: { kind: 'file', path: 'unused.json' } })
    assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'encryptionKey'])
    assert.match(error.message, /^encryptionKey is missing: login is a function/)
  })

  test('has no fields that only a request of evertoken uses, and says which to remove', () => {
    for (const [field, value] of Object.entries({
      authUrl: 'https://login.example.com',
      issuer: 'https://login.example.com',
      email: 'a@example.com',
      username: 'a',
      password: 'hunter2',
      clientId: 'a',
      clientSecret: 'hunter2',
      privateKey: 'hunter2',
      clientCertificate: { cert: 'x', key: 'hunter2' },
      clientAuthentication: 'client_secret_post',
      grant: 'login',
      grantType: 'x',
      requestFormat: 'json',
      scope: 'read',
      audience: 'api',
      resource: 'https://api.example.com',
      parameters: { a: 'b' },
      headers: { 'x-api-key': 'hunter2' },
      probe: true,
      refreshUrl: 'https://login.example.com/refresh',
      refreshFormat: 'json',
      revocationUrl: 'https://login.example.com/revoke',
      dpop: true,
    })) {
      const error = errorOf({ [field]: value })
      assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', field])
      assert.match(error.message, /login/i)
      assert.match(error.message, new RegExp(`remove ${field}, or set login to an object`, 'i'))
      assert.ok(!error.message.includes('hunter2'))
    }
  })

  test('takes what says where the token goes, and a manual token', async (t) => {
    const config = {
      token: 'manual',
      scheme: 'Token',
      header: { name: 'X-Auth' },
      baseUrl: 'https://api.example.com',
    }
    const service = serviceOf(t, refuse, {
      ...config,
      probe: false,
      dpop: false,
      onFailure: 'unauthenticated',
    })
    assert.deepEqual(await service.getAuthHeaders(), { 'X-Auth': 'manual' })
    assert.equal(service.status().state, 'manual')
  })

  test('is not completed with credentials of the environment', async (t) => {
    process.env.EXTERNAL_AUTH_URL = 'https://login.example.com/token'
    process.env.OAUTH_CLIENT_ID = 'app'
    process.env.OAUTH_CLIENT_SECRET = 'hunter2'
    process.env.OAUTH_SCOPE = 'read'
    process.env.OAUTH_AUDIENCE = 'api'
    process.env.OAUTH_PARAMETERS = 'a=b'
    t.after(cleanEnvironment)
    const service = serviceOf(t, () => ({ token: 'abc' }))
    assert.equal(await service.getToken(), 'abc')
    assert.equal(getTokenService(service.name), service)
  })

  test('is a function, not plain data that looks like one', () => {
    const error = errorOf({ login: { function: true } })
    assert.deepEqual([error.code, error.field], ['ERR_TOKEN_CONFIG', 'login.function'])
    const other = errorOf({ scope: () => 'read' })
    assert.deepEqual(
      [other.code, other.message],
      ['ERR_TOKEN_CONFIG', 'scope must be plain data, not a function'],
    )
  })
})
