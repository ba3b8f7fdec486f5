// What users hand in may throw, reject, hang or be unprintable: the process goes on, and hears of it once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { initializeTokenService } from 'evertoken'
import { runScript } from '../support/child.mjs'
import { configAt, freshName, serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()

const unprintable = (property, value) => () =>
  Object.defineProperty(new Error('x'), property, typeof value === 'function' ? { get: value } : { value })
const refuse = () => {
  throw new Error('no message for you')
}
/** What can be thrown, by what is wrong with it. */
const thrown = {
  'an error': () => new Error('plain'),
  'an error whose message is a getter that throws': unprintable('message', refuse),
  'an error whose name is a getter that throws': unprintable('name', refuse),
  'an error whose message is a symbol': unprintable('message', Symbol('x')),
  'an error whose message is an object': unprintable('message', { toString: refuse }),
  'an error whose message is without end': () => new Error('long '.repeat(1e6)),
  'an error with control characters': () => new Error('\u001b[2Jgone\r\nERROR forged line'),
  'an object without a prototype': () => Object.create(null),
  'an object that cannot be made a text': () => ({ [Symbol.toPrimitive]: refuse, toString: refuse }),
  'a proxy that throws': () =>
    new Proxy(new Error('x'), { get: refuse, getPrototypeOf: refuse, has: refuse, ownKeys: refuse }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
    revoke()
    return proxy
  },
  'a symbol': () => Symbol('x'),
  null: () => null,
  undefined: () => undefined,
}

/** The ways in which a callback can fail with it. */
const ways = {
  throws: (error) => () => {
    throw error()
  },
  'rejects with': (error) => () => Promise.reject(error()),
  'answers a thenable whose then throws': (error) => () => ({
    then() {
      throw error()
    },
  }),
  'answers a thenable that rejects with': (error) => () => ({ then: (_, reject) => reject(error()) }),
  'answers a thenable whose then rejects with': (error) => () => ({ then: () => Promise.reject(error()) }),
  'answers a promise of a class whose then throws': (error) => () => {
    class Odd extends Promise {
      then() {
        throw error()
      }
    }
    return Odd.reject(error())
  },
  'answers a promise of a class whose then rejects with': (error) => () => {
    class Odd extends Promise {
      then() {
        return Promise.reject(error())
      }
    }
    return Odd.reject(error())
  },
  'answers a promise of a class whose species throws': (error) => () => {
    class Odd extends Promise {
      static get [Symbol.species]() {
        throw error()
      }
    }
    return Odd.reject(error())
  },
  'answers a promise without a then, which rejects with': (error) => () =>
    Object.assign(Promise.reject(error()), { then: undefined }),
  'answers a thenable that fulfills with another one whose then rejects with': (error) => () => ({
    then: (fulfill) => fulfill({ then: () => Promise.reject(error()) }),
  }),
  'has a then that cannot be read, which throws': (error) => () =>
    Object.defineProperty({}, 'then', {
      get() {
        throw error()
      },
    }),
}

/** What the process would have died of, and its warnings, while `run` runs. */
async function watched(run) {
  const faults = []
  const warnings = []
  const uncaught = (error) => faults.push(error)
  const warned = ({ message }) => warnings.push(message)
  process.on('uncaughtException', uncaught).on('unhandledRejection', uncaught).on('warning', warned)
  try {
    await run()
    await sleep(20)
  } finally {
    process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught).off('warning', warned)
  }
  assert.equal(faults.length, 0, 'nothing is uncaught')
  return warnings.filter((message) => message.startsWith('evertoken: '))
}

const told = (service, type) => new Promise((resolve) => service.once(type, resolve))

for (const [way, make] of Object.entries(ways)) {
  describe(`a listener that ${way}`, () => {
    for (const [name, error] of Object.entries(thrown)) {
      test(`${name} is reported once, in one short line`, async (t) => {
        const service = serviceFor(t, server)
        const warnings = await watched(async () => {
          service.on('refreshed', make(error))
          for (let round = 0; round < 2; round += 1) {
            const heard = told(service, 'refreshed')
            await service.refresh()
            await heard
          }
        })
        assert.equal(warnings.length, 1)
        assert.match(warnings[0], /^evertoken: a listener of refreshed failed with [^\p{C}]+$/u)
        assert.ok(warnings[0].length < 400)
      })
    }
  })

  describe(`a logger that ${way}`, () => {
    for (const [name, error] of Object.entries(thrown)) {
      test(`${name} is reported once`, async (t) => {
        process.env.LOG_LEVEL = 'debug'
        t.after(() => (process.env.LOG_LEVEL = 'error'))
        const log = make(error)
        const warnings = await watched(async () => {
          const service = serviceFor(t, server, { logger: { debug: log, info: log, warn: log, error: log } })
          const heard = told(service, 'cleared')
          await service.getToken()
          await service.clear()
          await heard
        })
        assert.equal(warnings.length, 1)
        assert.match(
          warnings[0],
          /^evertoken: the configured logger failed with [^\p{C}]+; log lines may be missing$/u,
        )
      })
    }
  })

  describe(`a login that ${way}`, () => {
    for (const [name, error] of Object.entries(thrown)) {
      test(`${name} has failed, without its text`, async (t) => {
        const login = make(error)
        const service = initializeTokenService({
          service: freshName(),
          storage: { kind: 'memory' },
          onFailure: 'throw',
          login,
        })
        t.after(() => service.shutdown())
        const warnings = await watched(() =>
          assert.rejects(service.getToken(), ({ code, message }) => {
            assert.equal(code, 'ERR_TOKEN_RESPONSE')
            assert.match(
              message,
              /^login\(\) threw (Error|null|undefined|an? \w+|a value that cannot be inspected)$/,
            )
            return true
          }),
        )
        assert.deepEqual(warnings, [])
      })
    }
  })
}

