// A token is not sent after its time, although no timer ran while the machine slept.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getAuthHeaders } from 'evertoken'
import { runScript } from '../support/child.mjs'
import { serviceFor, useTokenServer } from '../support/service.mjs'

const native = createRequire(import.meta.url)('evertoken/native')
const server = useTokenServer()
const hour = 3_600_000

/** A service with a token in hand, a clock to set, and how often the core was asked since. */
async function setUp(t) {
  const service = serviceFor(t, server)
  await service.getAuthHeaders()
  await service.getAuthHeaders()
  const asked = t.mock.method(native, 'headers')
  const { now } = Date
  let ahead = 0
  t.mock.method(Date, 'now', () => now() + ahead)
  return {
    service,
    setAhead: (milliseconds) => (ahead = milliseconds),
    asked: () => asked.mock.callCount(),
  }
}

describe('the clock', () => {
  const uses = {
    'service.getAuthHeaders()': (service) => service.getAuthHeaders(),
    'getAuthHeaders()': (service) => getAuthHeaders(service.name),
    'getToken()': (service) => service.getToken(),
    'fetch()': (service) => service.fetch(server.apiUrl),
  }
  for (const [name, use] of Object.entries(uses)) {
    test(`is read by ${name} in each tick of the event loop, and after the expiry the core is called`, async (t) => {
      const { service, setAhead, asked } = await setUp(t)
      await nextTurn()
      await use(service)
      assert.equal(asked(), 0)
      setAhead(2 * hour)
      await nextTurn()
      await use(service)
      // The API goes by this process's clock, too, so that it may refuse the token, and fetch look again.
      assert.ok(asked() >= 1)
    })
  }

  test('is read once in a tick, for any number of calls', async (t) => {
    const { service } = await setUp(t)
    await nextTurn()
    const before = Date.now.mock.callCount()
    for (let call = 0; call < 1000; call += 1) await service.getAuthHeaders()
    assert.equal(Date.now.mock.callCount() - before, 1)
  })

  test('that was set back causes one call of the core', async (t) => {
    const { service, setAhead, asked } = await setUp(t)
    setAhead(-hour)
    await nextTurn()
    await service.getAuthHeaders()
    await nextTurn()
    await service.getAuthHeaders()
    assert.equal(asked(), 1)
  })

  test('of fake timers that shows another year does not block callers', async (t) => {
    const { service, setAhead } = await setUp(t)
    for (const years of [40, -40]) {
      setAhead(years * 365 * 24 * hour)
      await nextTurn()
      assert.match((await service.getAuthHeaders()).Authorization, /^Bearer access-/)
    }
  })
})

test('a tick that fake timers never end does not block callers', async () => {
  const { code, stdout, stderr } = await runScript(`
    process.nextTick = () => {}
    const { initializeTokenService } = await import('evertoken')
    const service = initializeTokenService({ token: 'by-hand', storage: { kind: 'memory' } })
    for (let call = 0; call < 3; call += 1) console.log((await service.getAuthHeaders()).Authorization)
    process.exit(0)
  `)
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.equal(stdout, 'Bearer by-hand\n'.repeat(3))
})

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find(existsSync)

test('a machine that wakes from sleep sends no token that has expired', {
  skip: !library && 'needs libfaketime',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-sleep-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'time')
  writeFileSync(file, '+0')
  const source = `
    import { createServer } from 'node:http'
    import { once } from 'node:events'
    import { writeFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { initializeTokenService } from 'evertoken'
    let count = 0
    const server = createServer((_, response) => {
      response.sendDate = false
      response.end(JSON.stringify({ access_token: 't' + ++count, expires_in: 3600 }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const authUrl = \`http://127.0.0.1:\${server.address().port}/token\`
    const service = initializeTokenService({ authUrl, clientId: 'a', clientSecret: 'secret', storage: { kind: 'memory' } })
    const uses = [async () => (await service.getAuthHeaders()).Authorization, () => service.getToken()]
    const served = []
    for (const [round, use] of uses.entries()) {
      const before = await use()
      await sleep(200)
      writeFileSync(process.env.FAKETIME_TIMESTAMP_FILE, \`+\${2 * (round + 1)}h\`)
      served.push((await use()) === before)
    }
    console.log(JSON.stringify(served))
    process.exit(0)
  `
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    LOG_LEVEL: 'silent',
  }
  const { stdout, stderr } = await runScript(source, { env })
  assert.equal(stdout.trim(), '[false,false]', stderr)
})
