/**
 * `evertoken` keeps an access token fresh: it logs in, caches, stores and refreshes in the background, and
 * hands out the header to send.
 *
 * ```ts
 * import { initializeTokenService, getAuthHeaders, startTokenScheduler } from 'evertoken'
 *
 * initializeTokenService()        // everything from the environment; a configuration is optional
 * startTokenScheduler()           // refreshes in the background; never keeps the process alive
 * const response = await fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })
 * ```
 *
 * @module evertoken
 */

// ---------------------------------------------------------------------------------------------- functions

/**
 * Begins a token service, or finds the one that is already there.
 *
 * It checks the configuration and returns at once: no I/O on the calling thread, and no token request. What
 * `config` leaves out comes from the environment (see {@link configFromEnv} for how the two meet).
 *
 * There is one service of a name in a process, whichever copy of this package asks (a bundle, a worker
 * thread, a hot reload). Called again with an equal configuration, it returns the live one, with the newest
 * `logger`; with another configuration it shuts the old one down, replaces it and logs a warning.
 *
 * @param config What to do; every field is optional.
 * @param useDatabase `true` keeps the token in a database, whatever `config.storage` says. Default `false`.
 * @param database With `useDatabase`: the path of a SQLite file (default `./data/token-cache.db`), a URL
 * (`sqlite:`, `file:`, `postgres:`, `postgresql:`, `redis:`, `rediss:`), a Prisma client or a store of your
 * own.
 * @throws {TokenError} `ERR_TOKEN_CONFIG`, with `field` naming what is wrong, unknown keys included.
 * `ERR_TOKEN_INTERNAL` when the native addon cannot be loaded.
 *
 * @example
 * ```ts
 * const service = initializeTokenService({
 *   authUrl: 'https://login.example.com/oauth/token',
 *   clientId: 'reports',
 *   clientSecret: process.env.REPORTS_SECRET,
 *   storage: { kind: 'file', path: './data/reports.json' },
 * })
 * ```
 */
export function initializeTokenService(
  config?: TokenServiceConfig,
  useDatabase?: boolean,
  database?: DatabaseHandle,
): TokenService

/**
 * The live service of this name, or `null`. Without a name: the one named `external_api`, else the one that
 * was initialised first. It finds services that another bundle or worker thread of this process initialised.
 *
 * @throws {TokenError} `ERR_TOKEN_INTERNAL` when the native addon cannot be loaded.
 *
 * @example
 * ```ts
 * const state = getTokenService('billing')?.status().state ?? 'missing'
 * ```
 */
export function getTokenService(service?: string): TokenService | null

/**
 * The header to send, from the service of this name (without a name: the default one, as
 * {@link getTokenService} finds it). See {@link TokenService.getAuthHeaders}.
 *
 * When no service is initialised at all, the default one is initialised from the environment first. A default
 * service that was configured in code and then shut down is not silently replaced by the environment's: the
 * call rejects with `ERR_TOKEN_SHUTDOWN`.
 *
 * @throws {TokenError} (by rejecting) `ERR_TOKEN_CONFIG` when the environment is not enough, when no service has
 * the given name, or with `field: 'request'` for a service with `dpop`, whose headers are for one request;
 * `ERR_TOKEN_SHUTDOWN`; with `onFailure: 'throw'` whatever kept the token from
 * being had.
 *
 * @example
 * ```ts
 * const response = await fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })
 * ```
 */
export function getAuthHeaders(service?: string): Promise<AuthHeaders>

/**
 * Starts the background refresh, for every service of this process, those initialised later too. It runs on a
 * thread of its own and never keeps the process alive. Called again, it takes the new intervals over.
 *
 * @throws {TokenError} `ERR_TOKEN_CONFIG`, with `field` naming the option.
 *
 * @example
 * ```ts
 * startTokenScheduler({ refreshIntervalSeconds: 300 })
 * ```
 */
export function startTokenScheduler(options?: SchedulerOptions): SchedulerStatus

/**
 * Stops the background refresh. Tokens are still refreshed when they are used.
 *
 * @example
 * ```ts
 * process.once('SIGTERM', () => stopTokenScheduler())
 * ```
 */
export function stopTokenScheduler(): SchedulerStatus

/**
 * Reads a configuration from environment variables; an empty one counts as unset.
 *
 * | variable | field |
 * |---|---|
 * | `EXTERNAL_AUTH_URL` | `authUrl` |
 * | `OAUTH_ISSUER` | `issuer` |
 * | `EXTERNAL_API_EMAIL`, `EXTERNAL_API_USERNAME`, `EXTERNAL_API_PASSWORD` | `email`, `username`, `password` |
 * | `OAUTH_CLIENT_ID`, `OAUTH_CLIENT_SECRET` | `clientId`, `clientSecret` |
 * | `OAUTH_PRIVATE_KEY` | `privateKey`: PEM (line ends may be written as `\n`), or the path of a PEM file |
 * | `OAUTH_SCOPE`, `OAUTH_AUDIENCE` | `scope`, `audience` |
 * | `OAUTH_PARAMETERS` | `parameters`, as form text: `account_id=7&tenant=blue`; a space is `+`, and a plus is `%2B` |
 * | `EXTERNAL_API_TOKEN` | `token` |
 * | `EXTERNAL_API_HEADER` | `header`: its name |
 * | `TOKEN_ENCRYPTION_KEY` | `encryptionKey`; several keys are separated by commas |
 * | `EVERTOKEN_STORAGE` | `storage`: `memory`, `file`, `file:PATH`, `sqlite:PATH`, `postgres://…`, `redis://…` |
 *
 * A `file:` path that ends in `.db`, `.sqlite` or `.sqlite3` is a SQLite database.
 *
 * {@link initializeTokenService} takes each field from the code, else from the environment, with one care:
 * the environment never completes what the code says with something that contradicts it.
 * - With `authUrl` in code `OAUTH_ISSUER` is not read, nor `EXTERNAL_AUTH_URL` with `issuer` in code.
 * - With `email` in code `EXTERNAL_API_USERNAME` is not read, nor `EXTERNAL_API_EMAIL` with `username` in
 * code.
 * - With `clientSecret`, `privateKey`, `clientCertificate` or `clientAuthentication: 'none'` in code
 *   `OAUTH_CLIENT_SECRET` and `OAUTH_PRIVATE_KEY` are not read.
 * - With `dpop: true` in code `EXTERNAL_API_HEADER` is not read.
 * - A whole credential in code stands alone unless `grant` is in code too: with `clientId` and a client
 *   credential (`clientSecret`, `privateKey` or `clientCertificate`) the user's login of the environment is not
 *   read, and with `email` or `username` and `password` the client of the environment is not read. A password
 *   of one service is so never sent to the server of another. `OAUTH_PARAMETERS` is not read then either.
 *
 * @param env The variables; default `process.env`.
 * @throws {TokenError} `ERR_TOKEN_CONFIG` with `field: 'EVERTOKEN_STORAGE'` or `field: 'OAUTH_PARAMETERS'` when it
 * cannot be understood.
 *
 * @example
 * ```ts
 * const config = configFromEnv({ EXTERNAL_AUTH_URL: 'https://login.example.com', OAUTH_CLIENT_ID: 'reports' })
 * ```
 */
