import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { getAuthHeaders, TokenError } from 'evertoken'
import { runScript } from '../support/child.mjs'
import { startDpopServer } from '../support/dpop-server.mjs'
import { serviceFor } from '../support/service.mjs'

async function setUp(t, serverOptions, config) {
  const server = await startDpopServer(serverOptions)
  t.after(() => server.close())
  const service = serviceFor(t, server, { authUrl: server.tokenEndpoint, dpop: true, ...config })
  return { server, service }
}

const needsRequest = (error) =>
  error instanceof TokenError &&
  error.code === 'ERR_TOKEN_CONFIG' &&
  error.field === 'request' &&
  error.message.includes('method')

describe('getAuthHeaders with dpop', () => {
  test('has its own proof for each request, with one key', async (t) => {
    const { server, service } = await setUp(t)
    for (const [method, url] of [
      ['GET', server.api],
      ['get', `${server.api}?page=2#top`],
      ['PATCH', server.api],
    ]) {
      // The API's nonce is not known before its first answer, which is the caller's here.
      let response
      for (let tries = 0; tries < 2; tries += 1) {
        const headers = await service.getAuthHeaders({ method, url })
        headers['x-mine'] = '1'
        response = await fetch(url, { method, headers })
        if (tries === 0) await service.fetch(url, { method })
      }
      assert.equal(response.status, 200, server.log.faults.join(', '))
    }
    assert.equal(server.log.thumbprints.size, 1)
    assert.equal(service.status().tokenType, 'DPoP')
    const request = { method: 'GET', url: server.api }
    const [one, two] = await Promise.all([service.getAuthHeaders(request), service.getAuthHeaders(request)])
    assert.equal(one.Authorization, two.Authorization)
    assert.notEqual(one.DPoP, two.DPoP)
  })

  test('says what to pass if the request is missing', async (t) => {
    const { service } = await setUp(t)
    for (const request of [undefined, {}, { method: 'GET' }, { url: 'https://api.example.com' }, 'GET']) {
      await assert.rejects(service.getAuthHeaders(request), needsRequest)
    }
    await assert.rejects(getAuthHeaders(service.name), needsRequest)
    await service.getToken()
    await assert.rejects(service.getAuthHeaders(), needsRequest)
    await assert.rejects(service.getAuthHeaders({ method: 'GET', url: '/orders' }), { field: 'request.url' })
    await assert.rejects(service.getAuthHeaders({ method: 'G T', url: 'https://h/' }), {
      field: 'request.method',
    })
  })

  test('sends the manual token unchanged if no other can be obtained', async (t) => {
    const { service } = await setUp(t, {}, { authUrl: 'http://127.0.0.1:1/token', token: 'by-hand' })
    const headers = await service.getAuthHeaders({ method: 'GET', url: 'https://api.example.com/' })
    assert.deepEqual(headers, { Authorization: 'Bearer by-hand' })
  })

  test('has no proof if the server does not bind the token', async (t) => {
    const { server, service } = await setUp(t, { tokenType: 'Bearer' })
    const headers = await service.getAuthHeaders({ method: 'GET', url: server.api })
    assert.deepEqual(Object.keys(headers), ['Authorization'])
    assert.match(headers.Authorization, /^Bearer /)
  })
})

describe('fetch with dpop', () => {
  test('uses each nonce once, and does not repeat a refused request of its own', async (t) => {
    const { server, service } = await setUp(t)
    for (const [input, init] of [
      [server.api, undefined],
      [`${server.api}?page=2`, { method: 'post', body: 'a body' }],
      [new Request(server.api, { method: 'DELETE' }), undefined],
    ]) {
      assert.equal((await service.fetch(input, init)).status, 200, server.log.faults.join(', '))
    }
    assert.deepEqual(server.log.faults, ['token: a wrong nonce', 'api: a wrong nonce'])
    assert.equal(server.log.tokenRequests.length, 2)
    const { refreshes, retriesOn401, failures } = service.status().counters
    assert.deepEqual([refreshes, retriesOn401, failures], [1, 0, 0])
  })

  test('sends the body again with a nonce that changed, and leaves a stream alone', async (t) => {
    const { server, service } = await setUp(t)
    assert.equal((await service.fetch(server.api)).status, 200)
    server.nonces.api = 'another-nonce'
    const text = await service.fetch(server.api, { method: 'PUT', body: 'a body' })
    assert.equal(text.status, 200)
    assert.deepEqual(
      server.log.apiRequests.slice(-2).map(({ body }) => body),
      ['a body', 'a body'],
    )

    server.nonces.api = 'a-third-nonce'
    const stream = () => ({ method: 'PUT', body: new Blob(['a stream']).stream(), duplex: 'half' })
    assert.equal((await service.fetch(server.api, stream())).status, 401)
    assert.equal((await service.fetch(server.api, stream())).status, 200, 'the next one has the nonce')
    assert.equal(service.status().counters.refreshes, 1, 'nothing was wrong with the token')
  })

  test('gets a new token, for the same key, when the old one is refused', async (t) => {
    const { server, service } = await setUp(t)
    await service.fetch(server.api)
    server.revokeAll()
    const response = await service.fetch(server.api)
    assert.equal(response.status, 200, server.log.faults.join(', '))
    assert.equal(server.log.thumbprints.size, 1)
    assert.equal(service.status().counters.retriesOn401, 1)
    assert.equal(server.log.tokenRequests.at(-1), 'refresh_token')
  })

  test('creates proofs by the clock of the servers', async (t) => {
    const { server, service } = await setUp(t, { aheadSeconds: 3600 })
    assert.equal((await service.fetch(server.api)).status, 200, server.log.faults.join(', '))
    assert.equal(service.status().counters.failures, 0)
  })
})

for (const [kind, name] of [
  ['file', 'cache.json'],
  ['sqlite', 'cache.db'],
]) {
  test(`a process that adopts the token from a ${kind} store has its key, and the store shows nothing of it`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'evertoken-dpop-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const storage = { kind, path: join(folder, name) }
    const { server, service } = await setUp(t, {}, { storage })
    assert.equal((await service.fetch(server.api)).status, 200)

    const { name: serviceName } = service
    const config = {
      service: serviceName,
      authUrl: server.tokenEndpoint,
      clientId: 'tests',
      storage,
      dpop: true,
      clientSecret: 'the-client-secret-of-the-tests',
    }
    const child = await runScript(`
      import { initializeTokenService } from 'evertoken'
      const service = initializeTokenService(${JSON.stringify(config)})
      const first = await service.fetch(${JSON.stringify(server.api)})
      const { storeHits, tokenRequests } = service.status().counters
      await service.refresh()
      const second = await service.fetch(${JSON.stringify(server.api)})
      console.log(JSON.stringify([first.status, storeHits, tokenRequests, second.status]))
      await service.shutdown()
    `)
    assert.deepEqual(JSON.parse(child.stdout || '[]'), [200, 1, 0, 200], child.stderr)
    assert.equal(server.log.thumbprints.size, 1)
    // A database's newest pages are in a file next to it.
    const stored = readdirSync(folder, { recursive: true })
      .map((file) => join(folder, file))
      .filter((file) => statSync(file).isFile())
      .map((file) => readFileSync(file, 'latin1'))
      .join('')
    assert.ok(/et1\.k\./.test(stored), 'the key is in the sealed record')
    assert.ok(!/proof_?key/i.test(stored) && !stored.includes('MIGHAgEA'), 'nor is any part of it elsewhere')
  })
}
