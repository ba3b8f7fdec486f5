import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { runScript } from '../support/child.mjs'
import { account, djangoEnvironment, machine, person, startDjango } from '../support/django.mjs'
import { freshName } from '../support/service.mjs'
import { answersOfTwo, failure, fileStorage, serviceFor } from '../support/real-servers.mjs'

const { python, reason } = await djangoEnvironment()

/** A server for the tests of a group; its properties are there once they run. */
function useDjango(options) {
  const server = {}
  before(async () => Object.assign(server, await startDjango(python, options)))
  after(() => server.close())
  return server
}

/** The requests that a server answers while `call` runs, each as its path and status. */
async function requestsOf(server, call) {
  const before = await server.answered()
  await call()
  const after = await server.answered()
  return after.slice(before.length).map(({ path, status }) => `${path} ${status}`)
}

describe('simplejwt', { skip: reason }, () => {
  const server = useDjango()
  const login = (config) => ({ authUrl: `${server.origin}/api/token/`, ...account, ...config })
  const rotating = (config) => login({ refreshUrl: `${server.origin}/api/token/refresh/`, ...config })

  test('the header of a login gives access to a protected view, and the token lasts until its exp', async (t) => {
    const service = serviceFor(t, login())
    const requests = await requestsOf(server, async () => {
      const response = await service.fetch(`${server.origin}/api/me/`)
      assert.deepEqual(await response.json(), { username: account.username })
    })
    assert.deepEqual(requests, ['/api/token/ 200', '/api/me/ 200'])
    const { expiresInSeconds, strategy } = service.status()
    assert.ok(expiresInSeconds > 290 && expiresInSeconds <= 300, `${expiresInSeconds}`)
    assert.equal(strategy.format, 'json_username')
  })

  test('an account that is configured as email costs one more request, the first time', async (t) => {
    const service = serviceFor(t, login({ email: account.username, username: undefined }))
    assert.deepEqual(await requestsOf(server, () => service.getToken()), [
      '/api/token/ 400',
      '/api/token/ 200',
    ])
    assert.deepEqual(await requestsOf(server, () => service.refresh()), ['/api/token/ 200'])
  })

  test('with refreshUrl, every refresh token is used once, and is then invalid', async (t) => {
    const service = serviceFor(t, rotating())
    const tokens = new Set()
    const requests = await requestsOf(server, async () => {
      tokens.add(await service.getToken())
      for (let turn = 0; turn < 6; turn += 1) {
        await Promise.all([service.refresh(), service.refresh()])
        tokens.add(await service.getToken())
      }
    })
    assert.deepEqual(requests, ['/api/token/ 200', ...Array(6).fill('/api/token/refresh/ 200')])
    assert.equal(tokens.size, 7)
    const spent = (await server.answered('/api/token/refresh/')).slice(-6).map(({ body }) => body)
    assert.equal(new Set(spent).size, 6)
    const headers = { 'content-type': 'application/json' }
    for (const body of spent) {
      const again = await fetch(`${server.origin}/api/token/refresh/`, { method: 'POST', headers, body })
      assert.equal(again.status, 401, 'the server notices a token that is spent again')
    }
    assert.equal((await service.fetch(`${server.origin}/api/me/`)).status, 200)
  })

  test('a wrong password is one request, for any number of header calls', async (t) => {
    const service = serviceFor(t, rotating({ password: 'wrong' }))
    const requests = await requestsOf(server, async () => {
      for (const call of [
        () => service.getToken(),
        () => service.getAuthHeaders(),
        () => service.getToken(),
      ]) {
        await assert.rejects(call(), failure('ERR_TOKEN_CREDENTIALS', 401))
      }
    })
    assert.deepEqual(requests, ['/api/token/ 401'])
  })

  test('if a trailing slash is missing, Django redirects, and the POST follows', async (t) => {
    const service = serviceFor(
      t,
      login({ authUrl: `${server.origin}/api/token`, refreshUrl: `${server.origin}/api/token/refresh` }),
    )
    const requests = await requestsOf(server, async () => {
      await service.getToken()
      await service.refresh()
      assert.equal((await service.fetch(`${server.origin}/api/me/`)).status, 200)
    })
    assert.deepEqual(requests, [
      ...['/api/token 301', '/api/token/ 200'],
      ...['/api/token/refresh 301', '/api/token/refresh/ 200'],
      '/api/me/ 200',
    ])
  })

  test('if a trailing slash is missing, a wrong password is still sent once', async (t) => {
    const service = serviceFor(t, login({ authUrl: `${server.origin}/api/token`, password: 'wrong again' }))
    const requests = await requestsOf(server, () =>
      assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401)),
    )
    assert.deepEqual(requests, ['/api/token 301', '/api/token/ 401'])
  })
})

