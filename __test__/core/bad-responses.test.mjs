// What comes of each bad answer of a token endpoint: a token that can be sent, with a life that makes sense,
// or one error with the right code, in time, without a secret in it and without a request anywhere else.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import { initializeTokenService } from 'evertoken'
import { clientSecret, configAt } from '../support/service.mjs'
import * as odd from '../support/odd-server.mjs'

const { body, json, redirect } = odd
const marker = 'never-to-be-said'

/** An answer with a token, changed. */
const token = (changes) => json({ access_token: 'abc', token_type: 'Bearer', expires_in: 3600, ...changes })
const bearer = (lifetime = 3600) => ({ authorization: 'Bearer abc', lifetime })
const fails = (code, more = {}) => ({ code, ...more })

const noToken = fails('ERR_TOKEN_RESPONSE', { status: 200 })
const seconds = () => Math.floor(Date.now() / 1000)
const isoIn = (seconds) => new Date(Date.now() + seconds * 1000).toISOString()
const dateInDays = (days) => new Date(Date.now() + days * 86_400_000).toUTCString()

/** A JWT as the token, and the header and lifetime that come of it. */
function jwt(claims, lifetime, header = { alg: 'RS256' }) {
  const parts = [JSON.stringify(header), JSON.stringify(claims), 'signature']
  const access_token = parts.map((part) => Buffer.from(part).toString('base64url')).join('.')
  return [json({ access_token }), { authorization: `Bearer ${access_token}`, lifetime }]
}

const limited = (retryAfter, headers = {}) =>
  json({}, { status: 429, headers: { 'retry-after': retryAfter, ...headers } })
const called = (type) => ({ headers: { 'content-type': type } })
const coded = (coding) => ({ headers: { 'content-encoding': coding } })
const whole = '{"access_token":"abc","expires_in":3600}'

