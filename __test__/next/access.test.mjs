// Who may ask the token's routes.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { createTokenRoutes } from 'evertoken/next'
import { serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
const before = { mode: process.env.NODE_ENV, secret: process.env.EVERTOKEN_ADMIN_SECRET }

afterEach(() => {
  set('NODE_ENV', before.mode)
  set('EVERTOKEN_ADMIN_SECRET', before.secret)
})

function set(name, value) {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

const asked = [['GET', 'status'], ['GET', 'metrics'], ['GET', 'none'], ['POST', 'refresh'], ['DELETE']]

/** Asks every route with these headers and resolves with the answers. */
function askAll(context, headers, options) {
  const service = serviceFor(context, server)
  const routes = createTokenRoutes({ service: service.name, ...options })
  return Promise.all(
    asked.map(async ([method, ...action]) => {
      const url = `http://localhost:3000/api/token/${action.join('/')}`
      const response = await routes[method](new Request(url, { method, headers }), {
        params: Promise.resolve({ action }),
      })
      return {
        name: `${method} ${action}`,
        status: response.status,
        headers: response.headers,
        body: await response.text(),
      }
    }),
  )
}

const open = [200, 200, 404, 200, 200]
const statuses = (answers) => answers.map(({ status }) => status)

function production(secret) {
  set('NODE_ENV', 'production')
  set('EVERTOKEN_ADMIN_SECRET', secret)
}

describe('with a secret in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-access-'))
  const file = join(folder, 'secret')
  after(() => rmSync(folder, { recursive: true }))

  beforeEach(() => {
    set('NODE_ENV', 'development')
    set('EVERTOKEN_ADMIN_SECRET', undefined)
    set('EVERTOKEN_ADMIN_SECRET_FILE', file)
  })
  afterEach(() => set('EVERTOKEN_ADMIN_SECRET_FILE', undefined))

  const bearer = (secret) => ({ authorization: `Bearer ${secret}` })
  const refused = (status) => open.map(() => status)

  it('need that secret, and the new one once it changes', async (context) => {
    writeFileSync(file, 'first\n')
    assert.deepEqual(statuses(await askAll(context, bearer('first'))), open)
    assert.deepEqual(statuses(await askAll(context, {})), refused(401))
    writeFileSync(file, 'second\n')
    assert.deepEqual(statuses(await askAll(context, bearer('second'))), open)
    assert.deepEqual(statuses(await askAll(context, bearer('first'))), refused(401))
  })

  it('are closed if it cannot be read, and the log says why once', async (context) => {
    const warnings = []
    const listener = ({ message }) => warnings.push(message)
    process.on('warning', listener)
    context.after(() => process.off('warning', listener))
    const makePipe = () => execFileSync('mkfifo', [file])
    const cases = [
      [() => {}, /does not exist/],
      [() => writeFileSync(file, ' \n'), /empty/],
      [() => writeFileSync(file, Buffer.from([0xff])), /UTF-8/],
      [() => writeFileSync(file, 'x'.repeat(64 * 1024 + 1)), /larger than 64 KiB/],
      [() => mkdirSync(file), /directory/],
      ...(process.platform === 'win32' ? [] : [[makePipe, /regular file/]]),
    ]
    for (const [make, reason] of cases) {
      rmSync(file, { recursive: true, force: true })
      make()
      const answers = await askAll(context, bearer('x'))
      assert.deepEqual(statuses(answers), refused(500), String(reason))
      for (const { body } of answers) assert.ok(!body.includes('_FILE') && !body.includes(file))
      const told = warnings.splice(0)
      assert.equal(told.length, 1, told.join())
      assert.match(
        told[0],
        /^evertoken: the routes of createTokenRoutes are closed: EVERTOKEN_ADMIN_SECRET_FILE /,
      )
      assert.match(told[0], reason)
    }
    rmSync(file, { recursive: true, force: true })
    writeFileSync(file, 'mended')
    assert.deepEqual(statuses(await askAll(context, bearer('mended'))), open)
  })

  it('are closed if both variables are set', async (context) => {
    writeFileSync(file, 'secret')
    set('EVERTOKEN_ADMIN_SECRET', 'secret')
    assert.deepEqual(statuses(await askAll(context, bearer('secret'))), refused(500))
    assert.deepEqual(statuses(await askAll(context, {}, { authorize: () => true })), open)
  })
})

