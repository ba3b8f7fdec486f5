// `evertoken login` with a browser that a hostile server, another website or another program may be behind.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientSecret, loginAt, endOfLogin, tokens } from '../support/authorization-server.mjs'
import { body, json, redirect, silence } from '../support/odd-server.mjs'

describe('a login with a browser', () => {
  test('exchanges the code once, with the verifier, and stores the tokens', async (t) => {
    const { server, login, call } = await loginAt(t, {
      env: { OAUTH_SCOPE: 'read write', OAUTH_AUDIENCE: 'api' },
    })
    const request = await login.authorizationRequest()
    const { state, code_challenge, redirect_uri, ...rest } = request.parameters
    assert.deepEqual(rest, {
      tenant: 'blue',
      response_type: 'code',
      client_id: 'the app',
      code_challenge_method: 'S256',
      scope: 'read write',
      audience: 'api',
    })
    assert.match(`${state} ${code_challenge}`, /^[\w-]{43} [\w-]{43}$/)
    assert.match(redirect_uri, /^http:\/\/127\.0\.0\.1:\d+\/callback$/)

    const page = await request.respond({ code: 'the-code' })
    assert.deepEqual([page.status, /You can close this window/.test(page.body)], [200, true])
    const ended = await endOfLogin(login, server)
    const [{ form }] = server.requests
    assert.deepEqual(
      [ended.status, ended.stdout],
      [0, 'external_api: the tokens are stored (file, ./data/token-cache.json).\n'],
    )
    assert.equal(server.requests.length, 1)
    assert.ok(request.isProvenBy(form.code_verifier))
    const { code_verifier: _, ...sent } = form
    assert.deepEqual(sent, { grant_type: 'authorization_code', code: 'the-code', redirect_uri })

    assert.equal((await call('status')).status, 0)
    assert.equal((await call('refresh')).status, 0)
    const { grant_type, refresh_token } = server.requests[1].form
    assert.deepEqual([grant_type, refresh_token], ['refresh_token', tokens.refresh_token])
  })

  test('another state is refused, and does not end the wait', async (t) => {
    const { server, login } = await loginAt(t)
    const request = await login.authorizationRequest()
    const { state } = request.parameters
    for (const query of [
      'code=stolen',
      'code=stolen&state=',
      `code=stolen&state=${state.slice(1)}`,
      `code=stolen&state=${state}&state=${state}`,
      'error=access_denied&state=other',
      '%ff%00&=&&state',
      '',
    ]) {
      const { status, body } = await request.visit(`/callback?${query}`)
      assert.deepEqual([status, /not the response/.test(body)], [400, true], query)
    }
    await request.respond({ code: 'the-code' })
    assert.equal((await endOfLogin(login)).status, 0)
    assert.deepEqual(
      server.requests.map(({ form }) => form.code),
      ['the-code'],
    )
  })

  test('other paths, methods and hosts are refused, and no answer is stored or passed on', async (t) => {
    const { login } = await loginAt(t)
    const request = await login.authorizationRequest()
    const { port } = request.redirectUri
    const right = `/callback?code=x&state=${request.parameters.state}`
    for (const [status, path, options] of [
      [404, '/favicon.ico'],
      [404, '/'],
      [404, `/callback/${right.slice(9)}`],
      [404, `http://127.0.0.1:${port}${right}`],
      [405, right, { method: 'POST' }],
      [405, right, { method: 'HEAD' }],
      [421, right, { headers: { host: 'attacker.example.com' } }],
      [421, right, { headers: { host: `attacker.example.com:${port}` } }],
      [421, right, { headers: { host: `localhost:${port}` } }],
      [421, right, { headers: { host: '127.0.0.1' } }],
      [200, right],
    ]) {
      const answer = await request.visit(path, options)
      assert.equal(answer.status, status, `${path} ${JSON.stringify(options)}`)
      assert.equal(answer.headers['cache-control'], 'no-store')
      assert.equal(answer.headers['referrer-policy'], 'no-referrer')
      assert.match(answer.headers['content-security-policy'], /^default-src 'none'/)
    }
    assert.equal((await endOfLogin(login)).status, 0)
  })

  const noProc = process.platform !== 'linux' && 'there is no /proc'
  test('only the loopback interface listens, and nothing after the end', { skip: noProc }, async (t) => {
    const { login } = await loginAt(t)
    const { redirectUri, ...request } = await login.authorizationRequest()
    const { port } = redirectUri
    const files = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/net/${name}`, 'utf8'))
    const hex = Number(port).toString(16).toUpperCase().padStart(4, '0')
    const listening = files.flatMap((file) => file.match(new RegExp(`\\S+:${hex} \\S+ 0A`, 'g')) ?? [])
    assert.deepEqual(listening, [`0100007F:${hex} 00000000:0000 0A`])
    login.child.kill('SIGINT')
    await login.end()
    await assert.rejects(fetch(`http://127.0.0.1:${port}/callback?state=${request.parameters.state}`))
  })

  for (const [what, metadata, iss, refused] of [
    [
      'is missing although it is announced',
      { authorization_response_iss_parameter_supported: true },
      undefined,
      /does not name its issuer/,
    ],
    [
      'is another one',
      { authorization_response_iss_parameter_supported: true },
      'https://evil.example.com',
      /comes from the issuer https:\/\/evil\.example\.com/,
    ],
    ['is another one, without being announced', {}, 'https://evil.example.com', /comes from the issuer/],
    ['is missing and not announced', {}, undefined, undefined],
    ['is right', { authorization_response_iss_parameter_supported: true }, 'right', undefined],
  ]) {
    test(`an issuer in the response (RFC 9207) that ${what} is ${refused ? 'refused' : 'accepted'}`, async (t) => {
      const { server, login } = await loginAt(t, { metadata })
      const request = await login.authorizationRequest()
      const named = iss === 'right' ? server.origin : iss
      const { body } = await request.respond({ code: 'the-code', ...(named && { iss: named }) })
      const { status, stderr } = await endOfLogin(login)
      if (refused === undefined) return assert.deepEqual([status, server.requests.length], [0, 1])
      assert.match(stderr, refused)
      assert.match(body, /The login has failed/)
      assert.deepEqual([status, server.requests.length], [1, 0], 'the code goes nowhere')
    })
  }

  test('an error of another issuer is not believed', async (t) => {
    const { login } = await loginAt(t)
    const request = await login.authorizationRequest()
    await request.respond({ error: 'access_denied', iss: 'https://evil.example.com' })
    assert.match((await endOfLogin(login)).stderr, /comes from the issuer https:\/\/evil\.example\.com/)
  })

  for (const [error, said] of [
    ['access_denied', /access was denied/],
    ['invalid_scope', /does not accept the requested scope.+--scope/],
    ['server_error', /the authorization server refused the request/],
  ]) {
    test(`${error} is explained, with what the server said`, async (t) => {
      const { server, login } = await loginAt(t)
      const request = await login.authorizationRequest()
      const description = `No \u001b[31m way \n at all ${'x'.repeat(2000)}`
      const { body } = await request.respond({ error, error_description: description })
      assert.ok(!body.includes('way'), 'the page quotes nothing')
      const { status, stderr } = await endOfLogin(login)
      assert.match(stderr, said)
      assert.match(stderr, new RegExp(`The server said: ${error}: No \ufffd\\[31m way \ufffd at all x+…`))
      assert.ok(stderr.length < 2500 && !stderr.includes('\u001b'))
      assert.deepEqual([status, server.requests.length], [1, 0])
    })
  }

  test('a response that repeats a parameter, or says nothing, ends it with an error', async (t) => {
    for (const query of ['code=a&code=b', 'code=', 'error=x&error=y', '']) {
      const { server, login } = await loginAt(t)
      const request = await login.authorizationRequest()
      await request.visit(`/callback?state=${request.parameters.state}&${query}`)
      const { status, stderr } = await endOfLogin(login)
      assert.match(
        stderr,
        /ERR_TOKEN_RESPONSE: the authorization response (repeats a parameter|contains neither)/,
      )
      assert.deepEqual([status, server.requests.length], [1, 0])
    }
  })

  test('a response that comes twice is used once', async (t) => {
    const { server, login } = await loginAt(t, {
      answers: [
        async (...args) => {
          await sleep(300)
          return json(tokens)(...args)
        },
      ],
    })
    const request = await login.authorizationRequest()
    await request.respond({ code: 'the-code' })
    const again = await request.respond({ code: 'another-code' }).then(
      ({ status }) => status,
      () => 'closed',
    )
    assert.ok(again === 400 || again === 'closed', String(again))
    assert.equal((await endOfLogin(login)).status, 0)
    assert.deepEqual(
      server.requests.map(({ form }) => form.code),
      ['the-code'],
    )
  })
})

