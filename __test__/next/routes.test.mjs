// What the token's routes answer, with a real service behind them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createTokenRoutes } from 'evertoken/next'
import { clientEnvironment, runScript } from '../support/child.mjs'
import { clientSecret, serviceFor, useTokenServer } from '../support/service.mjs'

const server = useTokenServer()

const site = 'http://localhost:3000/api/token'
const request = (method, path = '', headers = {}) => new Request(site + path, { method, headers })
/** Parameters as Next.js hands them over: a promise, without the catch-all when it is empty. */
const params = (...action) => ({ params: Promise.resolve(action.length === 0 ? {} : { action }) })

function routesFor(context, config) {
  const service = serviceFor(context, server, config)
  return { service, routes: createTokenRoutes({ service: service.name }) }
}

describe('the token routes', () => {
  it('respond to GET status with the status, without a token request', async (context) => {
    const { service, routes } = routesFor(context)
    const before = server.tokenRequests.length
    const response = await routes.GET(request('GET', '/status'), params('status'))
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
    const status = await response.json()
    assert.equal(status.service, service.name)
    assert.equal(status.state, 'missing')
    assert.equal(server.tokenRequests.length, before)
  })

  it('respond to POST refresh with the new status', async (context) => {
    const { routes } = routesFor(context)
    const response = await routes.POST(request('POST', '/refresh'), params('refresh'))
    assert.equal(response.status, 200)
    const status = await response.json()
    assert.equal(status.state, 'valid')
    assert.equal(status.counters.refreshes, 1)
  })

  it('forget the token at DELETE', async (context) => {
    const { service, routes } = routesFor(context)
    await service.refresh()
    const response = await routes.DELETE(request('DELETE'), params())
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { cleared: true })
    assert.equal(service.status().state, 'missing')
  })

  it('respond to everything else with 404', async (context) => {
    const { service, routes } = routesFor(context)
    await service.refresh()
    const others = [
      ['GET'],
      ['GET', 'refresh'],
      ['GET', 'status', 'more'],
      ['GET', 'Status'],
      ['GET', 'constructor'],
      ['GET', ''],
      ['POST'],
      ['POST', 'status'],
      ['POST', 'refresh', 'refresh'],
      ['DELETE', 'status'],
      ['DELETE', 'refresh'],
      ['DELETE', 'anything'],
    ]
    for (const [method, ...action] of others) {
      const response = await routes[method](request(method, `/${action.join('/')}`), params(...action))
      assert.equal(response.status, 404, `${method} ${action.join('/')}`)
      assert.equal((await response.json()).error.code, 'ERR_ROUTE_NOT_FOUND')
    }
    assert.equal(service.status().counters.refreshes, 1)
    assert.equal(service.status().state, 'valid')
  })

  it('never show a token or a secret, and let no cache keep an answer', async (context) => {
    const { service, routes } = routesFor(context)
    const token = await service.getToken()
    server.script(
      { status: 401, body: { error: 'invalid_client', error_description: clientSecret } },
      {
        status: 401,
        body: { error: 'invalid_client', error_description: clientSecret },
      },
    )
    const answers = [
      await routes.POST(request('POST', '/refresh'), params('refresh')),
      await routes.GET(request('GET', '/status'), params('status')),
      await routes.GET(request('GET', '/metrics'), params('metrics')),
      await routes.GET(request('GET', '/none'), params('none')),
      await routes.DELETE(request('DELETE'), params()),
    ]
    for (const response of answers) {
      assert.equal(response.headers.get('cache-control'), 'no-store')
      const everything = (await response.text()) + JSON.stringify([...response.headers])
      assert.ok(!everything.includes(token))
      assert.ok(!everything.includes(clientSecret))
    }
  })
})

describe('the path of a token route', () => {
  const paths = [
    [
      'the parameters, under any name',
      request('GET', '/x'),
      { params: Promise.resolve({ rest: ['status'] }) },
    ],
    [
      'the parameters, below a folder with one',
      request('GET', '/x'),
      { params: Promise.resolve({ tenant: 'a', action: ['status'] }) },
    ],
    [
      'the parameters of a route with one segment',
      request('GET', '/x'),
      { params: Promise.resolve({ action: 'status' }) },
    ],
    ['parameters that are not a promise', request('GET', '/x'), { params: { action: ['status'] } }],
    ['the URL', request('GET', '/status'), undefined],
    ['a URL with a slash at its end', request('GET', '/status/'), undefined],
    ['a URL with a query', request('GET', '/status?at=1'), undefined],
    ['a URL below a base path', new Request('http://localhost/shop/api/token/status'), undefined],
    ['a URL with another folder', new Request('http://localhost/internal/auth/status'), undefined],
  ]
  for (const [from, asked, context] of paths) {
    it(`comes from ${from}`, async (test) => {
      const { routes } = routesFor(test)
      assert.equal((await routes.GET(asked, context)).status, 200)
    })
  }

  it('is that of the folder if the URL ends there', async (context) => {
    const { service, routes } = routesFor(context)
    await service.refresh()
    assert.equal((await routes.DELETE(request('DELETE', '/more'))).status, 404)
    assert.equal(service.status().state, 'valid')
    assert.equal((await routes.DELETE(request('DELETE', '/'))).status, 200)
    assert.equal(service.status().state, 'missing')
  })
})

