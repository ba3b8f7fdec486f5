// `refusedBy`: an API that refuses a token in other words than 401.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { initializeTokenService } from 'evertoken'
import { configAt, serviceFor } from '../support/service.mjs'
import { startPlainServer } from '../support/plain-server.mjs'

let tokens, api, stranger
let issued = 0
/** What the API answers to this token. */
let refused = { authorization: '', answer: {} }

before(async () => {
  tokens = await startPlainServer(() => ({ body: { access_token: `t${++issued}`, expires_in: 3600 } }))
  stranger = await startPlainServer(() => ({ status: 403, body: 'token_expired' }))
  api = await startPlainServer(({ path, headers, method, body }, response) => {
    if (headers.authorization === refused.authorization) return refused.answer
    if (path === '/away') return { status: 302, headers: { location: `${stranger.origin}/` } }
    if (path === '/endless') {
      const timer = setInterval(() => response.write('x'.repeat(1000)), 5)
      response.on('close', () => clearInterval(timer))
      return undefined
    }
    return { status: path === '/forbidden' ? 403 : 200, body: `${method} ${path} ${body}` }
  })
})
after(() => {
  for (const server of [tokens, api, stranger]) server.close()
})

const serviceWith = (t, refusedBy, config) =>
  serviceFor(t, { tokenUrl: `${tokens.origin}/token` }, { refusedBy, ...config })

/** The API refuses the token in hand like this. */
async function refuses(service, answer) {
  refused = { ...(await service.getAuthHeaders()), answer }
  refused.authorization = refused.Authorization
}

const isExpired = async (response) =>
  response.status === 403 && (await response.text()).includes('token_expired')

describe('refusedBy', () => {
  test('that recognizes a refusal by its body causes one repeated request with a later token', async (t) => {
    const service = serviceWith(t, isExpired)
    await refuses(service, { status: 403, body: 'token_expired' })
    const requests = await api.during(async () => {
      const response = await service.fetch(`${api.origin}/x`, { method: 'POST', body: 'text' })
      assert.deepEqual([response.status, await response.text()], [200, 'POST /x text'])
    })
    assert.equal(requests.length, 2)
  })

  test('that sees no refusal leaves the response intact, even if it has read it', async (t) => {
    const seen = []
    const judges = [
      isExpired,
      () => false,
      () => undefined,
      async (response) => void (await response.arrayBuffer()),
      async (response) => void (await response.body.getReader().read()),
      async (response) => void (await response.clone().text()),
      (response) =>
        void seen.push([response instanceof Response, response.url, response.headers.get('x'), response.ok]),
    ]
    for (const refusedBy of judges) {
      const service = serviceWith(t, refusedBy)
      const requests = await api.during(async () => {
        const response = await service.fetch(`${api.origin}/forbidden`)
        assert.deepEqual(
          [response.status, response.bodyUsed, await response.text()],
          [403, false, 'GET /forbidden '],
        )
      })
      assert.equal(requests.length, 1)
    }
    assert.deepEqual(seen, [[true, `${api.origin}/forbidden`, null, false]])
  })

  test('may change its copy without an effect on the response', async (t) => {
    const service = serviceWith(t, (response) => {
      response.headers.set('x-mine', '1')
      return false
    })
    const response = await service.fetch(`${api.origin}/x`)
    assert.equal(response.headers.get('x-mine'), null)
  })

  test('is not called for a 401, a request without the header, or another origin', async (t) => {
    let calls = 0
    const service = serviceWith(t, () => (calls += 1) > 0, { allowedOrigins: [api.origin] })
    await refuses(service, { status: 401 })
    assert.equal((await service.fetch(`${api.origin}/x`)).status, 200)
    await service.fetch(`${api.origin}/x`, { headers: { authorization: 'Basic x' } })
    await service.fetch(`${stranger.origin}/x`)
    assert.equal((await service.fetch(`${api.origin}/away`)).status, 403)
    assert.equal(calls, 0)
  })

  const faults = {
    throws: () => {
      throw new Error('a fault')
    },
    rejects: () => Promise.reject(new Error('a fault')),
    'rejects with nothing': () => Promise.reject(undefined),
    'gives a promise of its own kind that throws': () => ({
      then() {
        throw new Error('a fault')
      },
    }),
  }
  for (const [name, refusedBy] of Object.entries(faults)) {
    test(`that ${name} does not affect the caller, and is reported once`, async (t) => {
      const errors = []
      const logger = { debug() {}, info() {}, warn() {}, error: (line) => errors.push(line) }
      const service = serviceWith(t, refusedBy, { logger })
      for (let call = 0; call < 2; call += 1) {
        assert.equal(await (await service.fetch(`${api.origin}/x`)).text(), 'GET /x ')
      }
      assert.equal(errors.length, 1)
      assert.match(errors[0], /refusedBy failed with .*; the token counts as accepted/)
    })
  }

  test('that reads without being awaited, or hangs on an endless response, does not affect the caller', async (t) => {
    const unhandled = []
    const keep = (error) => unhandled.push(error)
    process.on('unhandledRejection', keep)
    t.after(() => process.off('unhandledRejection', keep))
    const reading = serviceWith(t, (response) => {
      void response.text()
      return false
    })
    const response = await reading.fetch(`${api.origin}/endless`)
    const reader = response.body.getReader()
    for (let chunk = 0; chunk < 3; chunk += 1) assert.ok((await reader.read()).value.length > 0)
    await reader.cancel()

    const hanging = serviceWith(t, (response) => response.text())
    const begun = performance.now()
    const late = await hanging.fetch(`${api.origin}/endless`)
    assert.ok(performance.now() - begun < 8000)
    assert.ok((await late.body.getReader().read()).value.length > 0)
    await sleep(20)
    assert.deepEqual(unhandled, [])
  })

  test('does not block a caller that aborts', async (t) => {
    const service = serviceWith(t, () => new Promise(() => {}))
    await service.getToken()
    const begun = performance.now()
    await assert.rejects(service.fetch(`${api.origin}/x`, { signal: AbortSignal.timeout(100) }), {
      name: 'TimeoutError',
    })
    assert.ok(performance.now() - begun < 2000)
  })

  test('of the newest call counts, as the logger does', async (t) => {
    const config = configAt({ tokenUrl: `${tokens.origin}/token` })
    const asked = []
    const service = initializeTokenService({ ...config, refusedBy: () => asked.push('old') === 0 })
    t.after(() => service.shutdown())
    assert.equal(initializeTokenService({ ...config, refusedBy: () => asked.push('new') === 0 }), service)
    await service.fetch(`${api.origin}/x`)
    assert.deepEqual(asked, ['new'])
  })

  test('that is not a function is refused', (t) => {
    for (const refusedBy of [true, 'x', {}, null]) {
      assert.throws(() => serviceWith(t, refusedBy), { code: 'ERR_TOKEN_CONFIG', field: 'refusedBy' })
    }
  })
})
