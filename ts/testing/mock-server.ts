import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Grants, type Granting } from './grants'
import type { RecordedRequest } from './recorded-request'

/** The options of the mock server. Every field is optional. */
export interface MockTokenServerOptions extends Granting {
  /** The port on 127.0.0.1. Default: a free one. */
  port?: number
  /** The delay of every response, in milliseconds. Default 0. */
  delayMs?: number
  /** The responses to the first token requests, in order; see {@link MockTokenServer.script}. */
  script?: readonly Scripted[]
}

/**
 * The response to one token request; for what is left out, the server's own response is used.
 * `failure: 'hang'` sends no response until the server closes, `failure: 'reset'` breaks the connection.
 */
export interface ScriptedAnswer {
  status?: number
  headers?: Record<string, string>
  /** An object is sent as JSON, a string as it is. */
  body?: unknown
  /** Instead of the server's `delayMs`. */
  delayMs?: number
  failure?: 'hang' | 'reset'
  /** Whether this response waits for {@link MockTokenServer.release}. */
  hold?: boolean
}

/** A response, or a function that creates it from the request. */
export type Scripted = ScriptedAnswer | ((request: RecordedRequest) => ScriptedAnswer)

/** A token server on this machine, and an API that accepts its tokens. */
export interface MockTokenServer {
  /** For example `http://127.0.0.1:40123`. */
  readonly origin: string
  /** The token endpoint, RFC 6749 §3.2: `/oauth/token`. For `authUrl`. */
  readonly tokenUrl: string
  /** A login that accepts JSON with a name and a password: `/auth/login`. For `authUrl`. */
  readonly loginUrl: string
  /** Accepts a refresh token as JSON or as the Bearer token: `/auth/refresh`. For `refreshUrl`. */
  readonly refreshUrl: string
  /** RFC 7009: `/oauth/revoke`. For `revocationUrl`. */
  readonly revocationUrl: string
  /** An API that only accepts a valid token: `/api` and all paths below. It responds with the request as JSON. */
  readonly apiUrl: string
  /** The token requests so far: those to the token, login and refresh endpoints. */
  readonly tokenRequests: readonly RecordedRequest[]
  /** The requests to the API so far. */
  readonly apiRequests: readonly RecordedRequest[]
  /**
   * What has happened so far. `reuses`: how often a used refresh token was sent again; `abandoned`: token requests whose
   * client disconnected before the response.
   */
  readonly counts: Readonly<Record<'logins' | 'refreshes' | 'reuses' | 'revocations' | 'abandoned', number>>
  /** Sets the responses to the next token requests, in order. */
  script(...answers: Scripted[]): void
  /** From now on, token requests wait until {@link MockTokenServer.release}. */
  hold(): void
  /** Lets the waiting requests continue. */
  release(): void
  /** Revokes all access tokens that were issued so far. */
  revokeAll(): void
  /** Someone consents: returns a refresh token, for `refreshToken` or `adopt()`. */
  consent(): string
  /** From now on, every refresh token that was issued so far is refused with `invalid_grant`. */
  endConsent(): void
  /**
   * Resolves when this number of token requests has been received.
   *
   * @param timeoutMs How long to wait at most. Default 10000.
   * @throws (by rejecting) an `AbortError` if there are fewer after that time.
   */
  waitForRequests(count: number, timeoutMs?: number): Promise<void>
  /** Stops the server and closes every connection. */
  close(): Promise<void>
}

/**
 * Starts a token server on this machine, for tests. It accepts client credentials (RFC 6749 §4.4), the password grant
 * (§4.3), JSON logins and refresh tokens (§6), revokes tokens (RFC 7009), and rotates refresh tokens with reuse detection
 * (RFC 9700 §4.14.2). Send it no real secrets: it records every request.
 *
 * @example
 * ```ts
 * import { initializeTokenService } from 'evertoken'
 * import { startMockTokenServer } from 'evertoken/testing'
 *
 * const server = await startMockTokenServer({ expiresInSeconds: 60 })
 * const service = initializeTokenService({
 *   authUrl: server.tokenUrl, clientId: 'app', clientSecret: 'secret', storage: { kind: 'memory' },
 * })
 * const response = await service.fetch(server.apiUrl)
 * await service.shutdown()
 * await server.close()
 * ```
 */
export async function startMockTokenServer(options: MockTokenServerOptions = {}): Promise<MockTokenServer> {
  const server = new MockServer(options)
  await server.listen(options.port ?? 0)
  return server
}