export function configFromEnv(env?: Record<string, string | undefined>): TokenServiceConfig

// ------------------------------------------------------------------------------------------------ service

/**
 * The headers to send: `Authorization` (for example `Bearer eyJ…`, RFC 6750 §2.1) or the configured `header`; with `dpop`
 * also `DPoP`, the proof of possession (RFC 9449 §4); none of them when there is no token to send. `fetch`, `new Headers()` and HTTP clients
 * take it as it is.
 *
 * Every call answers a plain object of its own: add to it what you like. (Its type has no names of its own, because
 * `fetch` and clients ask for a `Record`, and because hosts and callers add names.)
 */
export type AuthHeaders = Record<string, string>

/**
 * Headers as an HTTP client keeps them: a plain object, `Headers`, a list of pairs, or axios' headers. The names may be
 * in any case; see {@link TokenService.rejected}.
 */
export type SentHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>
  | { get(name: string): unknown }

/** A token to send, and what belongs to it; see {@link TokenService.getAccessToken}. */
export interface AccessToken {
  /** The token itself. */
  token: string
  /** The word that belongs before it in an `Authorization` header, for example `Bearer`. */
  tokenType: string
  /** When it expires; `null` for one that does not (`neverExpires`), and for the configured `token`. */
  expiresAt: Date | null
  /** The members of the token answer that `fields` names, as text; those that no answer had are left out. */
  fields: Record<string, string>
}

/** One token and its life. Made by {@link initializeTokenService}, found by {@link getTokenService}. */
export class TokenService {
  private constructor()

  /** The name in the store. */
  readonly name: string

  /**
   * The header to send.
   *
   * With a usable token it makes no I/O and never waits for a refresh under way. Without one it waits for one
   * token request, shared by every caller that waits.
   *
   * When no token can be had: the manual one (`config.token`) if there is one, else `{}`, with a warning in
   * the log and a `refreshFailed` event.
   *
   * With `dpop` each call has a proof of its own, and makes no I/O either. A server that wants its nonce in the
   * proof tells it in an answer, which only {@link TokenService.fetch} sees.
   *
   * @param request The request that the header is for; needed with `dpop`, and not read without. `method` counts
   * as `fetch` sends it, `url` is absolute.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_SHUTDOWN`; with `dpop` `ERR_TOKEN_CONFIG` with `field`
   * `request`, `request.method` or `request.url` when that is missing or none; with `onFailure: 'throw'`
   * whatever kept the
   * token from being had.
   *
   * @example
   * ```ts
   * const service = initializeTokenService()
   * const response = await fetch('https://api.example.com/orders', { headers: await service.getAuthHeaders() })
   * ```
   */
  getAuthHeaders(request?: { method: string; url: string }): Promise<AuthHeaders>

  /**
   * The token itself, for a client that is no HTTP client; `null` when there is none. Waits and fails as
   * {@link TokenService.getAuthHeaders} does.
   */
  getToken(): Promise<string | null>

  /**
   * The token with its type, its expiry and the `fields` that came with it; `null` where
   * {@link TokenService.getAuthHeaders} answers `{}`. Waits and fails as that does. Every call answers an object of its
   * own.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ fields: ['instance_url'] })
   * const instance = (await service.getAccessToken())?.fields['instance_url']
   * ```
   */
  getAccessToken(): Promise<AccessToken | null>

  /**
   * Gets a new token now, however good the old one is; joins a refresh that is already under way.
   *
   * @throws {TokenError} (by rejecting) what kept it from being had: `ERR_TOKEN_CREDENTIALS`,
   * `ERR_TOKEN_ENDPOINT`, `ERR_TOKEN_RESPONSE`, `ERR_TOKEN_RATE_LIMITED`, `ERR_TOKEN_TIMEOUT`,
   * `ERR_TOKEN_NETWORK`, `ERR_TOKEN_TLS`, `ERR_TOKEN_STORAGE`, `ERR_TOKEN_SHUTDOWN`. The old token stays in
   * use while it lives.
   */
  refresh(): Promise<TokenStatus>

