// `evertoken login --device`: what it shows, and how it asks for the result.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { endOfLogin, loginAt, tokens } from '../support/authorization-server.mjs'
import { body, json } from '../support/odd-server.mjs'

const device = {
  device_code: 'the-device-code',
  user_code: 'WDJB-MJHT',
  verification_uri: 'https://example.com/device',
  verification_uri_complete: 'https://example.com/device?user_code=WDJB-MJHT',
  expires_in: 600,
  interval: 1,
}
const refusal = (error, status = 400) => json({ error }, { status })
const pending = refusal('authorization_pending')

const setUp = (t, answers, { args = [], deviceAnswers = [json(device)], metadata } = {}) =>
  loginAt(t, {
    args: ['--device', ...args],
    env: { OAUTH_SCOPE: 'openid offline_access' },
    answers,
    deviceAnswers,
    metadata,
  })

/** The pauses before the token requests, in seconds. */
const pauses = ({ requests }) => requests.slice(1).map(({ at }, index) => (at - requests[index].at) / 1000)

describe('a login with a device code', { concurrency: true }, () => {
  test('the code is shown, and asked for until the user has approved', async (t) => {
    // As RFC 8628 §3.5 has it, and as some servers send it, with a success status.
    const { server, login, call } = await setUp(
      t,
      [pending, json({ error: 'authorization_pending' }), json(tokens)],
      {
        args: ['--param', 'access_type=offline'],
      },
    )
    await login.printed(
      /Open https:\/\/example\.com\/device on any device\nand enter the code WDJB-MJHT\nor open https:\S+=WDJB-MJHT and/,
    )
    const { status, stdout } = await endOfLogin(login, server)
    assert.deepEqual(
      [status, stdout],
      [0, 'external_api: the tokens are stored (file, ./data/token-cache.json).\n'],
    )
    const [first, ...polls] = server.requests
    assert.deepEqual(first.form, { scope: 'openid offline_access', access_type: 'offline' })
    assert.match(first.authorization, /^Basic /)
    assert.equal(polls.length, 3)
    for (const { form, authorization } of polls) {
      assert.match(authorization, /^Basic /)
      assert.deepEqual(form, {
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: device.device_code,
      })
    }
    for (const pause of pauses(server)) assert.ok(pause > 0.95 && pause < 4, `${pause} s`)

    assert.equal((await call('refresh')).status, 0)
    assert.equal(server.requests.at(-1).form.refresh_token, tokens.refresh_token)
  })

  test('slow_down makes the pauses five seconds longer', async (t) => {
    const { server, login } = await setUp(t, [refusal('slow_down'), json(tokens)])
    assert.equal((await endOfLogin(login, server)).status, 0)
    const [first, second] = pauses(server)
    assert.ok(first < 4 && second > 5.9, `${first} s, ${second} s`)
  })

  test('network errors and a failing server back off, and do not end it', async (t) => {
    const destroyed = (_, response) => response.destroy()
    const { server, login } = await setUp(t, [destroyed, json({}, { status: 503 }), pending, json(tokens)])
    assert.equal((await endOfLogin(login, server)).status, 0)
    const [, second, third, fourth] = pauses(server)
    assert.ok(second > 1.9, `${second} s after the first failure`)
    assert.ok(third > 3.9, `${third} s after the second`)
    assert.ok(fourth < third, `${fourth} s after an answer`)
  })

  for (const [error, said] of [
    ['access_denied', /ERR_TOKEN_CONSENT: access was denied/],
    ['expired_token', /ERR_TOKEN_CONSENT: the code expired/],
    ['invalid_grant', /ERR_TOKEN_CREDENTIALS/],
  ]) {
    test(`${error} ends it`, async (t) => {
      const { server, login } = await setUp(t, [pending, refusal(error)])
      const { status, stdout, stderr } = await endOfLogin(login, server)
      assert.match(stderr, said)
      assert.deepEqual([status, stdout, server.requests.length], [1, '', 3])
    })
  }

  test('it ends when the code expires, or after --timeout', async (t) => {
    const expiring = await setUp(t, [pending], { deviceAnswers: [json({ ...device, expires_in: 2 })] })
    assert.match(
      (await endOfLogin(expiring.login, expiring.server)).stderr,
      /the code expired before the request was approved/,
    )
    const limited = await setUp(t, [pending], { args: ['--timeout', '2'] })
    assert.match(
      (await endOfLogin(limited.login, limited.server)).stderr,
      /ERR_TOKEN_TIMEOUT: the login was not completed within 2 s/,
    )
  })

  test('Ctrl-C ends it cleanly', async (t) => {
    const { server, login } = await setUp(t, [pending])
    await login.printed(/WDJB-MJHT/)
    login.child.kill('SIGINT')
    const { status, stderr } = await endOfLogin(login, server)
    assert.equal(status, 130)
    assert.match(stderr, /The login was canceled\. Nothing was stored\.\n$/)
  })

  test('what the server says cannot control the terminal', async (t) => {
    const odd = { ...device, user_code: 'A\u001b[2J\nB', verification_uri: 'https://example.com/\u001b[2J' }
    const { server, login } = await setUp(t, [json(tokens)], { deviceAnswers: [json(odd)] })
    await login.printed(
      /Open https:\/\/example\.com\/%1B\[2J on any device\nand enter the code A\ufffd\[2J\ufffdB\n/,
    )
    assert.ok(!(await endOfLogin(login, server)).stderr.includes('\u001b'))
  })

  test('an answer that cannot be used is an error, and so is a server without the grant', async (t) => {
    for (const [answer, said] of [
      [body('<html></html>'), /ERR_TOKEN_RESPONSE: .+is not a JSON object/],
      [json({ ...device, device_code: 7 }), /contains no valid device_code/],
      [json({ ...device, verification_uri: 'javascript:alert(1)' }), /contains no valid verification_uri/],
      [
        refusal('unauthorized_client'),
        /ERR_TOKEN_CREDENTIALS: .+does not allow this client to use this grant/,
      ],
    ]) {
      const { server, login } = await setUp(t, [json(tokens)], { deviceAnswers: [answer] })
      const { status, stderr } = await endOfLogin(login, server)
      assert.match(stderr, said)
      assert.deepEqual([status, server.requests.length], [1, 1])
    }
    const { server, login } = await setUp(t, [], { metadata: { device_authorization_endpoint: undefined } })
    assert.match(
      (await endOfLogin(login, server)).stderr,
      /OAUTH_DEVICE_URL is not set.+or leave out --device/,
    )
  })
})