describe('without a secret', () => {
  for (const mode of ['development', 'test']) {
    it(`are open if NODE_ENV is ${mode}`, async (context) => {
      set('NODE_ENV', mode)
      for (const secret of [undefined, '', ' \n']) {
        set('EVERTOKEN_ADMIN_SECRET', secret)
        assert.deepEqual(statuses(await askAll(context, {})), open)
      }
    })
  }

  for (const mode of [
    undefined,
    '',
    'production',
    'staging',
    'Production',
    'Development',
    'development ',
    'testing',
    'dev',
  ]) {
    it(`are closed if NODE_ENV is ${JSON.stringify(mode)}`, async (context) => {
      set('NODE_ENV', mode)
      set('EVERTOKEN_ADMIN_SECRET', undefined)
      for (const { name, status, body } of await askAll(context, {})) {
        assert.equal(status, 403, name)
        assert.match(JSON.parse(body).error.message, /EVERTOKEN_ADMIN_SECRET.*authorize.*NODE_ENV/)
      }
    })
  }
})

describe('a secret that is set', () => {
  for (const mode of ['development', 'test', undefined, 'staging', 'Production']) {
    it(`is always needed, also if NODE_ENV is ${mode}`, async (context) => {
      set('NODE_ENV', mode)
      set('EVERTOKEN_ADMIN_SECRET', 'the-admin-secret')
      assert.deepEqual(statuses(await askAll(context, {})), [401, 401, 401, 401, 401])
      assert.deepEqual(statuses(await askAll(context, { authorization: 'Bearer the-admin-secret' })), open)
    })
  }
})

describe('in production', () => {
  it('the right secret gives access to every route', async (context) => {
    production('the-admin-secret')
    assert.deepEqual(statuses(await askAll(context, { authorization: 'Bearer the-admin-secret' })), open)
  })

  for (const secret of [undefined, '', '  ']) {
    it(`every route is closed and says why when the secret is ${JSON.stringify(secret)}`, async (context) => {
      production(secret)
      for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer undefined' }]) {
        for (const { name, status, body } of await askAll(context, headers)) {
          assert.equal(status, 403, name)
          assert.match(JSON.parse(body).error.message, /EVERTOKEN_ADMIN_SECRET/)
        }
      }
    })
  }

  const wrong = [
    undefined,
    'the-admin-secret',
    'Bearer',
    'Bearer the-admin-secre',
    'Bearer the-admin-secretX',
    'Basic the-admin-secret',
    'Bearer THE-ADMIN-SECRET',
    'Bearer the-admin-secret the-admin-secret',
    'Bearer the-admin-secret, Bearer x',
  ]
  for (const authorization of wrong) {
    it(`the header ${authorization} gives no access`, async (context) => {
      production('the-admin-secret')
      const answers = await askAll(context, authorization === undefined ? {} : { authorization })
      for (const { name, status, headers, body } of answers) {
        assert.equal(status, 401, name)
        assert.match(headers.get('www-authenticate'), /^Bearer/)
        assert.ok(!body.includes('the-admin-secret'))
      }
    })
  }
})

describe('a request that changes something', () => {
  const cases = [
    [{ 'sec-fetch-site': 'cross-site' }, false],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ 'sec-fetch-site': 'cross-site', origin: 'http://localhost:3000' }, false],
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ 'sec-fetch-site': 'none' }, true],
    [{}, true],
    [{ origin: 'http://localhost:3000', host: 'localhost:3000' }, true],
    [{ origin: 'http://localhost:3001', host: 'localhost:3000' }, false],
    [{ origin: 'https://evil.example', host: 'app.example' }, false],
    [{ origin: 'https://app.example', host: 'app.example:443' }, true],
    [{ origin: 'https://app.example', host: '10.0.0.7:3000', 'x-forwarded-host': 'app.example' }, true],
    [
      {
        origin: 'https://app.example',
        host: '10.0.0.7:3000',
        'x-forwarded-host': 'app.example, inner.example',
      },
      true,
    ],
    [{ origin: 'https://app.example.evil.example', host: 'app.example' }, false],
    [{ origin: 'null', host: 'app.example' }, false],
    [{ origin: 'nonsense', host: 'app.example' }, false],
  ]
  for (const [headers, isAllowed] of cases) {
    it(`${isAllowed ? 'is answered' : 'is refused with 403'} with ${JSON.stringify(headers)}`, async (context) => {
      set('NODE_ENV', 'development')
      const [status, metrics, none, refresh, clear] = await askAll(context, headers)
      // Reading is for the browser to allow or not: it hands no answer to a page of another site.
      assert.deepEqual(statuses([status, metrics, none]), [200, 200, 404])
      assert.deepEqual(statuses([refresh, clear]), isAllowed ? [200, 200] : [403, 403])
      if (!isAllowed) assert.equal(JSON.parse(clear.body).error.code, 'ERR_ROUTE_CROSS_SITE')
    })
  }

  it('is refused from another site, even with the secret or if authorize allows it', async (context) => {
    production('the-admin-secret')
    const headers = { authorization: 'Bearer the-admin-secret', 'sec-fetch-site': 'cross-site' }
    assert.deepEqual(statuses(await askAll(context, headers)).slice(3), [403, 403])
    assert.deepEqual(statuses(await askAll(context, headers, { authorize: () => true })).slice(3), [403, 403])
  })
})