  /**
   * Reports that an API refused this token (it answered 401), and resolves with headers that carry a later one, for HTTP
   * clients of your own; {@link TokenService.fetch} does this by itself. All callers that report one token share one
   * token request. If a later token is there already, no request is made.
   *
   * If no later token can be obtained, it resolves with `{}`, or with `onFailure: 'throw'` rejects with the reason. An
   * API that refuses every token does not cost a token request each time: the pause between two of them starts at a
   * second, doubles, and ends at five minutes (`ERR_TOKEN_RATE_LIMITED`, with `retryAfterSeconds`).
   *
   * @param headersOrToken The headers that were sent, the value of the header that carries the token, or the token.
   * Headers without a token count as none: the result is that of {@link TokenService.getAuthHeaders}.
   * @param request The request that the result is for; needed with `dpop`, as in {@link TokenService.getAuthHeaders}.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_CONFIG` with `field: 'headersOrToken'` for anything else, and
   * what {@link TokenService.getAuthHeaders} rejects with.
   *
   * @example
   * ```ts
   * import axios from 'axios'
   *
   * const service = initializeTokenService()
   * const api = axios.create({ baseURL: 'https://api.example.com' })
   * api.interceptors.request.use(async (config) => {
   *   if (!config.headers.has('Authorization')) config.headers.set(await service.getAuthHeaders())
   *   return config
   * })
   * api.interceptors.response.use(undefined, async (error) => {
   *   const { config, response } = error
   *   if (response?.status !== 401 || config.wasRepeated) throw error
   *   config.headers.set(await service.rejected(config.headers))
   *   return api({ ...config, wasRepeated: true })
   * })
   * ```
   */
  rejected(headersOrToken: SentHeaders | string, request?: { method: string; url: string }): Promise<AuthHeaders>

  /**
   * Forgets the token, in memory and in the store; other processes that share the store forget it within
   * seconds. The next caller waits for a new one.
   *
   * @param options `revoke: true` also tells the server, RFC 7009 §2, when a revocation endpoint is known.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_STORAGE` when the stored record could not be removed, or
   * what kept the token from being revoked; memory is cleared all the same.
   */
  clear(options?: { revoke?: boolean }): Promise<void>

  /**
   * How things stand. No I/O; never holds a token or a secret.
   *
   * @throws {TokenError} `ERR_TOKEN_SHUTDOWN` after {@link TokenService.shutdown}.
   */
  status(): TokenStatus