describe('a refresh that fails', () => {
  it('is a 502 with the code when the token server refuses the credential', async (context) => {
    const { routes } = routesFor(context, { clientAuthentication: 'client_secret_basic' })
    server.script({ status: 401, body: { error: 'invalid_client' } })
    const response = await routes.POST(request('POST', '/refresh'), params('refresh'))
    assert.equal(response.status, 502)
    const { error } = await response.json()
    assert.equal(error.code, 'ERR_TOKEN_CREDENTIALS')
    assert.equal(typeof error.message, 'string')
  })

  it('is a 502 when the token server cannot be reached', async (context) => {
    const { routes } = routesFor(context, { authUrl: 'http://127.0.0.1:1/token', retry: { attempts: 1 } })
    const response = await routes.POST(request('POST', '/refresh'), params('refresh'))
    assert.equal(response.status, 502)
    assert.equal((await response.json()).error.code, 'ERR_TOKEN_NETWORK')
  })

  it('is a 429 with Retry-After if the token server limits requests', async (context) => {
    const { routes } = routesFor(context, { retry: { attempts: 1 } })
    server.script({ status: 429, headers: { 'retry-after': '7' }, body: { error: 'slow_down' } })
    const response = await routes.POST(request('POST', '/refresh'), params('refresh'))
    assert.equal(response.status, 429)
    assert.equal(response.headers.get('retry-after'), '7')
    assert.equal((await response.json()).error.code, 'ERR_TOKEN_RATE_LIMITED')
  })

  it('is a 429 with Retry-After if the configured rate limit is reached', async (context) => {
    const { routes } = routesFor(context, { rateLimit: { attempts: 1, perSeconds: 30 } })
    assert.equal((await routes.POST(request('POST', '/refresh'), params('refresh'))).status, 200)
    const response = await routes.POST(request('POST', '/refresh'), params('refresh'))
    assert.equal(response.status, 429)
    const seconds = Number(response.headers.get('retry-after'))
    assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 30, `Retry-After: ${seconds}`)
  })

  it('is a 503 if the service is shut down in the meantime', async (context) => {
    const { service, routes } = routesFor(context)
    server.hold()
    const seen = server.tokenRequests.length
    const answer = routes.POST(request('POST', '/refresh'), params('refresh'))
    await server.waitForRequests(seen + 1)
    const ended = service.shutdown()
    const response = await answer
    server.release()
    await ended
    assert.equal(response.status, 503)
    assert.equal((await response.json()).error.code, 'ERR_TOKEN_SHUTDOWN')
  })
})

describe('a service that is not initialized', () => {
  const script = (route, options = '{}') => `
    import { createTokenRoutes } from 'evertoken/next'
    const response = await createTokenRoutes(${options}).${route.split(' ')[0]}(
      new Request('http://localhost/api/token/${route.split(' ')[1]}', { method: '${route.split(' ')[0]}' }))
    console.log(JSON.stringify({ status: response.status, body: await response.json() }))`
  const outcome = async (source, { env }) => {
    const { code, stdout, stderr } = await runScript(source, { env: { NODE_ENV: 'test', ...env } })
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  it('is initialized from the environment', async () => {
    const { status, body } = await outcome(script('POST refresh'), { env: clientEnvironment(server) })
    assert.equal(status, 200)
    assert.equal(body.service, 'external_api')
    assert.equal(body.state, 'valid')
  })

  it('is a 500 that names the field when the environment is wrong', async () => {
    const { status, body } = await outcome(script('GET status'), { env: { EXTERNAL_AUTH_URL: 'not a url' } })
    assert.equal(status, 500)
    assert.equal(body.error.code, 'ERR_TOKEN_CONFIG')
    assert.match(body.error.message, /authUrl/)
  })

  it('is a 500 that names the service', async () => {
    const env = clientEnvironment(server)
    const { status, body } = await outcome(script('GET status', "{ service: 'billing' }"), { env })
    assert.equal(status, 500)
    assert.match(body.error.message, /billing/)
  })

  it('is a 503 when it was configured in code and shut down, and not one from the environment', async () => {
    const { status, body } = await outcome(
      `
      import { initializeTokenService } from 'evertoken'
      await initializeTokenService({ token: 'manual' }).shutdown()
      ${script('GET status')}`,
      { env: clientEnvironment(server) },
    )
    assert.equal(status, 503)
    assert.equal(body.error.code, 'ERR_TOKEN_SHUTDOWN')
  })
})

it('wrong options are refused at once', () => {
  assert.throws(() => createTokenRoutes({ authorize: true }), {
    code: 'ERR_TOKEN_CONFIG',
    field: 'authorize',
  })
  assert.throws(() => createTokenRoutes({ service: 7 }), { code: 'ERR_TOKEN_CONFIG', field: 'service' })
})