test('a listener of once() that rejects does not affect others, either', async (t) => {
  const service = serviceFor(t, server)
  const warnings = await watched(async () => {
    service.once('refreshed', async () => {
      throw thrown['a revoked proxy']()
    })
    await service.refresh()
  })
  assert.equal(warnings.length, 1)
})

test('a listener that hangs blocks nothing', async (t) => {
  const service = serviceFor(t, server)
  service.on('refreshed', () => new Promise(() => {}))
  for (let round = 0; round < 2; round += 1) {
    const heard = told(service, 'refreshed')
    await service.refresh()
    await heard
  }
})

test('a logger that fails while a failing listener is reported does not affect others', async (t) => {
  const log = ways['rejects with'](thrown['a revoked proxy'])
  const service = serviceFor(t, server, { logger: { debug: log, info: log, warn: log, error: log } })
  const warnings = await watched(async () => {
    service.on('refreshed', ways.throws(thrown['a symbol']))
    await service.refresh()
  })
  assert.equal(warnings.length, 1)
})

test("the report of a listener's error does not contain the token", async (t) => {
  const service = serviceFor(t, server)
  const token = await service.getToken()
  const warnings = await watched(async () => {
    service.on('cleared', () => {
      throw new Error(`GET /orders with Bearer ${token} failed`)
    })
    await service.clear()
  })
  assert.deepEqual(warnings, [
    'evertoken: a listener of cleared failed with Error: GET /orders with Bearer [secret] failed',
  ])
})

describe('a report', () => {
  const failing = `
    import { createServer } from 'node:http'
    import { once } from 'node:events'
    import { initializeTokenService } from 'evertoken'
    const server = createServer((_, response) => response.end('{"access_token":"t","expires_in":3600}')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const authUrl = \`http://127.0.0.1:\${server.address().port}/token\`
    const service = initializeTokenService({ authUrl, clientId: 'a', clientSecret: 'b', storage: { kind: 'memory' } })
    service.on('refreshed', () => { throw new Error('in the listener') })
    await service.refresh()
    setTimeout(() => (console.log('alive'), process.exit(0)), 50)
  `
  for (const [name, { before = '', args }] of Object.entries({
    'a listener of warnings that throws': { before: "process.on('warning', (warning) => { throw warning })" },
    'an emitWarning that throws': {
      before: "process.removeAllListeners('warning'); process.emitWarning = () => { throw new Error('no') }",
    },
    '--throw-deprecation': { args: ['--throw-deprecation'] },
    '--no-warnings': { args: ['--no-warnings'] },
    '--unhandled-rejections=strict': { args: ['--unhandled-rejections=strict'] },
  })) {
    test(`does not end the process under ${name}`, async () => {
      const { code, stdout, stderr } = await runScript(`${before}\n${failing}`, { args })
      assert.deepEqual([code, stdout], [0, 'alive\n'], stderr)
    })
  }
})

describe('a store that fails', () => {
  for (const [way, make] of Object.entries(ways)) {
    test(`and ${way} an unreadable record does not lose the token`, async (t) => {
      const names = Object.keys(thrown)
      let call = 0
      const fail = () => make(thrown[names[call++ % names.length]])()
      await watched(async () => {
        const store = { get: fail, set: fail, delete: fail }
        const config = configAt(server, {
          service: freshName(),
          storage: { kind: 'custom', store },
          encryptionKey: 'a passphrase of the tests',
        })
        const service = initializeTokenService(config)
        t.after(() => service.shutdown())
        assert.match(await service.getToken(), /^access-/)
        assert.equal(service.status().storage.healthy, false)
      })
    })
  }
})

describe('a store, a logger and a listener that fail in the worst way', () => {
  const worst = `
    import { createServer } from 'node:http'
    import { once } from 'node:events'
    import { initializeTokenService } from 'evertoken'
    const server = createServer((_, response) => response.end('{"access_token":"t","expires_in":3600}')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const revoked = () => {
      const { proxy, revoke } = Proxy.revocable(function () {}, {})
      revoke()
      return proxy
    }
    class Odd extends Promise {
      then() { throw revoked() }
    }
    const deeds = [
      () => { throw revoked() },
      () => Promise.reject(revoked()),
      () => revoked(),
      () => ({ then: () => Promise.reject(revoked()) }),
      () => ({ then: async () => { throw revoked() } }),
      () => Odd.reject(revoked()),
    ]
    const authUrl = \`http://127.0.0.1:\${server.address().port}/token\`
    const tokens = []
    for (const [index, deed] of deeds.entries()) {
      const store = { get: deed, set: deed, delete: deed }
      const logger = { debug: deed, info: deed, warn: deed, error: deed }
      const service = initializeTokenService({
        service: \`s\${index}\`, authUrl, clientId: 'a', clientSecret: 'b', storage: { kind: 'custom', store }, logger,
      })
      service.on('refreshed', deed).on('cleared', deed)
      tokens.push(await service.getToken())
      await service.clear().catch(() => {})
    }
    setTimeout(() => (console.log(tokens.join('')), process.exit(0)), 100)
  `
  for (const mode of ['strict', 'throw']) {
    test(`do not end a process that runs with --unhandled-rejections=${mode}`, async () => {
      const { code, stdout, stderr } = await runScript(worst, { args: [`--unhandled-rejections=${mode}`] })
      assert.deepEqual([code, stdout], [0, 'tttttt\n'], stderr)
    })
  }
})

test('events.once() hears an event as before', async (t) => {
  const service = serviceFor(t, server)
  const [[event]] = await Promise.all([once(service, 'refreshed'), service.refresh()])
  assert.equal(event.type, 'refreshed')
})