describe('simplejwt with tokens that last seconds', { skip: reason }, () => {
  const server = useDjango({ accessSeconds: 2, refreshSeconds: 4 })
  const rotating = () => ({
    authUrl: `${server.origin}/api/token/`,
    refreshUrl: `${server.origin}/api/token/refresh/`,
    ...account,
  })

  test('after a refresh token has expired the credentials are used again', async (t) => {
    const service = serviceFor(t, rotating())
    const requests = await requestsOf(server, async () => {
      await service.getToken()
      await pause(5000)
      const response = await service.fetch(`${server.origin}/api/me/`)
      assert.deepEqual(await response.json(), { username: account.username })
    })
    assert.deepEqual(requests, [
      '/api/token/ 200',
      '/api/token/refresh/ 401',
      '/api/token/ 200',
      '/api/me/ 200',
    ])
    assert.equal(service.status().consecutiveFailures, 0)
  })

  test('two processes that share a file rotate for seconds without a refusal', async (t) => {
    const before = await server.answered()
    const answers = await answersOfTwo(t, rotating(), { loop: 7000 })
    assert.deepEqual(
      answers.map(({ without }) => without),
      [0, 0],
    )
    const [first, ...rest] = (await server.answered()).slice(before.length)
    assert.equal(first.path, '/api/token/')
    assert.ok(rest.length >= 3, `${rest.length} refreshes`)
    const kinds = new Set(rest.map(({ path, status }) => `${path} ${status}`))
    assert.deepEqual(kinds, new Set(['/api/token/refresh/ 200']))
    assert.equal(new Set(rest.map(({ body }) => body)).size, rest.length)
  })
})

describe('simplejwt with its own token type', { skip: reason }, () => {
  const server = useDjango({ headerType: 'JWT' })

  test('scheme sets it', async (t) => {
    for (const [scheme, status] of [
      [undefined, 401],
      ['JWT', 200],
    ]) {
      const service = serviceFor(t, { authUrl: `${server.origin}/api/token/`, ...account, scheme })
      const headers = await service.getAuthHeaders()
      assert.equal((await fetch(`${server.origin}/api/me/`, { headers })).status, status)
    }
  })
})

describe('a missing slash if Django does not redirect', { skip: reason }, () => {
  describe('under DEBUG', () => {
    const server = useDjango({ debug: true })

    test('Django responds with 500 and a page, and the error says that the server failed', async (t) => {
      const retry = { attempts: 2, baseMs: 1 }
      const service = serviceFor(t, { authUrl: `${server.origin}/api/token`, ...account, retry })
      const requests = await requestsOf(server, () =>
        assert.rejects(service.getToken(), failure('ERR_TOKEN_RESPONSE', 500)),
      )
      assert.deepEqual(requests, ['/api/token 500', '/api/token 500'])
    })
  })

  describe('without APPEND_SLASH', () => {
    const server = useDjango({ appendSlash: false })

    test('Django responds with 404, and no other URL is requested', async (t) => {
      const service = serviceFor(t, { authUrl: `${server.origin}/api/token`, ...account })
      const requests = await requestsOf(server, () =>
        assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 404)),
      )
      assert.deepEqual(requests, ['/api/token 404'])
    })

    test('with probe: true the common endpoints are tried, too', async (t) => {
      const service = serviceFor(t, { authUrl: `${server.origin}/api/token`, ...account, probe: true })
      const requests = await requestsOf(server, () =>
        assert.rejects(service.getToken(), failure('ERR_TOKEN_ENDPOINT', 404)),
      )
      assert.equal(requests[0], '/api/token 404')
      assert.ok(requests.length > 1 && requests.every((request) => request.endsWith(' 404')))
    })
  })
})

