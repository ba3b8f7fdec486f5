// An authorization server that does what a test says, and the login that talks to it. The test is the browser.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { bin, evertoken, folderFor } from './cli.mjs'
import { json } from './odd-server.mjs'

export const clientSecret = 'the secret of the client'
export const encryptionKey = 'the-key-of-the-tests-which-is-long-enough-0123'

/** What the token endpoint answers, unless a test scripts something else. */
export const tokens = {
  access_token: 'the-first-access-token',
  refresh_token: 'the-first-refresh-token',
  token_type: 'Bearer',
  expires_in: 3600,
}

/**
 * Starts a server that ends with the test. Token and device requests are answered by the handlers in `answers`, one
 * after the other; the last one stays.
 */
export async function authorizationServerFor(t, { metadata = {}, answers = [], deviceAnswers = [] } = {}) {
  const requests = []
  const next = (list) => (list.length > 1 ? list.shift() : list[0])
  const server = createServer(async (request, response) => {
    request.on('error', () => {})
    response.on('error', () => {})
    const { pathname } = new URL(request.url, origin)
    const form = Object.fromEntries(new URLSearchParams(await text(request).catch(() => '')))
    if (pathname === '/.well-known/openid-configuration') return json(document)(request, response)
    requests.push({
      path: pathname,
      form,
      authorization: request.headers.authorization,
      at: performance.now(),
    })
    if (pathname === '/device') return next(deviceAnswers)(request, response)
    return (next(answers) ?? json(tokens))(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`
  const document = {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize?tenant=blue`,
    device_authorization_endpoint: `${origin}/device`,
    token_endpoint: `${origin}/token`,
    ...metadata,
  }
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return {
    origin,
    /** What arrived at the token and device endpoints. */
    requests,
    env: {
      OAUTH_ISSUER: origin,
      OAUTH_CLIENT_ID: 'the app',
      OAUTH_CLIENT_SECRET: clientSecret,
      OAUTH_GRANT: 'refresh_token',
      TOKEN_ENCRYPTION_KEY: encryptionKey,
    },
  }
}

/**
 * Starts `evertoken login`, which ends with the test at the latest.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} args
 * @param {{ folder: string, env?: Record<string, string> }} where
 */
export function startLogin(t, args, { folder, env = {} }) {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [bin, 'login', ...args], {
    cwd: folder,
    env: {
      PATH,
      HOME,
      ...env,
    },
    timeout: 60_000,
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => (output[name] += chunk))
  const ended = once(child, 'close')
  t.after(() => child.kill('SIGKILL'))
  return {
    child,
    output,
    /** Resolves with `{ status, stdout, stderr }` after its end. */
    async end() {
      const [status] = await ended
      return { status, ...output }
    },
    /** Resolves with the match of `pattern` in what it has printed for people. */
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(output.stderr)
        if (match) return match
        const [chunk] = await Promise.race([once(child.stderr, 'data'), ended.then(() => [])])
        if (chunk === undefined) throw new Error(`it ended, and printed: ${output.stderr}${output.stdout}`)
      }
    },
    /** The authorization request that it prints. */
    async authorizationRequest() {
      const [url] = await this.printed(/^https?:\S+response_type=code\S+$/m)
      return new AuthorizationRequest(new URL(url))
    },
  }
}

/** An authorization request as the server sees it. */
class AuthorizationRequest {
  constructor(url) {
    this.url = url
    this.parameters = Object.fromEntries(url.searchParams)
    this.redirectUri = new URL(this.parameters.redirect_uri)
  }

  /** Comes back as a browser with this response. */
  respond(parameters, options) {
    const query = new URLSearchParams({ state: this.parameters.state, ...parameters })
    return this.visit(`${this.redirectUri.pathname}?${query}`, options)
  }

  /** Sends any request to the loopback server. Resolves with `{ status, headers, body }`. */
  async visit(path, { method = 'GET', headers = {} } = {}) {
    const request = httpRequest({ host: '127.0.0.1', port: this.redirectUri.port, path, method, headers })
    request.end()
    const [response] = await once(request, 'response')
    return { status: response.statusCode, headers: response.headers, body: await text(response) }
  }

  /** Whether this `code_verifier` belongs to the request. */
  isProvenBy(codeVerifier) {
    return createHash('sha256').update(codeVerifier).digest('base64url') === this.parameters.code_challenge
  }
}

/** A login under way at a server of its own, which ends with the test; `call` runs other commands with its configuration. */
export async function loginAt(t, { args = ['--no-browser'], env = {}, ...options } = {}) {
  const folder = folderFor(t)
  const server = await authorizationServerFor(t, options)
  const where = { folder, env: { ...server.env, ...env } }
  return { server, login: startLogin(t, args, where), call: (...words) => evertoken(words, where) }
}

/** `{ status, stdout, stderr }` of a login that printed no secret of its own or of its requests to `server`. */
export async function endOfLogin(login, server) {
  const ended = await login.end()
  const { access_token, refresh_token } = tokens
  const sent = (server?.requests ?? []).flatMap(({ form }) => [form.code_verifier, form.device_code])
  const secrets = [clientSecret, 'the-code', access_token, refresh_token, ...sent]
  for (const secret of secrets.filter((text) => text !== undefined)) {
    assert.ok(!`${ended.stdout}${ended.stderr}`.includes(secret), `${secret} was printed`)
  }
  return ended
}
