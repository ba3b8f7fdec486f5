// The token with what came with it: getAccessToken() and `fields`.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { createFakeEvertoken } from 'evertoken/testing'
import { configAt, freshName, serviceFor } from '../support/service.mjs'
import { startPlainServer } from '../support/plain-server.mjs'

/** A token server that gives these answers in turn, and the last one for good. */
async function tokensOf(t, ...answers) {
  const server = await startPlainServer(() => {
    const { status = 200, ...body } = answers.length > 1 ? answers.shift() : answers[0]
    return { status, headers: { 'content-type': 'application/json' }, body }
  })
  t.after(() => server.close())
  return Object.assign(server, { tokenUrl: `${server.origin}/token` })
}

const answer = (more) => ({ access_token: 'abc', token_type: 'Bearer', expires_in: 3600, ...more })

describe('getAccessToken', () => {
  test('has the token, its type, its expiry and the fields, in a new object', async (t) => {
    const server = await tokensOf(
      t,
      answer({ instance_url: 'https://na1.example.com', id: 7, data: { domain: 'eu' } }),
    )
    const service = serviceFor(t, server, { fields: ['instance_url', 'id', 'data.domain'] })
    const one = await service.getAccessToken()
    assert.deepEqual(one, {
      token: 'abc',
      tokenType: 'Bearer',
      expiresAt: new Date(service.status().expiresAt),
      fields: { instance_url: 'https://na1.example.com', id: '7', 'data.domain': 'eu' },
    })
    one.fields.instance_url = 'other'
    one.expiresAt.setTime(0)
    const two = await service.getAccessToken()
    assert.equal(two.fields.instance_url, 'https://na1.example.com')
    assert.ok(two.expiresAt.getTime() > Date.now())
    assert.equal(server.requests.length, 1)
  })

  test('is null without a token, and rejects with onFailure throw', async (t) => {
    const server = await tokensOf(t, { status: 401, error: 'invalid_client' })
    assert.equal(await serviceFor(t, server).getAccessToken(), null)
    const failing = serviceFor(t, server, { onFailure: 'throw' })
    await assert.rejects(failing.getAccessToken(), { code: 'ERR_TOKEN_CREDENTIALS' })
  })

  test('has no expiry and no fields for the manual token', async (t) => {
    const service = initializeTokenService({
      service: freshName(),
      token: 'by-hand',
      fields: ['id'],
      storage: { kind: 'memory' },
    })
    t.after(() => service.shutdown())
    const expected = { token: 'by-hand', tokenType: 'Bearer', expiresAt: null, fields: {} }
    assert.deepEqual(await service.getAccessToken(), expected)
  })

  test('has no expiry for a token that does not expire', async (t) => {
    const server = await tokensOf(t, answer({ expires_in: 0 }))
    const { expiresAt } = await serviceFor(t, server, { neverExpires: true }).getAccessToken()
    assert.equal(expiresAt, null)
  })

  test('rejects after the end of the service', async (t) => {
    const service = serviceFor(t, await tokensOf(t, answer()))
    await service.getAccessToken()
    await service.shutdown()
    await assert.rejects(service.getAccessToken(), { code: 'ERR_TOKEN_SHUTDOWN' })
  })

  test('of the fake has the configured fields', async () => {
    const fake = createFakeEvertoken({ token: 'mine', fields: { instance_url: 'https://na1.example.com' } })
    const service = fake.initializeTokenService()
    const { expiresAt, ...rest } = await service.getAccessToken()
    assert.deepEqual(rest, {
      token: 'mine',
      tokenType: 'Bearer',
      fields: { instance_url: 'https://na1.example.com' },
    })
    assert.ok(expiresAt > new Date())
    fake.failWith('ERR_TOKEN_NETWORK')
    assert.equal(await service.getAccessToken(), null)
  })
})

describe('fields', () => {
  test('keep their value if a refresh leaves them out', async (t) => {
    const server = await tokensOf(t, answer({ url: 'one' }), answer(), answer({ url: 'two' }))
    const service = serviceFor(t, server, { fields: ['url'] })
    const urls = []
    for (let call = 0; call < 3; call += 1) {
      urls.push((await service.getAccessToken()).fields.url)
      await service.refresh()
    }
    assert.deepEqual(urls, ['one', 'one', 'two'])
  })

  test('are encrypted in the store, and available to the next process', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'evertoken-fields-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const server = await tokensOf(t, answer({ url: 'https://hidden.example' }))
    const config = configAt(server, {
      fields: ['url'],
      storage: { kind: 'file', path: join(folder, 'cache.json') },
    })
    const first = initializeTokenService(config)
    await first.getToken()
    const { location } = first.status().storage
    await first.shutdown()
    assert.ok(!readFileSync(location, 'utf8').includes('hidden'))
    const second = initializeTokenService(config)
    t.after(() => second.shutdown())
    assert.deepEqual((await second.getAccessToken()).fields, { url: 'https://hidden.example' })
    assert.equal(server.requests.length, 1)
  })

  test('are in no status, event, line or printed service', async (t) => {
    process.env.LOG_LEVEL = 'debug'
    t.after(() => (process.env.LOG_LEVEL = 'error'))
    const told = []
    const keep = (...all) => told.push(JSON.stringify(all))
    const server = await tokensOf(t, answer({ id_token: 'hunter2' }))
    const logger = { debug: keep, info: keep, warn: keep, error: keep }
    const service = serviceFor(t, server, { fields: ['id_token', 'absent'], logger })
    service.on('refreshed', keep)
    await service.getAccessToken()
    await service.refresh()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const { inspect } = await import('node:util')
    const all = [
      ...told,
      JSON.stringify(service.status()),
      inspect(service, { depth: 9, showHidden: true }),
    ].join('\n')
    assert.ok(!all.includes('hunter2'))
    assert.equal(told.filter((line) => line.includes('absent is missing')).length, 1, all)
  })

  test('that are not names are refused', async (t) => {
    const server = await tokensOf(t, answer())
    for (const fields of [
      '',
      7,
      {},
      [7],
      ['a..b'],
      ['$'],
      ['a', 'a'],
      ['__proto__'],
      Array.from({ length: 17 }, (_, n) => `f${n}`),
    ]) {
      assert.throws(
        () => serviceFor(t, server, { fields }),
        { code: 'ERR_TOKEN_CONFIG', field: /^fields/ },
        JSON.stringify(fields),
      )
    }
  })

  test('with an unusual name are ordinary members', async (t) => {
    const server = await tokensOf(t, answer({ constructor: 'c', toString: 't' }))
    const { fields } = await serviceFor(t, server, {
      fields: ['constructor', 'toString', 'hasOwnProperty'],
    }).getAccessToken()
    assert.deepEqual(Object.entries(fields), [
      ['constructor', 'c'],
      ['toString', 't'],
    ])
  })
})