describe('the token endpoint of a login', () => {
  for (const [what, answer, said] of [
    [
      'says that the code was used',
      json({ error: 'invalid_grant', error_description: 'code the-code was used' }, { status: 400 }),
      /ERR_TOKEN_CONSENT: .+invalid_grant.+The code was refused[\s\S]+The server said: invalid_grant: code \[removed\] was used/,
    ],
    ['answers with a page', body('<html>sign in</html>'), /ERR_TOKEN_RESPONSE: .+is not JSON/],
    [
      'redirects elsewhere',
      redirect(307, 'https://evil.example.com/token'),
      /ERR_TOKEN_ENDPOINT: .+redirect/,
    ],
    ['fails', json({}, { status: 500 }), /ERR_TOKEN_RESPONSE: .+failed: 500/],
    [
      'returns the code as the token',
      json({ access_token: clientSecret }),
      /ERR_TOKEN_RESPONSE: .+no usable token/,
    ],
    ['breaks off', (_, response) => response.destroy(), /ERR_TOKEN_NETWORK/],
    ['hangs', silence, /ERR_TOKEN_TIMEOUT/],
  ]) {
    test(`that ${what} gets the code once, and the error says so`, async (t) => {
      const { server, login } = await loginAt(t, { answers: [answer] })
      const request = await login.authorizationRequest()
      await request.respond({ code: 'the-code' })
      const { status, stdout, stderr } = await endOfLogin(login, server)
      assert.match(stderr, said)
      assert.deepEqual([status, stdout, server.requests.length], [1, '', 1])
    })
  }

  test('that refuses client_secret_basic gets client_secret_post', async (t) => {
    const { server, login } = await loginAt(t, {
      answers: [json({ error: 'invalid_client' }, { status: 401 }), json(tokens)],
    })
    await (await login.authorizationRequest()).respond({ code: 'the-code' })
    assert.equal((await endOfLogin(login)).status, 0)
    assert.deepEqual(
      server.requests.map(({ form }) => form.client_secret),
      [undefined, clientSecret],
    )
  })

  test('that issues no refresh token causes a warning that says what is missing', async (t) => {
    const { refresh_token: _, ...without } = tokens
    const { login } = await loginAt(t, {
      answers: [json({ ...without, scope: 'read' })],
      args: ['--no-browser', '--scope', 'read write'],
    })
    await (await login.authorizationRequest()).respond({ code: 'the-code' })
    const { status, stderr } = await endOfLogin(login)
    assert.equal(status, 0)
    assert.match(stderr, /no refresh token.+offline_access.+prompt=consent.+access_type=offline/)
    assert.match(stderr, /did not grant the scope write/)
  })
})