class MockServer implements MockTokenServer {
  readonly tokenRequests: RecordedRequest[] = []
  readonly apiRequests: RecordedRequest[] = []
  readonly #grants: Grants
  readonly #delayMs: number
  readonly #script: Scripted[]
  readonly #news = new EventEmitter().setMaxListeners(0)
  readonly #server = createServer((request, response) => void this.#handle(request, response))
  #isHeld = false
  #held: (() => void)[] = []
  #abandoned = 0

  constructor({ delayMs = 0, script = [], ...granting }: MockTokenServerOptions) {
    this.#grants = new Grants(granting)
    this.#delayMs = delayMs
    this.#script = [...script]
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    const { port: taken } = this.#server.address() as AddressInfo
    this.origin = `http://127.0.0.1:${taken}`
  }

  origin = ''

  get tokenUrl(): string {
    return `${this.origin}/oauth/token`
  }

  get loginUrl(): string {
    return `${this.origin}/auth/login`
  }

  get refreshUrl(): string {
    return `${this.origin}/auth/refresh`
  }

  get revocationUrl(): string {
    return `${this.origin}/oauth/revoke`
  }

  get apiUrl(): string {
    return `${this.origin}/api`
  }

  get counts(): MockTokenServer['counts'] {
    return { ...this.#grants.counts, abandoned: this.#abandoned }
  }

  script(...answers: Scripted[]): void {
    this.#script.push(...answers)
  }

  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    for (const go of this.#held.splice(0)) go()
  }

  consent(): string {
    return this.#grants.consent()
  }

  endConsent(): void {
    this.#grants.endConsent()
  }

  revokeAll(): void {
    this.#grants.revokeAll()
  }

  async waitForRequests(count: number, timeoutMs = 10_000): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs)
    while (this.tokenRequests.length < count) await once(this.#news, 'request', { signal })
  }

  async close(): Promise<void> {
    this.release()
    this.#server.closeAllConnections()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const seen = await record(request)
      const path = new URL(seen.path, 'http://mock').pathname
      if (path === '/api' || path.startsWith('/api/')) return this.#answerApi(seen, response)
      const grant = this.#grants.at(path)
      if (!grant || seen.method !== 'POST') return send(response, grant ? 405 : 404, { error: 'not_found' })
      if (path === '/oauth/revoke') return send(response, ...this.#grants.answer(grant, seen))
      response.once('close', () => {
        if (!response.writableFinished) this.#abandoned += 1
      })
      this.tokenRequests.push(seen)
      this.#news.emit('request')
      await this.#answerToken(seen, grant, response)
    } catch {
      // The client disconnected in the middle of the request.
      response.destroy()
    }
  }

  async #answerToken(seen: RecordedRequest, grant: string, response: ServerResponse): Promise<void> {
    const scripted = this.#script.shift() ?? {}
    const answer = typeof scripted === 'function' ? scripted(seen) : scripted
    const { failure, delayMs = this.#delayMs, status, body, headers, hold = this.#isHeld } = answer
    if (hold) await new Promise<void>((go) => this.#held.push(go))
    if (failure === 'hang') return
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (failure === 'reset') return void response.destroy()
    // A scripted failure issues no token and uses no refresh token.
    const isOwn = body === undefined && (status === undefined || status < 400)
    const [ownStatus, ownBody] = isOwn ? this.#grants.answer(grant, seen) : [200, { error: 'server_error' }]
    send(response, status ?? ownStatus, body ?? ownBody, headers)
  }

  #answerApi(seen: RecordedRequest, response: ServerResponse): void {
    this.apiRequests.push(seen)
    if (this.#grants.opens(seen.headers.authorization)) {
      send(response, 200, { method: seen.method, path: seen.path, body: seen.body })
      return
    }
    // RFC 6750 §3.1: no error code if no credential was sent.
    const challenge = seen.headers.authorization === undefined ? 'Bearer' : 'Bearer error="invalid_token"'
    send(response, 401, { error: 'invalid_token' }, { 'www-authenticate': challenge })
  }
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  const { method = '', url = '/', headers } = request
  return {
    method,
    path: url,
    headers,
    body,
    fields: fieldsOf(body, headers['content-type'] ?? ''),
    at: new Date(),
  }
}

function fieldsOf(body: string, contentType: string): Record<string, unknown> {
  if (contentType.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(body))
  }
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  // RFC 6749 §5.1: no response with a token may be cached.
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body))
}