describe('Django OAuth Toolkit', { skip: reason }, () => {
  const server = useDjango()
  const at = (config) => ({
    authUrl: `${server.origin}/o/token/`,
    revocationUrl: `${server.origin}/o/revoke_token/`,
    ...config,
  })
  const orders = (headers) => fetch(`${server.origin}/api/orders/`, { headers })

  for (const clientAuthentication of ['client_secret_basic', 'client_secret_post']) {
    test(`client credentials by ${clientAuthentication} give access to a protected view`, async (t) => {
      const service = serviceFor(t, at({ ...machine, scope: 'read', clientAuthentication }))
      const response = await service.fetch(`${server.origin}/api/orders/`)
      assert.deepEqual(await response.json(), { client: machine.clientId })
      assert.equal(service.status().counters.tokenRequests, 1)
    })

    test(`a wrong secret by ${clientAuthentication} is one request`, async (t) => {
      const service = serviceFor(t, at({ ...machine, clientSecret: 'wrong', clientAuthentication }))
      const requests = await requestsOf(server, async () => {
        await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
        await assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 401))
      })
      assert.deepEqual(requests, ['/o/token/ 401'])
    })
  }

  test('clear({ revoke: true }) revokes the token', async (t) => {
    const service = serviceFor(t, at(machine))
    const headers = await service.getAuthHeaders()
    assert.equal((await orders(headers)).status, 200)
    await service.clear({ revoke: true })
    assert.equal((await orders(headers)).status, 401)
  })

  test('a wrong password of the password grant is one request', async (t) => {
    const service = serviceFor(t, at({ grant: 'password', ...person, ...account, password: 'wrong' }))
    const requests = await requestsOf(server, () =>
      assert.rejects(service.getToken(), failure('ERR_TOKEN_CREDENTIALS', 400)),
    )
    assert.deepEqual(requests, ['/o/token/ 400'])
  })

  test('a refresh rotates the refresh token and revokes the access token at once', async (t) => {
    const service = serviceFor(t, at({ grant: 'password', ...person, ...account }))
    let last = await service.getAuthHeaders()
    const requests = await requestsOf(server, async () => {
      for (let turn = 0; turn < 4; turn += 1) {
        await service.refresh()
        const next = await service.getAuthHeaders()
        assert.deepEqual([(await orders(last)).status, (await orders(next)).status], [401, 200])
        last = next
      }
    })
    assert.equal(requests.filter((request) => request === '/o/token/ 200').length, 4)
    const bodies = (await server.answered('/o/token/')).slice(-4).map(({ body }) => new URLSearchParams(body))
    assert.equal(new Set(bodies.map((body) => body.get('refresh_token'))).size, 4)
  })

  test('a process whose token is revoked by the refresh of another adopts the new one', async (t) => {
    const storage = fileStorage(t)
    const config = { service: freshName(), storage, ...at({ grant: 'password', ...person, ...account }) }
    const service = serviceFor(t, config)
    await service.getToken()

    const refresh = `import { initializeTokenService } from 'evertoken'
      await initializeTokenService(${JSON.stringify(config)}).refresh()`
    const adopted = () => service.status().history.filter(({ outcome }) => outcome === 'adopted').length
    // Now and then the look into the store, every other second, comes before the 401.
    for (let round = 1; round <= 5 && service.status().counters.retriesOn401 === 0; round += 1) {
      const other = runScript(refresh)
      while (adopted() < round)
        assert.equal((await service.fetch(`${server.origin}/api/orders/`)).status, 200)
      const { code, stderr } = await other
      assert.deepEqual([code, stderr], [0, ''])
    }
    const { tokenRequests, retriesOn401 } = service.status().counters
    assert.deepEqual([tokenRequests, retriesOn401], [1, 1])
  })
})
