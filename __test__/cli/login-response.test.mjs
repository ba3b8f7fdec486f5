// The authorization response and the redirect URI, for any text that a browser may bring.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  challengeOf,
  createAuthorizationRequest,
  readAuthorizationResponse,
} from '../../lib/cli/login/authorization.js'
import { loopbackRedirect } from '../../lib/cli/login/redirect-uri.js'

const expected = { state: 'St4te_-'.repeat(6), issuer: 'https://id.example.com', sendsIssuer: true }
const read = (query, changes) => readAuthorizationResponse(query, { ...expected, ...changes })

test('the challenge is that of RFC 7636, appendix B', () => {
  assert.equal(
    challengeOf('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'),
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  )
})

test('the request keeps the query of the endpoint, and its own parameters win', () => {
  const client = { clientId: 'a&b', audience: 'api', resource: ['https://r/1', 'https://r/2'] }
  const options = {
    redirectUri: 'http://127.0.0.1:1/cb',
    scope: undefined,
    parameters: [
      ['audience', 'mine'],
      ['ui', 'a'],
      ['ui', 'b'],
    ],
  }
  const request = createAuthorizationRequest('https://h/a?x=1&state=fixed&client_id=other', client, options)
  const query = new URL(request.url).searchParams
  assert.deepEqual(
    ['x', 'client_id', 'state', 'resource', 'audience', 'ui', 'scope', 'code_challenge'].map((name) =>
      query.getAll(name),
    ),
    [
      ['1'],
      ['a&b'],
      [request.state],
      client.resource,
      ['mine'],
      ['a', 'b'],
      [],
      [challengeOf(request.codeVerifier)],
    ],
  )
  const other = createAuthorizationRequest('https://h/a', client, options)
  assert.notEqual(other.state, request.state)
  assert.notEqual(other.codeVerifier, request.codeVerifier)
  assert.ok(!request.url.includes(request.codeVerifier))
})

test('a response is read', () => {
  const { state, issuer } = expected
  const iss = encodeURIComponent(issuer)
  assert.deepEqual(read(`code=a%20b+c&state=${state}&iss=${iss}`), { code: 'a b c' })
  assert.deepEqual(read(`code=a&state=${state}`, { sendsIssuer: false }), { code: 'a' })
  assert.deepEqual(read(`code=a&state=${state}&iss=any`, { issuer: null, sendsIssuer: false }), { code: 'a' })
  assert.equal(read(`code=a&iss=${iss}`), undefined)
  for (const other of [`${issuer}/`, issuer.toUpperCase(), '']) {
    assert.ok('error' in read(`code=a&state=${state}&iss=${encodeURIComponent(other)}`), other)
  }
  const denied = read(`error=access_denied&error_description=no&state=${state}&iss=${iss}&code=a`).error
  assert.deepEqual(
    [denied.code, denied.serverError],
    ['ERR_TOKEN_CONSENT', { error: 'access_denied', description: 'no' }],
  )
})

/** A generator of reproducible random numbers (mulberry32). */
function randomFrom(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('for 50,000 random queries: a code only with the right state and issuer, and never an exception', () => {
  const seed = Date.now() >>> 0
  const random = randomFrom(seed)
  const pick = (list) => list[Math.floor(random() * list.length)]
  const { state, issuer } = expected
  const noise = () =>
    String.fromCharCode(
      ...Array.from({ length: Math.floor(random() * 8) }, () => Math.floor(random() * 0x250)),
    )
  const values = [
    state,
    state,
    issuer,
    issuer,
    `${issuer}/`,
    state.toLowerCase(),
    '',
    'access_denied',
    'c0de',
    '%',
    '%zz',
    '\u0000',
    '\ud800',
    noise,
  ]
  const names = [
    'state',
    'state',
    'code',
    'code',
    'iss',
    'iss',
    'error',
    'error_description',
    'State',
    '__proto__',
    'constructor',
    noise,
  ]
  const word = (list) => {
    const found = pick(list)
    return typeof found === 'function' ? found() : found
  }
  const rightPairs = [
    ['state', state],
    ['iss', issuer],
    ['code', 'c0de'],
  ]
  const part = () => {
    const [name, value] = random() < 0.6 ? pick(rightPairs) : [word(names), word(values)]
    const encode = (text) => (random() < 0.8 ? encodeURIComponent(text.toWellFormed()) : text)
    return random() < 0.95 ? `${encode(name)}=${encode(value)}` : encode(name)
  }
  const outcomes = { code: 0, error: 0, foreign: 0 }
  for (let run = 0; run < 50_000; run += 1) {
    const query = Array.from({ length: Math.floor(random() * 7) }, part).join(
      pick(['&', '&', '&', '&&', ';']),
    )
    const context = `seed ${seed}: ${JSON.stringify(query)}`
    const found = read(query)
    const given = new URLSearchParams(query)
    const is = (name, value) => given.getAll(name).length === 1 && given.get(name) === value
    if (found === undefined) {
      outcomes.foreign += 1
      assert.ok(!is('state', state), context)
      continue
    }
    assert.ok(is('state', state), context)
    if ('code' in found) {
      outcomes.code += 1
      assert.ok(found.code !== '' && is('code', found.code) && is('iss', issuer), context)
      assert.ok(['', null].includes(given.get('error')), context)
      continue
    }
    outcomes.error += 1
    const { code, message, serverError = {} } = found.error
    assert.match(code, /^ERR_TOKEN_(RESPONSE|CREDENTIALS|CONSENT)$/, context)
    for (const text of [message, ...Object.values(serverError)]) {
      assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text) && text.length < 600, context)
    }
  }
  for (const [what, count] of Object.entries(outcomes)) assert.ok(count > 100, `${what}: ${count}`)
})

describe('a redirect URI', () => {
  test('that is given stays as it is', () => {
    for (const [uri, port, path, sent] of [
      [undefined, undefined, '/callback', 'http://127.0.0.1:9/callback'],
      ['http://localhost', undefined, '/', 'http://localhost:9'],
      ['http://localhost/', undefined, '/', 'http://localhost:9/'],
      ['http://127.0.0.1:9/a%20b', 9, '/a%20b', 'http://127.0.0.1:9/a%20b'],
      ['http://localhost:80/x', undefined, '/x', 'http://localhost:80/x'],
    ]) {
      const redirect = loopbackRedirect(uri, port)
      assert.deepEqual([redirect.path, redirect.uri(9)], [path, sent], uri)
    }
  })

  test('of any other host is refused', () => {
    for (const uri of [
      'http://127.0.0.1.evil.com/',
      'http://127.0.0.1@evil.com/',
      'http://localhost:1@evil.com/',
      'http://0.0.0.0/',
      'http://[::1]/',
      'HTTP://localhost/',
      'http://localhost\\evil.com',
      'http://localhost/\n',
      'http://localhost/a b',
      'http://localhost/a?b',
      'http://localhost/#a',
      'http://localhost:0/',
      'localhost/',
      '',
    ]) {
      assert.throws(() => loopbackRedirect(uri, undefined), /--redirect-uri/, uri)
    }
  })
})