/** Name, what the server does, what comes of it. */
const answers = [
  ['a lifetime in milliseconds by mistake', token({ expires_in: 3_600_000 }), bearer(3600)],
  ['a lifetime of ages', token({ expires_in: Number.MAX_SAFE_INTEGER }), bearer()],
  ['a lifetime that no number holds', body('{"access_token":"abc","expires_in":1e999}'), bearer()],
  ['a lifetime of nothing', token({ expires_in: 0 }), noToken],
  [
    'a lifetime of nothing, where tokens never expire',
    token({ expires_in: 0 }),
    bearer(null),
    { neverExpires: true },
  ],
  ['a lifetime below nothing', token({ expires_in: -3600 }), noToken],
  ['a lifetime of null', token({ expires_in: null }), bearer()],
  ['no lifetime', json({ access_token: 'abc' }), bearer()],
  [
    'a lifetime in milliseconds next to one in seconds',
    token({ expires_in: 900_000, expires_in_sec: 900 }),
    bearer(900),
  ],
  ['a lifetime that is a date', token({ expires_in: seconds() + 900 }), bearer(900)],
  ['a lifetime as text', token({ expires_in: '15m' }), bearer(900)],
  ['a lifetime that cannot be read', token({ expires_in: 'soon' }), bearer()],
  ['a date without a zone', token({ expires_in: undefined, expires: isoIn(900).slice(0, -1) }), bearer(900)],
  [
    "a date in .NET's form",
    token({ expires_in: undefined, expiry: `/Date(${Date.now() + 900_000})/` }),
    bearer(900),
  ],

  ['a JWT that ends beyond the year 9999', ...jwt({ exp: 253_402_300_800 }, 3600)],
  ['a JWT that has expired', jwt({ exp: seconds() - 60 })[0], noToken],
  ['a JWT in milliseconds', ...jwt({ exp: Date.now() + 600_000, iat: seconds() }, 600)],
  ['a JWT without an end', ...jwt({ sub: '1' }, 3600)],
  ['an unsigned JWT', ...jwt({ exp: seconds() + 600 }, 600, { alg: 'none' })],

  ['a token with CR and LF', token({ access_token: `a\r\nx-injected: ${marker}` }), noToken],
  ['a token with NUL', token({ access_token: 'a\0b' }), noToken],
  ['a token beyond ASCII', token({ access_token: 'jetón' }), noToken],
  ['a token after its own Bearer', token({ access_token: 'Bearer abc' }), bearer()],
  ['a token of 100 kB', token({ access_token: 'a'.repeat(100_000) }), noToken],
  [
    'a token that is the whole answer',
    body('abc', called('text/plain')),
    bearer(),
    { login: { tokenPath: '$' } },
  ],
  [
    'a page where the whole answer is the token',
    body('<p>abc</p>', called('text/html')),
    noToken,
    { login: { tokenPath: '$' } },
  ],
  ['a token in a list', json([{ token: 'abc', ttl: 900 }]), bearer(900), { login: { tokenPath: '0.token' } }],
  [
    'a token in a header',
    json({ token: { expires_at: isoIn(900) } }, { headers: { 'x-subject-token': 'abc' } }),
    bearer(900),
    { login: { tokenPath: 'header:X-Subject-Token' } },
  ],
  [
    'a token in a cookie',
    json({}, { headers: { 'set-cookie': 'token=abc; HttpOnly; Max-Age=900' } }),
    bearer(900),
    { login: { tokenPath: 'cookie:token' } },
  ],
  [
    'a token next to its expiry',
    json({ result: { jwt: 'abc', expires_in: 900 } }),
    bearer(900),
    { login: { tokenPath: 'result.jwt' } },
  ],
  ['a token that is empty', token({ access_token: '' }), noToken],
  ['a token that is a list', token({ access_token: ['abc'] }), noToken],
  ['a token that is an object', token({ access_token: { value: 'abc' } }), noToken],
  ['a token that is null', token({ access_token: null }), noToken],
  ['a token that is the secret', token({ access_token: clientSecret }), noToken],
  ['a token type in another case', token({ token_type: 'bEARER' }), bearer()],
  ['a token type that is none', token({ token_type: 'OAuth Access Token' }), bearer()],
  ['an unknown token type', token({ token_type: 'pigeon' }), noToken],

  [
    'an error under 200',
    json({ error: 'invalid_grant', error_description: `${clientSecret} has\r\nended` }),
    fails('ERR_TOKEN_CREDENTIALS', {
      status: 200,
      serverError: { error: 'invalid_grant', description: '[removed] has ended' },
    }),
  ],
  ['an error of zero next to a token', token({ error: 0 }), bearer()],
  ['an error next to a token', token({ error: 'server_error' }), noToken],
  ['a page of HTML', body(`<html>${marker}</html>`, called('text/html')), noToken],
  ['JSON that breaks off', body(whole.slice(0, -5)), noToken],
  ['JSON that is nested without end', body(`{"access_token":"abc","x":${'['.repeat(100_000)}`), noToken],
  ['JSON with a name twice', body('{"access_token":"x","access_token":"abc","expires_in":3600}'), bearer()],
  ['JSON after a byte order mark', body(`\ufeff${whole}`), bearer()],
  ['JSON that is called a page', body(whole, called('text/html')), bearer()],
  ['JSON that is called a form', body(whole, called('application/x-www-form-urlencoded')), bearer()],
  [
    'a form that is called JSON',
    body('access_token=abc&expires_in=3600', called('application/json')),
    bearer(),
  ],
  [
    'JSON in Latin-1',
    body(
      Buffer.from('{"access_token":"abc","user":"J\xf6rg"}', 'latin1'),
      called('application/json; charset=iso-8859-1'),
    ),
    bearer(),
  ],
  [
    'JSON in UTF-16',
    body(Buffer.from(`\ufeff${whole}`, 'utf16le'), called('application/json; charset=utf-16')),
    bearer(),
  ],
  ['half of a pair in an unused field', body('{"access_token":"abc","user":"\\ud800"}'), bearer()],
  ['half of a pair in the token', body('{"access_token":"abc\\ud800"}'), noToken],
  ['JSON in invalid UTF-8', body(Buffer.from('{"access_token":"ab\xff\xfec"}', 'latin1')), noToken],
  ['nothing, under 204', body('', { status: 204 }), fails('ERR_TOKEN_RESPONSE', { status: 204 })],

  ['a gzip bomb', odd.gzipBomb(64), noToken],
  ['a body without end', odd.endless, noToken],
  ['a coding that it is not in', body(whole, coded('gzip')), fails('ERR_TOKEN_RESPONSE')],
  ['a body byte by byte', odd.slow(whole, 50), fails('ERR_TOKEN_TIMEOUT'), { timeoutMs: 400 }],
  ['no answer', odd.silence, fails('ERR_TOKEN_TIMEOUT'), { timeoutMs: 400 }],
  ['a reset in the body', odd.reset(whole.slice(0, -5)), fails('ERR_TOKEN_NETWORK')],
  [
    'an end before the announced length',
    odd.raw(`HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n${whole}`),
    fails('ERR_TOKEN_NETWORK'),
  ],
  ['no HTTP', odd.raw('220 mail.example.com ESMTP\r\n'), fails('ERR_TOKEN_NETWORK')],

  ['429 with seconds', limited('7'), fails('ERR_TOKEN_RATE_LIMITED', { status: 429, retryAfterSeconds: 7 })],
  [
    '429 with a date, by a clock that is years behind',
    limited('Wed, 21 Oct 2015 07:28:09 GMT', { date: 'Wed, 21 Oct 2015 07:28:00 GMT' }),
    fails('ERR_TOKEN_RATE_LIMITED', { retryAfterSeconds: 9 }),
  ],
  ['429 with nonsense', limited('soon'), fails('ERR_TOKEN_RATE_LIMITED', { retryAfterSeconds: undefined })],
  ['429 with a year', limited('31536000'), fails('ERR_TOKEN_RATE_LIMITED', { retryAfterSeconds: 3600 })],
  [
    '429 with a date in a year',
    limited(dateInDays(365)),
    fails('ERR_TOKEN_RATE_LIMITED', { retryAfterSeconds: 3600 }),
  ],
  ['503', json({}, { status: 503 }), fails('ERR_TOKEN_RESPONSE', { status: 503 })],
  [
    '503 with seconds',
    json({}, { status: 503, headers: { 'retry-after': '5' } }),
    fails('ERR_TOKEN_RESPONSE', { status: 503, retryAfterSeconds: 5 }),
  ],
]