  /**
   * The platform's `fetch`, with the header.
   *
   * An upstream that answers 401, or as `refusedBy` knows it, may have revoked the token early: then a later one is looked for, here and
   * in the store, else one is requested, and the request is repeated once, if its body can be sent again
   * (nothing, text, bytes, `URLSearchParams`, `FormData` or `Blob`; not a stream). The answer to the repeated
   * request is returned as it is.
   *
   * With `dpop` each request has a proof of its own. A 401 that asks for a nonce (`use_dpop_nonce`, RFC 9449 §9) is
   * answered by repeating the request once with it, if its body can be sent again; nonces are remembered by origin.
   *
   * An `Authorization` header of your own (or one of the name that `header` gives) is left alone, and such a request is never repeated. With `baseUrl`
   * set, relative inputs resolve against it (as links on a page do: keep its closing slash), and the header
   * goes only to that origin and to `allowedOrigins`. Without it the header goes to every `http` and `https`
   * URL you pass in, or, if `allowedOrigins` is set, only to those; one warning says when that is `http` on a public
   * network. A `baseUrl` with `{field}` in it leads to the API that the token answer names; where the answer does not
   * name one that is allowed, a relative input rejects with `ERR_TOKEN_CONFIG` and `field: 'baseUrl'`.
   *
   * A redirect to another origin takes no header of ours along, wherever it leads later; within the origin it does,
   * with `dpop` with a proof for the new URL. (With `dpop`, or a `header` other than `Authorization`, the redirects are
   * followed here, by the rules of the fetch standard; a `Request`'s body cannot be sent again then.)
   *
   * @throws What `fetch` throws, and what {@link TokenService.getAuthHeaders} rejects with.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ baseUrl: 'https://api.example.com/v1/' })
   * const response = await service.fetch('orders', { method: 'POST', body: JSON.stringify({ item: 1 }) })
   * ```
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>

  /**
   * Hears events, as Node's `EventEmitter` does it, with one difference: a listener that throws or rejects, whatever
   * it throws, harms nobody. It is reported once, to the configured logger, or else as a process warning. When the
   * service has ended, its listeners are let go.
   *
   * @example
   * ```ts
   * initializeTokenService().on('alert', (event) => console.error(event.error?.code))
   * ```
   */
  on(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Hears the next event only. */
  once(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Stops hearing. */
  off(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** The same as `on`; here for `events.once` and its like. */
  addListener(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** The same as `off`. */
  removeListener(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /**
   * Ends the service: whoever waits or calls gets `ERR_TOKEN_SHUTDOWN`. A request under way is waited for, so
   * that a rotated refresh token is stored. Calling it again does nothing more.
   */
  shutdown(): Promise<void>
}

// ------------------------------------------------------------------------------------------ configuration

/** What a service is to do. Every field is optional; see {@link configFromEnv} for the environment's part. */
export interface TokenServiceConfig {
  /** The name in the store. Default `external_api`. */
  service?: string

  /**
   * Where the credentials go: a login endpoint, a token endpoint, or a bare origin, on which the common
   * endpoints are tried. `http` is only for this machine and private addresses. `EXTERNAL_AUTH_URL`.
   */
  authUrl?: string
  /**
   * The issuer whose metadata names the token endpoint, and the revocation endpoint, instead of `authUrl` (OpenID
   * Connect Discovery §4, RFC 8414 §3). The metadata must name this very issuer, to the letter: a slash at the end
   * makes a difference. It is asked for before the first token request, and then once a day. `OAUTH_ISSUER`.
   */
  issuer?: string

  /** The account's address. `EXTERNAL_API_EMAIL`. */
  email?: string
  /** The account's name; without one, the email stands in for it. `EXTERNAL_API_USERNAME`. */
  username?: string
  /** The account's password. `EXTERNAL_API_PASSWORD`. */
  password?: string

  /** `client_id`, RFC 6749 §2.2. `OAUTH_CLIENT_ID`. */
  clientId?: string
  /**
   * `client_secret`, RFC 6749 §2.3.1. `OAUTH_CLIENT_SECRET`. Line ends at the end of this and of the other credentials
   * are cut off; quotes, invisible characters and spaces around them are a warning, and are sent.
   */
  clientSecret?: string
  /** `scope`, RFC 6749 §3.3: words with one space between them. `OAUTH_SCOPE`. */
  scope?: string

  /**
   * How the token is had: `client_credentials` (RFC 6749 §4.4), `password` (RFC 6749 §4.3, which RFC 9700
   * §2.4 rules out for new servers) or `login`, any other login endpoint. Default: what the credentials are
   * for; with both kinds, what worked last, else client credentials when `authUrl` ends in `token`, else a
   * login.
   */
  grant?: 'client_credentials' | 'password' | 'login'
  /**
   * The server's own word for the grant, sent as `grant_type` in place of `client_credentials` or `password`. Zoom, for
   * example, wants `account_credentials`. A refresh keeps `refresh_token`. It is for grants: where `email` or `username`
   * is set, set `grant`, too.
   */
  grantType?: string
  /**
   * Sent with every token request, refreshes included. A list is sent as the same name several times, and in JSON as a
   * list. The values count as secrets: they are removed from what the server says. A token that was obtained with other
   * parameters is not used. What evertoken writes itself, such as `client_id` or `scope`, has a field of its own.
   * `OAUTH_PARAMETERS`.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   authUrl: 'https://zoom.us/oauth/token',
   *   clientId: 'reports',
   *   clientSecret: process.env.ZOOM_CLIENT_SECRET,
   *   grantType: 'account_credentials',
   *   parameters: { account_id: 'AbC123' },
   * })
   * ```
   */
  parameters?: Record<string, string | string[]>
  /**
   * How the requests of a grant are written: as a form (RFC 6749 appendix B), or as a JSON object with the same members.
   * It holds for `client_credentials`, `password`, and the refresh at the token endpoint, where `refreshFormat` does not
   * say otherwise. With `clientAuthentication: 'client_secret_post'` the secret is a member of the object. A login is
   * written as `login` says. Default `form`.
   */
  requestFormat?: 'form' | 'json'
  /** `audience`, as some servers want it. `OAUTH_AUDIENCE`. */
  audience?: string
  /** `resource`, RFC 8707 §2. */
  resource?: string | string[]
  /**
   * How the client proves itself, by the names of RFC 7591 §2. Default: what its credential is for. With
   * `clientSecret` that is basic, and post where basic is refused; with `privateKey` `private_key_jwt`; with
   * `clientCertificate` alone `tls_client_auth`. Needed beside both `clientSecret` and `privateKey`.
   *
   * `none` sends `clientId` alone; unless the token is kept in memory, `encryptionKey` is needed then, as there is no
   * secret to derive it from. `client_secret_basic_raw` sends the pair of `client_secret_basic` without the form encoding
   * of RFC 6749 §2.3.1, for servers that do not decode it.
   */
  clientAuthentication?:
    | 'client_secret_basic'
    | 'client_secret_basic_raw'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'none'
  /**
   * The client's private key: PEM, the path of a PEM file, or {@link PrivateKeyOptions}. With it the client
   * sends, instead of a secret, a signed assertion that is new for each request and good for 60 seconds:
   * `private_key_jwt`, RFC 7523 §2.2. `OAUTH_PRIVATE_KEY`.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   authUrl: 'https://login.example.com/oauth/token',
   *   clientId: 'reports',
   *   privateKey: { path: '/run/secrets/reports.pem', kid: 'reports-2026' },
   * })
   * ```
   */
  privateKey?: string | PrivateKeyOptions
  /**
   * The client's certificate (with those that it hangs on, if the server wants them) and its private key, as
   * PEM: `tls_client_auth`, RFC 8705 §2. It is shown to every token endpoint that asks for one when TLS begins,
   * also beside a `clientSecret` or `privateKey`. `authUrl` must begin with `https://`.
   */
  clientCertificate?: { cert: string; key: string }
  /**
   * Binds the token to a key, so that a token alone opens nothing: DPoP, RFC 9449. Default `false`.
   *
   * The key pair (P-256) is made here, once for a token and those that it is refreshed to, and rests sealed beside
   * them: every process that shares the store can prove. {@link TokenService.fetch} sends each request with a proof
   * of its own, and repeats it once when the server asks for its nonce (§9); other clients take the headers of
   * {@link TokenService.getAuthHeaders}. Proofs and assertions are dated by the token server's clock where its
   * `Date` shows that the local one is wrong by more than 30 seconds. A server that answers with a Bearer token is
   * used without, and one warning says so. Not beside `scheme`.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ dpop: true })
   * const request = { method: 'GET', url: 'https://api.example.com/orders' }
   * const response = await fetch(request.url, { headers: await service.getAuthHeaders(request) })
   * ```
   */
  dpop?: boolean
  /** The token to send when none can be had. `EXTERNAL_API_TOKEN`. */
  token?: string

  /** How a login endpoint wants to be asked and read, where the usual ways do not fit. */
  login?: LoginOptions
  /** Where a refresh token is spent, when not at the token endpoint. */
  refreshUrl?: string
  /**
   * How it is spent: as a form, RFC 6749 §6; as JSON under the name it came by; or as `Authorization:
   * Bearer`. Default `form` at the token endpoint, `json` at `refreshUrl`.
   */
  refreshFormat?: 'form' | 'json' | 'bearer'
  /**
   * The word before the token in the header. Default: the word that stands before the token in the answer (`JWT abc`),
   * else the answer's `token_type`, else `Bearer`.
   */
  scheme?: string
  /**
   * The header that carries the token to the API: its name, or its name and value. In `value`, `{token}` stands for the
   * token and `{scheme}` for the word before it. Default `{ name: 'Authorization', value: '{scheme} {token}' }`; under
   * any other name the value is the token alone, unless it is given. A header that belongs to the HTTP message
   * (`Host`, `Cookie`, `Content-Length`, …) is refused. Cannot be combined with `dpop`. `EXTERNAL_API_HEADER`.
   *
   * @example
   * ```ts
   * initializeTokenService({ header: 'X-Auth-Token' })
   * initializeTokenService({ header: { name: 'Authorization', value: 'Token token={token}' } })
   * ```
   */
  header?: string | { name: string; value?: string }
  /**
   * Members of the token answer to keep next to the token, for {@link TokenService.getAccessToken}: at most 16 names.
   * A name is found at the top of the answer or next to the token; a path as in `login.tokenPath` is possible, too
   * (`data.api_domain`, `header:X-Region`). Texts, numbers and booleans of up to 4 KiB are kept, as text, sealed in the
   * stored record. What a later answer leaves out keeps its value. A name that no answer had is one warning.
   *
   * They are in no status, event or log line: an answer may hold secrets.
   *
   * @example
   * ```ts
   * initializeTokenService({ fields: ['instance_url'] })
   * ```
   */
  fields?: string[]
  /**
   * Tells which answers of the API refuse the token, besides 401, for {@link TokenService.fetch}: then a later token is
   * looked for, and the request is repeated once. It is given a copy of the answer, which it may read until it returns
   * or its promise settles, and is not asked about answers of an origin that was not sent the token. Where it throws,
   * rejects or takes more than 5 seconds, the token counts as accepted; the first time is reported to the logger.
   *
   * As with `logger`, the newest function counts for services of an equal configuration, in each thread its own.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   refusedBy: async (response) => response.status === 403 && (await response.text()).includes('token_expired'),
   * })
   * ```
   */
  refusedBy?: (response: Response) => boolean | Promise<boolean>
  /** Where tokens are revoked, RFC 7009 §2. */
  revocationUrl?: string
  /** Sent with every token request, for example an API key or a tenant. */
  headers?: Record<string, string>
  /**
   * Whether the credentials may go to the common endpoints of the origin, too. Default: only when `authUrl` is a bare
   * origin. With `true` they are tried after an `authUrl` with a path that answers 404 or 405; by default that is an
   * error, and the credentials go nowhere else.
   */
  probe?: boolean

  /**
   * How long before its expiry a token is refreshed, in seconds. Default 300; a quarter of its life for a
   * token that lives less than four times as long.
   */
  refreshBufferSeconds?: number
  /**
   * How long a token lives when nothing tells, or nothing that can be believed, in seconds. Default 3600. A life of
   * more than 366 days is not believed, and neither is a field that cannot be read as a time: a warning names it.
   */
  defaultLifetimeSeconds?: number
  /**
   * Whether a token does not expire when its answer gives no expiry, or `expires_in: 0`, or more than 366 days. It is
   * used until the API refuses it. Default `false`: `expires_in: 0` is an error.
   */
  neverExpires?: boolean
  /** The longest that a whole token request may take, in milliseconds. Default 10000. */
  timeoutMs?: number
  /** How failed requests are repeated. */
  retry?: RetryOptions
  /** How many attempts to get a token in how many seconds. Default 10 in 60. */
  rateLimit?: { attempts: number; perSeconds: number }
  /** What callers get when no token can be had: `{}`, or the error. Default `unauthenticated`. */
  onFailure?: 'unauthenticated' | 'throw'

  /** Where the token rests. Default: `EVERTOKEN_STORAGE`, else the file `./data/token-cache.json`. */
  storage?: StorageOptions
  /**
   * Seals what is stored. Of several keys the first seals and all of them open. Default: a key derived from
   * the credential. `TOKEN_ENCRYPTION_KEY`.
   */
  encryptionKey?: string | string[]
  /** Forgets a stored token at the start. Default `false`. */
  clearOnStart?: boolean

  /**
   * Certificates to trust, as PEM, on top of the system's and `NODE_EXTRA_CA_CERTS`: authorities', or a server's own
   * self-signed one.
   */
  ca?: string | string[]
  /** Allows `http` beyond this machine and private addresses. Default `false`. */
  allowInsecureHttp?: boolean
  /**
   * What relative URLs of {@link TokenService.fetch} resolve against; the header goes to its origin only. As with
   * `authUrl`, `http` is only for this machine and private addresses, with a warning, unless `allowInsecureHttp` is set.
   *
   * It may hold names of `fields` in braces, where the token answer says where the API is: `{instance_url}` alone or
   * with a path, where the field is a URL, or `https://{domain}.example.com/{tenant}/`, where the fields are parts of a
   * host or path. Unless the host ends in two or more names of your own (`.example.com`), `allowedOrigins` must say
   * which origins the answer may name.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   fields: ['instance_url'],
   *   baseUrl: '{instance_url}/services/data/v62.0/',
   *   allowedOrigins: ['https://*.my.salesforce.com'],
   * })
   * ```
   */
  baseUrl?: string
  /**
   * Origins besides `baseUrl`'s that the header may go to, for example `https://files.example.com`, or
   * `https://*.example.com` for every name below `example.com`; `http` as with `baseUrl`.
   */
  allowedOrigins?: string[]
  /**
   * When an `alert` is raised: after so many failures in a row (default 3), or when the store is sick. It is posted
   * to `webhookUrl`, if that is set, and so is the recovery: as JSON with a `text` that Slack and its like show, a card
   * for Teams, and `event`, `service`, `at`, `code` and `consecutiveFailures` for programs. Of the processes that share
   * a file or an SQLite store, one posts a failing server; a sick store, which cannot pass that on, each. What is not taken is tried five times. The URL is kept as a secret.
   */
  alerts?: { afterFailures?: number; webhookUrl?: string }
  /**
   * Takes the log lines; pino, winston and `console` fit. Default: stderr, in the shape of `LOG_FORMAT`
   * (`text` or `json`). `LOG_LEVEL` (`error`, `warn`, `info`, `debug`, `trace`) says which lines; its default
   * is `warn` for stderr and `debug` for a logger, which has a level of its own. A logger that throws or rejects is
   * reported once, as a process warning; nobody waits for it.
   */
  logger?: Logger
}

/**
 * The key by which a client signs its assertions, and what is in them. Either `pem` or `path` is needed.
 *
 * The key is RSA (2048 to 4096 bits), P-256 or Ed25519, not encrypted, as PKCS#8 (`BEGIN PRIVATE KEY`), PKCS#1
 * (`BEGIN RSA PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`). One that cannot sign is an `ERR_TOKEN_CONFIG`
 * that names the field.
 */
export interface PrivateKeyOptions {
  /** The key as PEM text. */
  pem?: string
  /**
   * The path of a PEM file. It is read in the background when the key is first needed, so that what is wrong
   * with it is told by the call that waits for a token: `ERR_TOKEN_CONFIG` with `field: 'privateKey.path'`.
   */
  path?: string
  /** `kid` of the assertions, where the server knows the key by a name. */
  kid?: string
  /** `RS256`, `PS256`, `ES256` or `EdDSA`. Default: `RS256` for an RSA key, else what fits the key. */
  alg?: string
  /** `aud` of the assertions, RFC 7523 §3. Default: the token endpoint's URL. */
  audience?: string
}

/** How a login endpoint wants to be asked and read. */
export interface LoginOptions {
  /**
   * The method. Default `POST`. `GET` has no body and needs `credentials: 'basic'`: credentials do not belong in a URL.
   * A refresh is a `POST` in any case.
   */
  method?: 'POST' | 'GET' | 'PUT' | 'PATCH'
  /**
   * Where the name and the password are: in the body, or in the header `Authorization: Basic` (RFC 7617, in UTF-8). With
   * `basic` and no `body` there is one request, without a body; `body: {}` is an empty JSON object. Default `body`.
   */
  credentials?: 'body' | 'basic'
  /**
   * The body; texts in it may hold `{email}`, `{username}`, `{password}`, `{clientId}` and `{clientSecret}`, which are
   * filled in. A body that holds the client's credentials needs no user, and is the only request that is made.
   */
  body?: Record<string, unknown>
  /** How the body is written. Default `json`. */
  format?: 'json' | 'form'
  /** The media type of a JSON body, of a refresh in JSON, too. Default `application/json`. */
  contentType?: string
  /**
   * Where the token is in the answer: names with dots between them, where a number is the index of a list
   * (`data.access_token`, `0.token`); `$` for the whole answer, a JSON string or plain text; `header:NAME`; or
   * `cookie:NAME`. The expiry and the refresh token are also looked for next to it, under their usual names. The
   * answer of a refresh is read by the usual names where this path finds nothing in it.
   */
  tokenPath?: string
  /** Where the refresh token is, written as `tokenPath` is. */
  refreshTokenPath?: string
  /** The name under which a refresh in JSON sends the refresh token. Default: the name that it came by. */
  refreshTokenField?: string
  /**
   * Where the expiry is, written as `tokenPath` is: seconds to live, a date as text or as a number since the epoch, or
   * a text such as `15m` or `PT1H`. Under a name other than `expires_in` and its kind, a number from 100000 to a
   * billion counts milliseconds.
   */
  expiresPath?: string
}

/** How failed token requests are repeated: an exponential back-off with full jitter. */
export interface RetryOptions {
  /** Tries within one attempt to get a token. Default 3. */
  attempts?: number
  /** The first pause at most, in milliseconds. Default 500. */
  baseMs?: number
  /** The longest pause, in milliseconds. Default 60000. */
  maxMs?: number
}

/**
 * Where the token rests. This version has `memory`, `file`, `sqlite`, `prisma` and `custom`; the other kinds answer
 * `ERR_TOKEN_CONFIG`.
 *
 * Default paths: `./data/token-cache.json` for `file`, `./data/token-cache.db` for `sqlite`.
 *
 * `acceptPlainTokens` (default `false`) also uses a token that is not sealed, which another program put into the
 * store, with the `refreshToken`, `tokenType` and `expiresAt` beside it. Whoever can write to the store then decides
 * which token is sent. To hand over a token once, use `token` (`EXTERNAL_API_TOKEN`) instead.
 */
export type StorageOptions =
  | { kind: 'memory' }
  | { kind: 'file'; path?: string; acceptPlainTokens?: boolean }
  | { kind: 'sqlite'; path?: string; acceptPlainTokens?: boolean }
  | { kind: 'postgres'; url: string }
  | { kind: 'redis'; url: string; keyPrefix?: string }
  | { kind: 'prisma'; client: PrismaTokenClient; acceptPlainTokens?: boolean }
  | { kind: 'custom'; store: TokenStore; acceptPlainTokens?: boolean }

/** A database: the path of a SQLite file, a URL, a Prisma client or a store of your own. */
export type DatabaseHandle = string | PrismaTokenClient | TokenStore

/**
 * What is used of a Prisma client: the delegate of the `TokenCache` model.
 *
 * ```prisma
 * model TokenCache {
 *   id           String   @id @default(cuid())
 *   service      String   @unique
 *   token        String
 *   expiresAt    DateTime
 *   refreshToken String?
 *   tokenType    String   @default("Bearer")
 *   createdAt    DateTime @default(now())
 *   lastUsed     DateTime @default(now())
 *
 *   @@map("token_cache")
 * }
 * ```
 *
 * `token` holds the whole record as one sealed text of some hundred characters and more: where `String` is short
 * (MySQL), give it and `refreshToken` `@db.Text`. The other columns are for you to look at: evertoken does not read
 * them back, and leaves `refreshToken` empty. A row whose `service` begins with a space is evertoken's own: a sealed
 * note, or the mark of a `clear()`. A row that you create yourself with a plain token is used with `acceptPlainTokens`
 * only; see {@link StorageOptions}.
 */
export interface PrismaTokenClient {
  readonly tokenCache: {
    findUnique(args: any): PromiseLike<unknown>
    upsert(args: any): PromiseLike<unknown>
    deleteMany(args?: any): PromiseLike<unknown>
    /** With these two, one of several processes that save at once wins, and the others notice. */
    createMany?(args: any): PromiseLike<{ count: number }>
    updateMany?(args: any): PromiseLike<{ count: number }>
  }
}

/**
 * A store of your own: one record for a service, under its name, which may be any text without control characters.
 * What it is given is sealed: it never sees a token. Under names that begin with a space it is given a sealed note
 * about a service, and the mark of a `clear()`, which tells other processes to drop their token. A record that is
 * missing without such a mark was lost: that costs no login, and the token is stored again. Each function may also
 * answer without a promise.
 *
 * What it throws is an `ERR_TOKEN_STORAGE` that names the class and `code` of the error and nothing of its message;
 * a call that takes longer than 5 seconds counts as failed. Meanwhile tokens are served from memory, the status says
 * `storage.healthy: false`, and the store is tried again by itself.
 *
 * `evertoken/testing` has the cases that a store has to pass.
 *
 * @example
 * ```ts
 * const records = new Map<string, StoredToken>()
 * const store: TokenStore = {
 *   get: (service) => records.get(service) ?? null,
 *   set: (service, record) => void records.set(service, record),
 *   delete: (service) => void records.delete(service),
 * }
 * initializeTokenService({ storage: { kind: 'custom', store } })
 * ```
 */
export interface TokenStore {
  /**
   * The record of this service, or `null`. A record of a wrong shape, or with a `token` of more than 4 MiB, is an
   * `ERR_TOKEN_STORAGE`, and the next save replaces it.
   */
  get(service: string): Promise<FoundToken | null | undefined> | FoundToken | null | undefined
  /** Keeps the whole record of this service, in place of the one there was. */
  set(service: string, record: StoredToken): Promise<unknown> | unknown
  /** Forgets the record of this service. It must not throw if there is none. */
  delete(service: string): Promise<unknown> | unknown
}

/**
 * One record, as a store is given it; moments are ISO 8601, UTC, to the millisecond. `token` alone counts when it is
 * read back; the other fields are for people.
 */
export interface StoredToken {
  /** The whole record, sealed: the tokens, their type and times, and how they were obtained. */
  token: string
  /** When the access token expires. */
  expiresAt: string
  /** `null`: a refresh token is inside `token`. */
  refreshToken: string | null
  /** The word before the token in the header. */
  tokenType: string
  /** When it was issued. */
  createdAt: string
  /** When it was last written or taken into use. It grows with each write. */
  lastUsed: string
}

/**
 * One record, as a store may give it back: moments as ISO 8601 with a time zone, as `Date` or in milliseconds since
 * 1970. Further fields are not read. One that you put there yourself, with a plain `token`, needs `expiresAt`, and is
 * used with `acceptPlainTokens` only; see {@link StorageOptions}.
 */
export interface FoundToken {
  token: string
  expiresAt: string | number | Date
  refreshToken?: string | null | undefined
  /** Default `Bearer`. */
  tokenType?: string | null | undefined
  /** Default: an hour before `expiresAt`. */
  createdAt?: string | number | Date | null | undefined
  /** Default `createdAt`. */
  lastUsed?: string | number | Date | null | undefined
}

/** Takes log lines: a sentence, and fields that belong to it. pino, winston and `console` fit. */
export interface Logger {
  debug(message: string, ...details: any[]): unknown
  info(message: string, ...details: any[]): unknown
  warn(message: string, ...details: any[]): unknown
  error(message: string, ...details: any[]): unknown
}

/** How the background refresh works; see {@link startTokenScheduler}. */
export interface SchedulerOptions {
  /**
   * How often every service is looked at, besides at its refresh point, in seconds: what the store has is
   * adopted, a missing token is fetched, and what becomes due before the next look is refreshed. Default 600.
   */
  refreshIntervalSeconds?: number
  /** Refreshes at each interval, due or not. Default `false`. */
  everyInterval?: boolean
  /** How often expired tokens, a sick store and overdue refreshes are looked for, in seconds. Default 300. */
  healthCheckIntervalSeconds?: number
  /** After so many failures in a row, what was remembered is forgotten and found anew. Default 3. */
  recoverAfterFailures?: number
}

// ------------------------------------------------------------------------------------------------- status

/** How a service stands. Moments are ISO 8601, UTC; `null` is for what is not known or not there. */
export interface TokenStatus {
  /** The name of the service. */
  service: string
  /**
   * `valid`; `expiring`: past its refresh point, and still good; `expired`; `missing`: there was none yet, or
   * it was cleared; `manual`: the configured token stands in.
   */
  state: 'valid' | 'expiring' | 'expired' | 'missing' | 'manual'
  /**
   * Whether nothing needs attention: a token or a first attempt to come, no run of failures, a store that
   * works.
   */
  healthy: boolean
  /** Where the token came from: this process asked for it, the store had it, or it is the configured one. */
  source: 'request' | 'store' | 'manual' | null
  /** The word before the token in the header. */
  tokenType: string | null
  /** When the token was issued. */
  issuedAt: string | null
  /** When it expires; `null` for one that does not (`neverExpires`). */
  expiresAt: string | null
  /** From when on it is refreshed in the background; `null` for one that does not expire. */
  refreshAt: string | null
  /** How long it still lives, in seconds; `null` for one that does not expire. */
  expiresInSeconds: number | null
  /** When a token was last requested with success. */
  lastRefreshAt: string | null
  /** Failures in a row. */
  consecutiveFailures: number
  /** The last failure, until a token is had. */
  lastError: { code: string; message: string; at: string } | null
  /**
   * What worked last: `grant` is `client_credentials`, `password`, the configured `grantType`, or `login`; `format` is
   * the client's authentication (`client_secret_basic` and its kind; `json_client_secret_post` with
   * `requestFormat: 'json'`), `form` or `json` of a password grant, or `json_email`, `json_username`, `custom` or `basic`
   * of a login.
   */
  strategy: { grant: string; endpoint: string; format: string } | null
  /** The scheduler, which is one for all services. */
  scheduler: SchedulerStatus
  /** Where the token rests; `location` holds no credentials. */
  storage: { kind: string; location: string; encrypted: boolean; healthy: boolean }
  /** Counted since the service began. */
  counters: {
    /** HTTP requests for a token. */
    tokenRequests: number
    /** New tokens. */
    refreshes: number
    /** Attempts that brought none. */
    failures: number
    /** Tokens taken from the store. */
    storeHits: number
    /** 401 answers after which a later token was there. */
    retriesOn401: number
  }
  /**
   * The last 50 things that happened; `adopted`: another process had refreshed, and this one took its token
   * over.
   */
  history: {
    at: string
    outcome: 'refreshed' | 'adopted' | 'failed' | 'cleared'
    durationMs: number
    code?: string
  }[]
}

/** How the scheduler stands. */
export interface SchedulerStatus {
  running: boolean
  refreshIntervalSeconds: number
  healthCheckIntervalSeconds: number
  nextRefreshAt: string | null
  lastHealthCheckAt: string | null
}

// ------------------------------------------------------------------------------------------------- events

/**
 * What is announced: `refreshed`: a new token is there; `refreshFailed`: none could be had; `expiring`: the
 * refresh point is past; `alert`: failures in a row, or a sick store, once an incident; `recovered`: the
 * incident is over; `cleared`: the token was cleared, here or by another process.
 */
export type TokenEventName = 'refreshed' | 'refreshFailed' | 'expiring' | 'alert' | 'recovered' | 'cleared'

/**
 * One announcement. The same goes to Node's `diagnostics_channel`, as `evertoken:<type>`. What a subscriber there throws
 * is an uncaught exception, as Node has it for every channel; a listener of {@link TokenService.on} may throw.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe('evertoken:refreshFailed', (event) => console.error((event as TokenEvent).error?.message))
 * ```
 */
export interface TokenEvent {
  readonly type: TokenEventName
  /** The name of the service. */
  readonly service: string
  /** When, ISO 8601, UTC. */
  readonly at: string
  /** How things stood then. */
  readonly status: TokenStatus
  /** What went wrong, where something did. */
  readonly error?: TokenError
}

// ------------------------------------------------------------------------------------------------- errors

/**
 * What went wrong, from a closed list.
 *
 * | code | what happened | trying again |
 * |---|---|---|
 * | `ERR_TOKEN_CONFIG` | a configuration value is wrong; `field` names it | not before it is changed |
 * | `ERR_TOKEN_CREDENTIALS` | the server rejected the credential | after a cool-down, by itself |
 * | `ERR_TOKEN_ENDPOINT` | no endpoint answered as a token endpoint | by itself; after a cool-down where a password was sent |
 * | `ERR_TOKEN_RESPONSE` | an answer held no usable token | by itself; after a cool-down where the answer may reject the credential |
 * | `ERR_TOKEN_RATE_LIMITED` | the server, or `rateLimit`, limits requests | after `retryAfterSeconds`, by itself |
 * | `ERR_TOKEN_TIMEOUT` | no whole answer came within `timeoutMs` | by itself |
 * | `ERR_TOKEN_NETWORK` | the connection could not be made, or broke | by itself |
 * | `ERR_TOKEN_TLS` | the server's certificate was not accepted | not before `ca` or the server is changed |
 * | `ERR_TOKEN_STORAGE` | the store could not be read or written | by itself |
 * | `ERR_TOKEN_DECRYPT` | a stored record opens with no configured key | a new login replaces it |
 * | `ERR_TOKEN_SHUTDOWN` | the service was shut down | initialise it again |
 * | `ERR_TOKEN_INTERNAL` | a fault of evertoken, or its native addon does not load | please report it |
 */
export type TokenErrorCode =
  | 'ERR_TOKEN_CONFIG'
  | 'ERR_TOKEN_CREDENTIALS'
  | 'ERR_TOKEN_ENDPOINT'
  | 'ERR_TOKEN_RESPONSE'
  | 'ERR_TOKEN_RATE_LIMITED'
  | 'ERR_TOKEN_TIMEOUT'
  | 'ERR_TOKEN_NETWORK'
  | 'ERR_TOKEN_TLS'
  | 'ERR_TOKEN_STORAGE'
  | 'ERR_TOKEN_DECRYPT'
  | 'ERR_TOKEN_SHUTDOWN'
  | 'ERR_TOKEN_INTERNAL'

/** What is known about an error besides its code and message. */
export interface TokenErrorDetails {
  service?: string
  field?: string
  status?: number
  retryAfterSeconds?: number
  serverError?: ServerError
  cause?: unknown
}

/**
 * What the token server said of its refusal, in its own words: the error response of RFC 6749 §5.2, or what the
 * server sends in its place (`message`, `detail`, `errors`, …).
 *
 * Each text is cleaned: one printable line of at most 300 characters, in which `[removed]` stands for every secret
 * that is configured or was sent, and for whatever looks like a token. Show it to people who operate the service, and
 * do not compare it: servers change their words.
 */
export interface ServerError {
  /** Its code, for example `invalid_client`. */
  error?: string
  /** Its sentence. */
  description?: string
  /** The address of a page about it, without a query or a fragment. */
  uri?: string
}

/**
 * The one error of this package. Nothing in it ever holds a token, password, secret or key. `instanceof`
 * knows the errors of another copy of this package, too.
 *
 * @example
 * ```ts
 * try {
 *   await initializeTokenService().refresh()
 * } catch (error) {
 *   if (error instanceof TokenError && error.code === 'ERR_TOKEN_RATE_LIMITED') {
 *     console.log(`again in ${error.retryAfterSeconds} s`)
 *   }
 * }
 * ```
 */
export class TokenError extends Error {
  constructor(code: TokenErrorCode, message: string, details?: TokenErrorDetails)
  readonly code: TokenErrorCode
  /** The address of the page that explains the code, in this version's documentation. */
  readonly help: string
  /** The name of the service; absent when the error belongs to no one of them. */
  readonly service?: string
  /** The dotted path of the configuration field, or the environment variable, at fault. */
  readonly field?: string
  /** The HTTP status of the token server's answer. */
  readonly status?: number
  /** How long the server asked to wait, in seconds. */
  readonly retryAfterSeconds?: number
  /**
   * What the token server said, cleaned; absent when it said nothing. `message` never holds it. It is also in the log
   * line from `LOG_LEVEL=debug` on, and not in `status()`, `alert` events or the alert webhook.
   */
  readonly serverError?: ServerError
  /** The same in plain data, `message` included. */
  toJSON(): { name: string; code: TokenErrorCode; message: string; help: string } & Omit<TokenErrorDetails, 'cause'>
}