describe('an authorize callback', () => {
  it('decides alone, also in production without a secret', async (context) => {
    production(undefined)
    const authorize = async (request) => request.headers.get('cookie') === 'session=ada'
    assert.deepEqual(statuses(await askAll(context, { cookie: 'session=ada' }, { authorize })), open)
    assert.deepEqual(statuses(await askAll(context, {}, { authorize })), [403, 403, 403, 403, 403])
  })

  it('is called outside production as well', async (context) => {
    set('NODE_ENV', 'development')
    assert.deepEqual(
      statuses(await askAll(context, {}, { authorize: () => false })),
      [403, 403, 403, 403, 403],
    )
  })

  for (const answer of [undefined, null, 0, 1, 'true', {}, { allowed: true }, new Response()]) {
    it(`allows nothing with ${answer?.constructor?.name ?? answer} ${String(answer)}`, async (context) => {
      assert.deepEqual(
        statuses(await askAll(context, {}, { authorize: () => answer })),
        [403, 403, 403, 403, 403],
      )
    })
  }

  const unprintable = () =>
    Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('10.1.2.3')
      },
    })
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
  const failing = {
    throws: () => {
      throw new Error('the session store at 10.1.2.3')
    },
    rejects: () => Promise.reject('the session store at 10.1.2.3'),
    'throws what cannot be printed': () => {
      throw unprintable()
    },
    'rejects with a revoked proxy': () => Promise.reject(revoked()),
    'answers a thenable that throws': () => ({
      then() {
        throw unprintable()
      },
    }),
    'answers a revoked proxy': revoked,
    'answers a thenable whose then rejects': () => ({ then: () => Promise.reject(revoked()) }),
    'answers a promise of a class whose then throws': () => {
      class Odd extends Promise {
        then() {
          throw unprintable()
        }
      }
      return Odd.reject(revoked())
    },
  }
  for (const [how, authorize] of Object.entries(failing)) {
    it(`that ${how} is a 500 whose reason is in the log and not in the response`, async (context) => {
      const log = context.mock.method(console, 'error', () => {})
      for (const { status, body } of await askAll(context, {}, { authorize })) {
        assert.equal(status, 500)
        assert.equal(JSON.parse(body).error.code, 'ERR_ROUTE_AUTHORIZE')
        assert.ok(!body.includes('10.1.2.3'))
      }
      assert.equal(log.mock.callCount(), asked.length)
    })
  }

  it('that fails is a 500 though the console throws, too', async (context) => {
    context.mock.method(console, 'error', (_, error) => {
      if (error instanceof Error) throw new Error('no console')
    })
    const warned = new Promise((resolve) => process.once('warning', resolve))
    const answers = await askAll(context, {}, { authorize: failing.throws })
    assert.deepEqual(statuses(answers), [500, 500, 500, 500, 500])
    assert.match((await warned).message, /authorize callback .* failed with Error: the session store/)
  })

  it('that never settles is a 500 after its timeout', async (context) => {
    context.mock.method(console, 'error', () => {})
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const answers = askAll(context, {}, { authorize: () => new Promise(() => {}) })
    await new Promise((resolve) => setImmediate(resolve))
    context.mock.timers.tick(30_000)
    assert.deepEqual(statuses(await answers), [500, 500, 500, 500, 500])
  })

  it('does not allow parameters that throw', async (context) => {
    set('NODE_ENV', 'development')
    const { name } = serviceFor(context, server)
    const { GET } = createTokenRoutes({ service: name })
    for (const reason of [unprintable(), revoked(), new Error('10.1.2.3')]) {
      const answer = await GET(new Request('http://localhost/api/token/status'), {
        params: Promise.reject(reason),
      })
      assert.equal(answer.status, 500)
      assert.ok(!(await answer.text()).includes('10.1.2.3'))
    }
  })
})