/** Asks for a header at this address, once, and holds what comes of it to what is expected. */
async function check(t, tokenUrl, expected, config) {
  const said = []
  const say = (...line) => said.push(line)
  const logger = { debug: say, info: say, warn: say, error: say }
  const service = initializeTokenService(
    configAt({ tokenUrl }, { onFailure: 'throw', retry: { attempts: 1 }, logger, ...config }),
  )
  t.after(() => service.shutdown())
  const [{ value: headers, reason: error }] = await Promise.allSettled([service.getAuthHeaders()])
  const status = service.status()
  const { authorization, lifetime, ...fault } = expected
  if (authorization) {
    assert.deepEqual({ headers, error }, { headers: { Authorization: authorization }, error: undefined })
    const left = status.expiresInSeconds
    if (lifetime === null) assert.equal(left, null)
    else assert.ok(left > lifetime - 30 && left <= lifetime, `${left} s of ${lifetime}`)
  } else {
    const seen = Object.fromEntries(Object.keys(fault).map((key) => [key, error?.[key]]))
    assert.deepEqual({ headers, ...seen }, { headers: undefined, ...fault })
    assert.equal(status.lastError.code, fault.code)
    assert.equal(status.expiresAt, null)
  }
  const everything = inspect([error, error?.stack, status, said], { depth: Infinity, maxStringLength: null })
  for (const secret of [clientSecret, marker]) assert.ok(!everything.includes(secret), everything)
}

