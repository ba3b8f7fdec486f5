import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { runScript } from '../support/child.mjs'
import { configErrorOf } from '../support/config-error.mjs'
import { until } from '../support/custom-stores.mjs'
import { startRedis } from '../support/engines.mjs'
import { redisClients } from '../support/redis-clients.mjs'
import { configAt, freshName, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
const redis = await startRedis({ tls: true })
const skip = redis.reason ?? false
after(() => redis.close?.())
afterEach(cleanEnvironment)

/** A service with its tokens there, and what it logs. */
function serviceAt(t, storage, config) {
  process.env.LOG_LEVEL = 'debug'
  const lines = []
  const log = (line) => void lines.push(JSON.stringify(line))
  const logger = { debug: log, info: log, warn: log, error: log }
  const service = initializeTokenService(
    configAt(server, { logger, onFailure: 'throw', storage: { kind: 'redis', ...storage }, ...config }),
  )
  t.after(() => service.shutdown())
  return Object.assign(service, { lines })
}

async function clientFor(t, name) {
  const { client, close } = await redisClients[name](redis.url)
  t.after(close)
  return client
}

describe('a Redis server', { skip }, () => {
  test('by its URL has one hash for a service, encrypted and without an end', async (t) => {
    const service = serviceAt(t, { url: redis.url })
    const token = await service.getToken()
    const key = `evertoken:${service.name}`
    assert.equal(await redis.command('TTL', key), '-1')
    const stored = await redis.command('HGETALL', key)
    assert.match(stored, /^token\net1\./m)
    assert.ok(!stored.includes(token))
    assert.deepEqual(service.status().storage, {
      kind: 'redis',
      location: `redis://127.0.0.1:${redis.port}/0`,
      encrypted: true,
      healthy: true,
    })
    assert.ok(!service.lines.join().includes(redis.password))
    await service.clear()
    assert.match(await redis.command('HGET', key, 'token'), /^removed/)
  })

  test('is named by EVERTOKEN_STORAGE and by the third argument', async (t) => {
    process.env.EVERTOKEN_STORAGE = redis.urlOf({ database: 3 })
    const config = () => ({ ...configAt(server), storage: undefined })
    for (const service of [
      initializeTokenService(config()),
      initializeTokenService(config(), true, redis.urlOf({ database: 3 })),
    ]) {
      t.after(() => service.shutdown())
      await service.getToken()
      assert.equal(service.status().storage.location, `redis://127.0.0.1:${redis.port}/3`)
    }
  })

  test('is reached over TLS if its certificate is trusted', async (t) => {
    const ca = readFileSync(redis.rootCertificate, 'utf8')
    const trusted = serviceAt(t, { url: redis.tlsUrl }, { ca })
    await trusted.getToken()
    assert.equal(trusted.status().storage.healthy, true)
    const other = serviceAt(t, { url: redis.tlsUrl })
    await other.getToken()
    assert.equal(other.status().storage.healthy, false)
    await until(() => other.lines.join().includes('its issuer is not trusted; add the issuer'))
  })

  test('is not told to anyone with its password', async (t) => {
    const service = serviceAt(t, { url: redis.urlOf({ password: 'a-wrong-password' }) })
    await service.getToken()
    await until(() => service.lines.length > 0)
    const said = JSON.stringify(service.status()) + service.lines.join()
    assert.match(said, /does not accept the user name or the password/)
    assert.ok(!said.includes('a-wrong-password'))
  })

  test('that is away does not keep anyone from a token, and gets it later', async (t) => {
    const service = serviceAt(t, { url: redis.url })
    await redis.stop()
    const token = await service.getToken()
    assert.equal(service.status().storage.healthy, false)
    await redis.start()
    await until(() => service.status().storage.healthy)
    assert.equal(await service.getToken(), token)
    assert.match(await redis.command('HGET', `evertoken:${service.name}`, 'token'), /^et1\./)
  })
})

describe('a Redis client', { skip }, () => {
  for (const name of Object.keys(redisClients)) {
    test(`${name} shares tokens with processes that have a URL`, async (t) => {
      const storage = { client: await clientFor(t, name) }
      const one = serviceAt(t, storage)
      const token = await one.getToken()
      assert.equal(one.status().storage.location, 'Redis client')
      const next = await tokenOfAnotherProcess(one.name)
      assert.equal(next, token)
      await one.clear()
      assert.notEqual(await one.getToken(), token)
    })

    test(`${name} notices within seconds what another process changes`, async (t) => {
      const one = serviceAt(t, { client: await clientFor(t, name) })
      const token = await one.getToken()
      const newer = await tokenOfAnotherProcess(one.name, 'refresh')
      assert.notEqual(newer, token)
      await until(async () => (await one.getToken()) === newer)
    })
  }

  test('of a kind that passes on the refusals of the server says what they mean', async (t) => {
    const refused = async (name, fault) => {
      const service = serviceAt(t, { client: await clientFor(t, name) })
      await service.getToken()
      await until(() => fault.test(service.lines.join()))
    }
    t.after(() => Promise.all([redis.clear(), redis.setReadOnly(false)]))
    for (const name of Object.keys(redisClients)) {
      await redis.fill()
      await refused(name, /is out of memory \(maxmemory\)/)
      await redis.clear()
      await redis.setReadOnly(true)
      await refused(name, /is a read-only replica/)
      await redis.setReadOnly(false)
    }
  })

  test('that is closed or subscribes is an error, and tokens are kept in memory', async (t) => {
    for (const name of ['node-redis', 'node-redis 5', 'ioredis', 'ioredis 5']) {
      const closed = await clientFor(t, name)
      await (closed.isOpen === undefined ? closed.quit() : closed.close())
      await pause(50)
      const subscriber = await clientFor(t, name)
      await subscriber.subscribe('news', () => {})
      for (const [client, fault] of [
        [closed, /it is not connected; connect it/],
        // Over RESP3, a subscriber can do everything else as well.
        ...(name === 'ioredis' ? [] : [[subscriber, /it is in subscriber mode/]]),
      ]) {
        const service = serviceAt(t, { client })
        const begin = performance.now()
        assert.ok(await service.getToken())
        assert.ok(performance.now() - begin < 1000, name)
        assert.equal(service.status().storage.healthy, false, name)
        await until(() => fault.test(service.lines.join()))
      }
    }
  })

  test('that never connects does not keep anyone waiting', async (t) => {
    // Others do not hand out a client before it is connected.
    for (const name of ['ioredis', 'ioredis 5']) {
      const opened = await redisClients[name]('redis://127.0.0.1:1')
      t.after(opened.close)
      const service = serviceAt(t, { client: opened.client })
      const begin = performance.now()
      assert.ok(await service.getToken())
      assert.ok(performance.now() - begin < 8000, name)
      await until(() => /it is not connected/.test(service.lines.join()))
    }
  })
})

describe('a wrong Redis storage', () => {
  const wrong = {
    'no server': [{}, 'storage.url', /unless storage.client is set/],
    'no client': [{ client: {} }, 'storage.client', /node-redis \(4 or later\), ioredis or @upstash/],
    'a client of node-redis 3': [{ client: { eval() {}, sendCommand() {} } }, 'storage.client', /4 or later/],
    both: [{ client: { eval() {} }, url: 'redis://h' }, 'storage.client', /cannot be combined/],
    'a URL that is none': [{ url: 'redis://:hunter2@' }, 'storage.url', /redis:\/\/host:6379|must be a URL/],
    'a database that is none': [{ url: 'redis://:hunter2@h/x' }, 'storage.url', /the number of a database/],
    'TLS without a check': [{ url: 'rediss://:hunter2@h#insecure' }, 'storage.url', /always checks/],
    'a prefix of another type': [{ url: 'redis://h', keyPrefix: 7 }, 'storage.keyPrefix', /string/],
  }
  for (const [name, [storage, field, fault]] of Object.entries(wrong)) {
    test(`with ${name} is an error that names ${field}`, () => {
      const error = configErrorOf(() =>
        initializeTokenService(configAt(server, { storage: { kind: 'redis', ...storage } })),
      )
      assert.equal(error.field, field)
      assert.match(error.message, fault)
      assert.ok(!error.message.includes('hunter2'))
    })
  }

  test('in a variable is an error without its text', () => {
    process.env.EVERTOKEN_STORAGE = 'redis://:hunter2@h/x'
    const config = { ...configAt(server), storage: undefined }
    const error = configErrorOf(() => initializeTokenService(config))
    assert.equal(error.field, 'storage.url')
    assert.ok(!error.message.includes('hunter2'))
  })
})

describe('many processes with one Redis', { skip }, () => {
  test('make one request, whether they have a URL or a client', async () => {
    const service = freshName()
    const before = server.tokenRequests.length
    const ways = ['url', 'node-redis', 'ioredis', 'url', 'node-redis', 'ioredis']
    const tokens = await Promise.all(ways.map((way) => tokenOfAnotherProcess(service, 'callers', way)))
    assert.equal(new Set(tokens).size, 1)
    assert.equal(server.tokenRequests.length - before, 1)
  })
})

/** What another process with this service gets. */
async function tokenOfAnotherProcess(service, action = 'get', way = 'url') {
  const source = `
    import { initializeTokenService } from 'evertoken'
    import { redisClients } from './__test__/support/redis-clients.mjs'
    const { config, action, way, url } = JSON.parse(process.env.EVERTOKEN_TEST_CONFIG)
    const opened = way === 'url' ? undefined : await redisClients[way](url)
    const storage = opened ? { kind: 'redis', client: opened.client } : { kind: 'redis', url }
    const service = initializeTokenService({ ...config, storage, onFailure: 'throw' })
    if (action === 'refresh') await service.refresh()
    const all = await Promise.all(
      Array.from({ length: action === 'callers' ? 50 : 1 }, () => service.getToken()),
    )
    if (new Set(all).size > 1) throw new Error('callers get different tokens')
    console.log(all[0])
    await service.shutdown()
    opened?.close()`
  const given = { config: configAt(server, { service }), action, way, url: redis.url }
  const { stdout, stderr } = await runScript(source, {
    env: { EVERTOKEN_TEST_CONFIG: JSON.stringify(given) },
  })
  assert.equal(stderr, '')
  return stdout.trim()
}
