// Token requests of other shapes, as a server sees them: what `parameters`, `grantType`, `requestFormat`,
// `clientAuthentication` and `login` make of the request, of refreshes, and of what errors and logs say of a refusal.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { configFromEnv, initializeTokenService } from 'evertoken'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { freshName } from '../support/service.mjs'

afterEach(cleanEnvironment)

/** A server that answers each request with the next of these, the last one again and again. */
async function serve(t, ...answers) {
  const requests = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { method, url: path, headers } = request
    requests.push({ method, path, headers, body, type: headers['content-type'] })
    const { status = 200, ...answer } = answers.length > 1 ? answers.shift() : answers[0]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${server.address().port}`, requests }
}

function start(t, server, config) {
  const service = initializeTokenService({
    service: freshName(),
    authUrl: `${server.origin}/token`,
    storage: { kind: 'memory' },
    onFailure: 'throw',
    retry: { attempts: 1 },
    ...config,
  })
  t.after(() => service.shutdown())
  return service
}

const granted = { access_token: 't', expires_in: 900 }
const client = { clientId: 'app', clientSecret: 's3cret+/' }
const user = { username: 'robot', password: 'p4ssword' }
const basic = (pair) => `Basic ${Buffer.from(pair).toString('base64')}`

describe('a token request', () => {
  const form = 'application/x-www-form-urlencoded'
  const cases = {
    'has the parameters': [
      { ...client, parameters: { account_id: '7', list: ['a', 'b'] } },
      {
        method: 'POST',
        type: form,
        body: 'grant_type=client_credentials&account_id=7&list=a&list=b',
        basic: 'app:s3cret%2B%2F',
      },
    ],
    "has the server's word for the grant": [
      { ...client, grantType: 'account_credentials' },
      { method: 'POST', type: form, body: 'grant_type=account_credentials', basic: 'app:s3cret%2B%2F' },
    ],
    'has the pair as it is': [
      { ...client, clientAuthentication: 'client_secret_basic_raw' },
      { method: 'POST', type: form, body: 'grant_type=client_credentials', basic: 'app:s3cret+/' },
    ],
    'has the name alone': [
      { clientId: 'app', clientAuthentication: 'none' },
      { method: 'POST', type: form, body: 'grant_type=client_credentials&client_id=app' },
    ],
    'is JSON': [
      { ...client, requestFormat: 'json', clientAuthentication: 'client_secret_post', resource: ['a', 'b'] },
      {
        method: 'POST',
        type: 'application/json',
        body: '{"client_id":"app","client_secret":"s3cret+/","grant_type":"client_credentials","resource":["a","b"]}',
      },
    ],
    'is a GET by Basic, without a body': [
      { ...user, login: { method: 'GET', credentials: 'basic' } },
      { method: 'GET', type: undefined, body: '', basic: 'robot:p4ssword', length: undefined },
    ],
    'is a POST by Basic, without a body': [
      { ...user, login: { credentials: 'basic' } },
      { method: 'POST', type: undefined, body: '', basic: 'robot:p4ssword', length: '0' },
    ],
    'is a POST by Basic, with an empty object': [
      { username: 'röbot', password: 'p:w', login: { credentials: 'basic', body: {} } },
      { method: 'POST', type: 'application/json', body: '{}', basic: 'röbot:p:w', length: '2' },
    ],
    'is a PUT with a media type of its own': [
      { ...user, login: { method: 'PUT', contentType: 'application/vnd.api+json' } },
      { method: 'PUT', type: 'application/vnd.api+json', body: '{"password":"p4ssword","username":"robot"}' },
    ],
    "has the client's credentials in its body": [
      { ...client, login: { body: { id: '{clientId}', secret: '{clientSecret}' } } },
      { method: 'POST', type: 'application/json', body: '{"id":"app","secret":"s3cret+/"}' },
    ],
  }
  for (const [what, [config, expected]] of Object.entries(cases)) {
    test(what, async (t) => {
      const server = await serve(t, granted)
      assert.equal(await start(t, server, config).getToken(), 't')
      assert.equal(server.requests.length, 1)
      const [{ method, type, body, headers, path }] = server.requests
      const { basic: pair, length, ...rest } = expected
      assert.deepEqual({ method, type, body }, rest)
      assert.equal(path, '/token')
      assert.equal(headers.authorization, pair && basic(pair))
      if ('length' in expected) assert.equal(headers['content-length'], length)
    })
  }
})

test('a refresh has the same shape', async (t) => {
  const server = await serve(t, { ...granted, refresh_token: 'r1' }, { ...granted, access_token: 'u' })
  const config = { ...client, requestFormat: 'json', grantType: 'x', parameters: { account_id: '7' } }
  const service = start(t, server, config)
  await service.getToken()
  await service.refresh()
  assert.deepEqual(JSON.parse(server.requests[1].body), {
    grant_type: 'refresh_token',
    refresh_token: 'r1',
    account_id: '7',
  })
  assert.equal(service.status().strategy.grant, 'x')
  assert.equal(service.status().strategy.format, 'json_client_secret_basic')
})

test('a login with its own name for the refresh token uses it for refreshes', async (t) => {
  const server = await serve(t, { token: 't', refreshToken: 'r1' }, { token: 'u' })
  const login = { refreshTokenField: 'renewal', contentType: 'application/vnd.api+json' }
  const service = start(t, server, {
    ...user,
    refreshUrl: `${server.origin}/renew`,
    login,
    parameters: { tenant: 'blue' },
  })
  await service.getToken()
  await service.refresh()
  const { method, path, type, body } = server.requests[1]
  assert.deepEqual(
    [method, path, type, body],
    ['POST', '/renew', 'application/vnd.api+json', '{"renewal":"r1","tenant":"blue"}'],
  )
})

test('a wrong login by Basic is sent once, and appears in no error, log or status', async (t) => {
  const pair = basic('robot:p4ssword')
  const server = await serve(t, {
    status: 401,
    error: 'invalid_login',
    message: `no such user: ${pair} p4ssword`,
  })
  const lines = []
  const take = (...line) => lines.push(line)
  const logger = { debug: take, info: take, warn: take, error: take }
  const service = start(t, server, { ...user, login: { method: 'GET', credentials: 'basic' }, logger })
  for (let turn = 0; turn < 3; turn += 1) {
    await assert.rejects(service.getToken(), (error) => {
      assert.equal(error.code, 'ERR_TOKEN_CREDENTIALS')
      assert.ok(!/p4ssword/.test(inspect(error, { depth: 9 })) && !inspect(error).includes(pair.slice(6)))
      return true
    })
  }
  assert.equal(server.requests.length, 1)
  const told = inspect([lines, service.status()], { depth: 9 })
  assert.ok(!told.includes('p4ssword') && !told.includes(pair.slice(6)), told)
})

test('a parameter appears in no error, log or status', async (t) => {
  const secret = 'hunter2-in-a-parameter'
  const server = await serve(t, {
    status: 400,
    error: 'invalid_request',
    error_description: `what is ${secret}?`,
  })
  const lines = []
  const take = (...line) => lines.push(line)
  const logger = { debug: take, info: take, warn: take, error: take }
  const service = start(t, server, { ...client, parameters: { api_key: secret }, logger })
  const error = await service.getToken().then(assert.fail, (error) => error)
  assert.equal(error.serverError.description, 'what is [removed]?')
  assert.ok(!inspect([error, lines, service.status()], { depth: 9 }).includes('hunter2'))
})

describe('OAUTH_PARAMETERS', () => {
  test('is form text, and a repeated name is a list', () => {
    const read = (text) => configFromEnv({ OAUTH_PARAMETERS: text }).parameters
    assert.deepEqual(read('account_id=7'), { account_id: '7' })
    assert.deepEqual(read('a=1&b=x+y%2B&a=2&c=\n'), { a: ['1', '2'], b: 'x y+', c: '' })
    assert.deepEqual(
      read('?a==&__proto__=x'),
      Object.fromEntries([
        ['a', '='],
        ['__proto__', 'x'],
      ]),
    )
    assert.equal(read(' '), undefined)
  })

  for (const text of [
    'hunter2',
    '=hunter2',
    'a=1&hunter2',
    '{"a":"hunter2="}',
    '"a=hunter2"',
    "'a=hunter2'",
    '["hunter2=1"]',
  ]) {
    test(`is refused where it is ${text.replaceAll('hunter2', '…')}`, () => {
      assert.throws(
        () => configFromEnv({ OAUTH_PARAMETERS: text }),
        (error) => {
          assert.equal(error.code, 'ERR_TOKEN_CONFIG')
          assert.equal(error.field, 'OAUTH_PARAMETERS')
          assert.ok(!error.message.includes('hunter2') && error.message.includes('account_id=7&tenant=blue'))
          return true
        },
      )
    })
  }

  test('is sent, unless the code says parameters or a whole credential', async (t) => {
    Object.assign(process.env, {
      OAUTH_CLIENT_ID: 'env',
      OAUTH_CLIENT_SECRET: 'env-secret',
      OAUTH_PARAMETERS: 'tenant=env',
    })
    const server = await serve(t, granted)
    for (const [config, body] of [
      [{}, 'grant_type=client_credentials&tenant=env'],
      [{ scope: 'read' }, 'grant_type=client_credentials&scope=read&tenant=env'],
      [{ parameters: { tenant: 'code' } }, 'grant_type=client_credentials&tenant=code'],
      [{ parameters: {} }, 'grant_type=client_credentials'],
      [client, 'grant_type=client_credentials'],
      [{ ...user, grant: undefined, login: { body: { u: '{username}' } } }, '{"u":"robot"}'],
      [{ clientAuthentication: 'none' }, 'grant_type=client_credentials&tenant=env&client_id=env'],
    ]) {
      await start(t, server, config).getToken()
      assert.equal(server.requests.at(-1).body, body)
    }
  })

  test('is ignored if code sets parameters', async (t) => {
    process.env.OAUTH_PARAMETERS = '{}'
    const server = await serve(t, granted)
    await start(t, server, { ...client, parameters: { a: '1' } }).getToken()
    // Next to a client in code, it is not read at all.
    await start(t, server, client).getToken()
    const isRead = { ...client, grant: 'client_credentials' }
    assert.throws(() => start(t, server, isRead), { field: 'OAUTH_PARAMETERS' })
  })

  test('is named if it is malformed', async (t) => {
    process.env.OAUTH_CLIENT_ID = 'env'
    process.env.OAUTH_CLIENT_SECRET = 'env-secret'
    process.env.OAUTH_PARAMETERS = 'key=hunter2%0A&own=%22hunter3%22'
    process.env.LOG_LEVEL = 'warn'
    const lines = []
    const logger = { debug() {}, info() {}, warn: (line) => lines.push(line), error() {} }
    const server = await serve(t, granted)
    await start(t, server, { logger }).getToken()
    const told = lines.join('\n')
    assert.match(told, /OAUTH_PARAMETERS contains "key", which ended with a line break/)
    assert.match(told, /OAUTH_PARAMETERS contains "own", which is enclosed in quotes/)
    assert.ok(!told.includes('hunter'), told)
    assert.match(server.requests[0].body, /&key=hunter2&/)
  })
})

describe('contradictory options are refused at once', () => {
  const refused = {
    'parameters.client_id': { ...client, parameters: { client_id: 'x' } },
    'parameters.scope': { ...client, parameters: { scope: ['a'] } },
    'parameters.a': { ...client, parameters: { a: { b: 'c' } } },
    parameters: { ...client, parameters: { '': 'x' } },
    'parameters.f': { ...client, parameters: { f: () => 'x' } },
    grantType: { ...user, grantType: 'x' },
    requestFormat: { ...user, requestFormat: 'json' },
    clientAuthentication: { ...client, clientAuthentication: 'none' },
    'login.credentials': { ...client, login: { credentials: 'basic' } },
    'login.method': { ...user, login: { method: 'GET', body: { u: '{username}' } } },
    'login.contentType': { ...user, login: { contentType: 'application/json', format: 'form' } },
    'login.refreshTokenField': { ...user, login: { refreshTokenField: 'r' } },
    'login.body': { ...client, login: { body: { u: '{username}' } } },
    clientSecret: { ...user, login: { body: { k: '{clientSecret}' } } },
    encryptionKey: {
      clientId: 'app',
      clientAuthentication: 'none',
      storage: { kind: 'file', path: './never.json' },
    },
  }
  for (const [field, config] of Object.entries(refused)) {
    test(field, async (t) => {
      const server = { origin: 'http://127.0.0.1:9' }
      assert.throws(() => start(t, server, config), { code: 'ERR_TOKEN_CONFIG', field })
    })
  }
})