describe('the answer', { concurrency: 8 }, () => {
  const path = (index) => `/answer-${index}`
  let server
  before(async () => {
    const byPath = answers.map(([, answer], index) => [path(index), answer])
    server = await odd.startOddServer(Object.fromEntries(byPath))
  })
  after(() => server.close())

  for (const [index, [name, , expected, config]] of answers.entries()) {
    test(name, async (t) => {
      await check(t, server.origin + path(index), expected, config)
      assert.equal(server.requests.filter((asked) => asked === path(index)).length, 1)
      assert.deepEqual(
        server.requests.filter((asked) => !asked.startsWith('/answer-')),
        [],
      )
    })
  }
})

describe('a redirect', { concurrency: 8 }, () => {
  const answered = {}
  let server
  let trap
  before(async () => {
    trap = await odd.startOddServer()
    server = await odd.startOddServer(answered)
  })
  after(() => Promise.all([server.close(), trap.close()]))

  for (const status of [301, 302, 307, 308]) {
    answered[`/${status}`] = redirect(status, `/${status}/`)
    answered[`/${status}/`] = (request, response) =>
      token({ access_token: request.method === 'POST' ? 'abc' : 'not-posted' })(request, response)
    test(`with ${status} within the origin is followed`, (t) =>
      check(t, `${server.origin}/${status}`, bearer()))
  }

  for (const status of [300, 303, 304, 305]) {
    answered[`/${status}`] = redirect(status, '/elsewhere')
    test(`with ${status} is not accepted`, async (t) => {
      await check(t, `${server.origin}/${status}`, fails('ERR_TOKEN_ENDPOINT', { status }))
      assert.ok(!server.requests.includes('/elsewhere'))
    })
  }

  for (const status of [300, 301, 302, 303, 307, 308]) {
    const places = {
      'another origin': () => `${trap.origin}/token`,
      'another origin without a scheme': () => `${trap.origin.slice('http:'.length)}/token`,
      'another scheme': () => `${server.origin.replace('http:', 'https:')}/token`,
    }
    for (const [index, [where, location]] of Object.entries(places).entries()) {
      const from = `/${status}-away-${index}`
      answered[from] = (request, response) => redirect(status, location())(request, response)
      test(`with ${status} to ${where} is not followed`, async (t) => {
        await check(t, server.origin + from, fails('ERR_TOKEN_ENDPOINT', { status }))
        assert.deepEqual(trap.requests, [], 'a credential left the origin')
      })
    }
  }

  for (const status of [301, 302, 307, 308]) {
    const from = `/${status}-round`
    answered[from] = redirect(status, from)
    test(`with ${status} to itself ends`, async (t) => {
      await check(t, server.origin + from, fails('ERR_TOKEN_ENDPOINT'))
      assert.ok(server.requests.filter((asked) => asked === from).length <= 4)
    })
  }
})

describe('a server that is not there', () => {
  /** The port of a server that does nothing of its own. */
  async function listening(t, server) {
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    return server.address().port
  }

  test('refuses the connection', async (t) => {
    const server = createServer()
    const port = await listening(t, server)
    server.close()
    await once(server, 'close')
    await check(t, `http://127.0.0.1:${port}/token`, fails('ERR_TOKEN_NETWORK'))
  })

  test('has no URL', (t) => {
    // No part of a name is that long: the resolver says so without asking anybody.
    const authUrl = `https://${'a'.repeat(64)}.invalid/token`
    return check(t, authUrl, fails('ERR_TOKEN_NETWORK'))
  })

  test('uses TLS on a port for http', async (t) => {
    const port = await listening(t, createTlsServer())
    await check(t, `http://127.0.0.1:${port}/token`, fails('ERR_TOKEN_NETWORK'))
  })

  test('uses http on a port for TLS', async (t) => {
    const server = await odd.startOddServer()
    t.after(() => server.close())
    await check(t, `${server.origin.replace('http:', 'https:')}/token`, fails('ERR_TOKEN_TLS'))
    assert.deepEqual(server.requests, [])
  })
})
