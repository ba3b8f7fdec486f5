import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import * as real from 'evertoken'
import { createFakeEvertoken } from 'evertoken/testing'

test('the fake exports what evertoken exports, and its services have the same methods', () => {
  const { failWith, ...fake } = createFakeEvertoken()
  const ofTheModule = ['default', '__esModule', 'module.exports']
  assert.deepEqual(
    Object.keys(fake).sort(),
    Object.keys(real)
      .filter((name) => !ofTheModule.includes(name))
      .sort(),
  )
  const service = fake.initializeTokenService()
  for (const method of Object.getOwnPropertyNames(real.TokenService.prototype)) {
    if (method !== 'constructor') assert.equal(typeof service[method], 'function', method)
  }
  assert.deepEqual(new Set(Object.keys(service.status())), statusFields())
  assert.equal(typeof failWith, 'function')
})

function statusFields() {
  const service = real.initializeTokenService({
    service: 'a-real-one',
    token: 'manual',
    storage: { kind: 'memory' },
  })
  const fields = new Set(Object.keys(service.status()))
  void service.shutdown()
  return fields
}

test('it returns a token, counts refreshes, and clears', async () => {
  const fake = createFakeEvertoken({ token: 'mine' })
  assert.equal(fake.getTokenService(), null)
  assert.deepEqual(await fake.getAuthHeaders(), { Authorization: 'Bearer mine' })
  const service = fake.getTokenService()
  const [[refreshed]] = await Promise.all([once(service, 'refreshed'), service.refresh()])
  assert.equal(refreshed.status.state, 'valid')
  assert.equal(await service.getToken(), 'fake-token-2')
  await service.clear()
  assert.equal(service.status().state, 'missing')
  await service.shutdown()
  assert.equal(fake.getTokenService(), null)
  await assert.rejects(service.getToken(), { code: 'ERR_TOKEN_SHUTDOWN' })
})

test('its headers are a new object at each call, with and without a token', async () => {
  const fake = createFakeEvertoken()
  for (const expected of [{ Authorization: 'Bearer fake-token-1' }, {}]) {
    for (let call = 0; call < 2; call += 1) {
      const headers = await fake.getAuthHeaders()
      assert.deepEqual(headers, expected)
      headers['x-host-id'] = '1'
    }
    fake.failWith('ERR_TOKEN_NETWORK')
  }
})

test('it fails on request, and recovers', async () => {
  const fake = createFakeEvertoken()
  const service = fake.initializeTokenService({ service: 'billing' })
  assert.equal(fake.initializeTokenService({ service: 'billing' }), service)
  fake.failWith('ERR_TOKEN_RATE_LIMITED', { retryAfterSeconds: 30 })
  const heard = once(service, 'refreshFailed')
  assert.deepEqual(await fake.getAuthHeaders('billing'), {})
  assert.equal((await heard)[0].error.code, 'ERR_TOKEN_RATE_LIMITED')
  await assert.rejects(
    service.refresh(),
    (error) => error instanceof fake.TokenError && error.retryAfterSeconds === 30,
  )
  assert.deepEqual([service.status().consecutiveFailures, service.status().healthy], [2, false])
  fake.failWith(null)
  await service.getToken()
  fake.failWith('ERR_TOKEN_TIMEOUT')
  assert.equal(await service.getToken(), null, 'also where there was a token')
  fake.failWith(null)
  assert.deepEqual(await fake.getAuthHeaders('billing'), { Authorization: 'Bearer fake-token-1' })
  assert.equal(service.status().lastError, null)
})

test('its status can be overridden, and its scheduler does nothing', () => {
  const fake = createFakeEvertoken({ status: { state: 'expired', healthy: false } })
  assert.equal(fake.startTokenScheduler({ refreshIntervalSeconds: 5 }).running, true)
  const status = fake.initializeTokenService().status()
  assert.deepEqual(
    [status.state, status.healthy, status.scheduler.refreshIntervalSeconds],
    ['expired', false, 5],
  )
  assert.equal(fake.stopTokenScheduler().running, false)
})

test('its fetch is the real one, with the header', async (t) => {
  const server = createServer((request, response) => response.end(request.headers.authorization))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const service = createFakeEvertoken().initializeTokenService()
  const response = await service.fetch(`http://127.0.0.1:${server.address().port}/`, {
    headers: { 'x-mine': '1' },
  })
  assert.equal(await response.text(), 'Bearer fake-token-1')
})

test('it loads no addon', () => {
  const code = `require('evertoken/testing').createFakeEvertoken().initializeTokenService();
    console.log(Object.keys(require.cache).some((file) => file.endsWith('.node')))`
  assert.equal(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }).trim(), 'false')
})

test('a consent that has ended lasts until adopt()', async () => {
  const fake = createFakeEvertoken()
  const service = fake.initializeTokenService()
  fake.failWith('ERR_TOKEN_CONSENT')
  const ended = once(service, 'consentEnded')
  await assert.rejects(service.refresh(), { code: 'ERR_TOKEN_CONSENT' })
  assert.equal((await ended)[0].error.code, 'ERR_TOKEN_CONSENT')
  assert.ok(service.status().consentEndedAt)
  await assert.rejects(service.adopt({}), { code: 'ERR_TOKEN_CONFIG', field: 'tokens' })
  const status = await service.adopt({ access_token: 'adopted', refresh_token: 'r' })
  assert.deepEqual([status.state, status.consentEndedAt], ['valid', null])
  assert.deepEqual(await service.getAuthHeaders(), { Authorization: 'Bearer adopted' })
  await service.refresh()
  assert.equal(await service.getToken(), 'fake-token-1')
  assert.equal((await service.adopt({ refreshToken: 'r' })).state, 'missing')
})
