/**
 * `evertoken` keeps a valid access token ready: it logs in, caches and stores the token, refreshes it in the
 * background, and returns the header to send.
 *
 * ```ts
 * import { initializeTokenService, getAuthHeaders, startTokenScheduler } from 'evertoken'
 *
 * initializeTokenService()        // reads the environment; a configuration is optional
 * startTokenScheduler()           // refreshes in the background; never keeps the process alive
 * const response = await fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })
 * ```
 *
 * @module evertoken
 */

// ---------------------------------------------------------------------------------------------- functions

/**
 * Starts a token service, or returns the one that is already running.
 *
 * It checks the configuration and returns immediately: there is no I/O on the calling thread, and no token request.
 * Fields that `config` leaves out come from the environment (see {@link configFromEnv} for how the two combine).
 *
 * A process has one service per name, even if several copies of this package are loaded (a bundle, a worker thread, a
 * hot reload). If you call it again with an equal configuration, it returns the running service, with the newest
 * `logger`. With a different configuration, it shuts the old service down, replaces it and logs a warning.
 *
 * @param config The configuration; every field is optional.
 * @param useDatabase `true` stores the token in a database and ignores `config.storage`. Default `false`.
 * @param database With `useDatabase`: the path of an SQLite file (default `./data/token-cache.db`), a URL (`sqlite:`,
 * `file:`, `postgres:` or `redis:`), a Prisma client or a store of your own.
 * @throws {TokenError} `ERR_TOKEN_CONFIG` if a value is invalid or a key is unknown; `field` names it.
 * `ERR_TOKEN_INTERNAL` if the native addon cannot be loaded.
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
 * Returns the running service of this name, or `null`. Without a name, it returns the one named `external_api`, or else
 * the one that was initialized first. It also finds services that another bundle or another worker thread of this
 * process has initialized.
 *
 * @throws {TokenError} `ERR_TOKEN_INTERNAL` if the native addon cannot be loaded.
 *
 * @example
 * ```ts
 * const state = getTokenService('billing')?.status().state ?? 'missing'
 * ```
 */
export function getTokenService(service?: string): TokenService | null

/**
 * Returns the header to send, from the service of this name (without a name: the default one, as
 * {@link getTokenService} finds it). See {@link TokenService.getAuthHeaders}.
 *
 * If no service has been initialized, this call initializes the default one from the environment. If the default
 * service was configured in code and then shut down, the call rejects with `ERR_TOKEN_SHUTDOWN` instead.
 *
 * @throws {TokenError} (by rejecting) `ERR_TOKEN_CONFIG` if the environment does not contain a complete configuration,
 * or if no service has the given name. `ERR_TOKEN_CONFIG` with `field: 'request'` for a service with `dpop`, whose
 * headers are valid for one request only. `ERR_TOKEN_SHUTDOWN` if the service was shut down. With `onFailure: 'throw'`,
 * also the reason why no token could be obtained.
 *
 * @example
 * ```ts
 * const response = await fetch('https://api.example.com/orders', { headers: await getAuthHeaders() })
 * ```
 */
export function getAuthHeaders(service?: string): Promise<AuthHeaders>

/**
 * Starts the background refresh for every service of this process, including those that are initialized later. It runs
 * on a separate thread and never keeps the process alive. If you call it again, the new intervals replace the old ones.
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
 * Reads a configuration from environment variables. An empty variable counts as unset.
 *
 * | variable | field |
 * |---|---|
 * | `EXTERNAL_AUTH_URL` | `authUrl` |
 * | `OAUTH_ISSUER` | `issuer` |
 * | `EXTERNAL_API_EMAIL`, `EXTERNAL_API_USERNAME`, `EXTERNAL_API_PASSWORD` | `email`, `username`, `password` |
 * | `OAUTH_CLIENT_ID`, `OAUTH_CLIENT_SECRET` | `clientId`, `clientSecret` |
 * | `OAUTH_PRIVATE_KEY` | `privateKey`: PEM (line ends may be written as `\n`), or the path of a PEM file |
 * | `OAUTH_SCOPE`, `OAUTH_AUDIENCE` | `scope`, `audience` |
 * | `OAUTH_PARAMETERS` | `parameters`, form-encoded: `account_id=7&tenant=blue`; a space is `+`, and a plus is `%2B` |
 * | `EXTERNAL_API_TOKEN` | `token` |
 * | `EXTERNAL_API_HEADER` | `header`: its name |
 * | `TOKEN_ENCRYPTION_KEY` | `encryptionKey`; separate several keys with commas |
 * | `EVERTOKEN_STORAGE` | `storage`: `memory`, `file`, `file:PATH`, `sqlite:PATH` or a `postgres:`, `redis:` or `rediss:` URL |
 *
 * A `file:` path that ends in `.db`, `.sqlite` or `.sqlite3` is an SQLite database.
 *
 * {@link initializeTokenService} takes each field from the code, or else from the environment. It does not read a
 * variable that would contradict the code:
 * - With `authUrl` in code, `OAUTH_ISSUER` is not read; with `issuer` in code, `EXTERNAL_AUTH_URL` is not read.
 * - With `email` in code, `EXTERNAL_API_USERNAME` is not read; with `username` in code, `EXTERNAL_API_EMAIL` is not
 *   read.
 * - With `clientSecret`, `privateKey`, `clientCertificate` or `clientAuthentication: 'none'` in code,
 *   `OAUTH_CLIENT_SECRET` and `OAUTH_PRIVATE_KEY` are not read.
 * - With `dpop: true` in code, `EXTERNAL_API_HEADER` is not read.
 * - With a function as `login` in code, the variables from `EXTERNAL_AUTH_URL` to `OAUTH_PARAMETERS` in this table are
 *   not read.
 * - A complete credential in code is used alone, unless `grant` is also in code. With `clientId` and a client
 *   credential (`clientSecret`, `privateKey` or `clientCertificate`) in code, the email, username and password in the
 *   environment are not read. With `password` and `email` or `username` in code, the client credentials in the
 *   environment are not read. In both cases, `OAUTH_PARAMETERS` is not read either. Otherwise, the password of one
 *   service could be sent to the server of another.
 *
 * @param env The variables. Default: `process.env`.
 * @throws {TokenError} `ERR_TOKEN_CONFIG` with `field: 'EVERTOKEN_STORAGE'` or `field: 'OAUTH_PARAMETERS'` if the value
 * cannot be parsed.
 *
 * @example
 * ```ts
 * const config = configFromEnv({ EXTERNAL_AUTH_URL: 'https://login.example.com', OAUTH_CLIENT_ID: 'reports' })
 * ```
 */
export function configFromEnv(env?: Record<string, string | undefined>): TokenServiceConfig

// ------------------------------------------------------------------------------------------------ service

/**
 * The headers to send: `Authorization` (for example `Bearer eyJ…`, RFC 6750 §2.1), or the configured `header`. With
 * `dpop`, also `DPoP`, the proof of possession (RFC 9449 §4). The object is empty if there is no token to send. You can
 * pass it to `fetch`, to `new Headers()` and to HTTP clients as it is.
 *
 * Every call returns a new plain object, so you can add headers of your own. (The type lists no header names, because
 * `fetch` and HTTP clients expect a `Record`, and because hosts and callers add names.)
 */
export type AuthHeaders = Record<string, string>

/**
 * Headers in the form that an HTTP client uses: a plain object, `Headers`, a list of pairs, or the headers of axios.
 * Names are case-insensitive. See {@link TokenService.rejected}.
 */
export type SentHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>
  | { get(name: string): unknown }

/** A token to send, with its details; see {@link TokenService.getAccessToken}. */
export interface AccessToken {
  /** The token itself. */
  token: string
  /** The token type, as it is written before the token in an `Authorization` header, for example `Bearer`. */
  tokenType: string
  /** When it expires; `null` for a token that does not expire (`neverExpires`), and for the configured `token`. */
  expiresAt: Date | null
  /** The members of the token response that `fields` names, as text; without those that no response contained. */
  fields: Record<string, string>
}

/**
 * A service, which manages one token. Create it with {@link initializeTokenService}, find it with
 * {@link getTokenService}.
 */
export class TokenService {
  private constructor()

  /** The name in the store. */
  readonly name: string

  /**
   * Returns the header to send.
   *
   * While there is a usable token, this performs no I/O and never waits for a refresh that is in progress. Otherwise it
   * waits for one token request, which all waiting callers share.
   *
   * If no token can be obtained, it resolves with the manual token (`config.token`) if there is one, or else with `{}`.
   * The failed attempt logs a warning and emits a `refreshFailed` event.
   *
   * With `dpop`, each call returns a new proof, also without I/O. If a server requires a nonce in the proof, use
   * {@link TokenService.fetch}: the server sends the nonce in a response, which only `fetch` sees.
   *
   * @param request The request that the header is for; required with `dpop`, and otherwise ignored. `method` is
   * normalized as in `fetch`; `url` must be absolute.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_SHUTDOWN` if the service was shut down. With `dpop`,
   * `ERR_TOKEN_CONFIG` with `field` `request`, `request.method` or `request.url` if that argument is missing or
   * invalid. With `onFailure: 'throw'`, also the reason why no token could be obtained.
   *
   * @example
   * ```ts
   * const service = initializeTokenService()
   * const response = await fetch('https://api.example.com/orders', { headers: await service.getAuthHeaders() })
   * ```
   */
  getAuthHeaders(request?: { method: string; url: string }): Promise<AuthHeaders>

  /**
   * Returns the token itself, for clients that do not use HTTP headers; `null` if there is none. It waits and fails in
   * the same way as {@link TokenService.getAuthHeaders}.
   */
  getToken(): Promise<string | null>

  /**
   * Returns the token with its type, its expiry and the `fields` that came with it; `null` where
   * {@link TokenService.getAuthHeaders} resolves with `{}`. It waits and fails in the same way. Every call returns a
   * new object.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ fields: ['instance_url'] })
   * const instance = (await service.getAccessToken())?.fields['instance_url']
   * ```
   */
  getAccessToken(): Promise<AccessToken | null>

  /**
   * Requests a new token now, even if the current one is still valid. If a refresh is already in progress, it waits for
   * that one instead.
   *
   * @throws {TokenError} (by rejecting) the reason why no token could be obtained: `ERR_TOKEN_CREDENTIALS`,
   * `ERR_TOKEN_ENDPOINT`, `ERR_TOKEN_RESPONSE`, `ERR_TOKEN_RATE_LIMITED`, `ERR_TOKEN_TIMEOUT`, `ERR_TOKEN_NETWORK`,
   * `ERR_TOKEN_TLS`, `ERR_TOKEN_STORAGE`, `ERR_TOKEN_SHUTDOWN`. The current token remains in use until it expires.
   */
  refresh(): Promise<TokenStatus>

  /**
   * Reports that an API refused this token (with a 401 response), and resolves with headers that carry a newer one. Use
   * it with your own HTTP client; {@link TokenService.fetch} does this automatically. All callers that report the same
   * token share one token request. If there is already a newer token, evertoken makes no request.
   *
   * If no newer token can be obtained, it resolves with `{}`; with `onFailure: 'throw'`, it rejects with the reason. If
   * an API refuses every token, not every call causes a token request: the pause between two requests starts at one
   * second and doubles up to five minutes (`ERR_TOKEN_RATE_LIMITED`, with `retryAfterSeconds`).
   *
   * @param headersOrToken The headers that were sent, the value of the header that carries the token, or the token
   * itself. If the headers contain no token, the result is that of {@link TokenService.getAuthHeaders}.
   * @param request The request that the result is for; required with `dpop`, as in {@link TokenService.getAuthHeaders}.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_CONFIG` with `field: 'headersOrToken'` for any other argument, and
   * the errors of {@link TokenService.getAuthHeaders}.
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
   * Deletes the token, in memory and in the store. Other processes that share the store drop it within seconds. The
   * next caller waits for a new one.
   *
   * @param options `revoke: true` also revokes the token at the server (RFC 7009 §2), if a revocation endpoint is
   * known.
   * @throws {TokenError} (by rejecting) `ERR_TOKEN_STORAGE` if the stored record could not be deleted, or the reason
   * why the token could not be revoked. Even then, the token in memory is deleted.
   */
  clear(options?: { revoke?: boolean }): Promise<void>

  /**
   * Returns the current status, without I/O. It never contains a token or a secret.
   *
   * @throws {TokenError} `ERR_TOKEN_SHUTDOWN` after {@link TokenService.shutdown}.
   */
  status(): TokenStatus

  /**
   * The platform's `fetch`, with the header added.
   *
   * If the API responds with 401, or with a response that `refusedBy` recognizes, the token may have been revoked
   * early. evertoken then looks for a newer token in memory and in the store, and requests one if there is none. It
   * repeats the request once, if its body can be sent again (no body, a string, bytes, `URLSearchParams`, `FormData` or
   * `Blob`; not a stream). It returns the response to the repeated request unchanged.
   *
   * With `dpop`, each request carries a new proof. If a 401 asks for a nonce (`use_dpop_nonce`, RFC 9449 §9), the
   * request is repeated once with that nonce, if its body can be sent again. Nonces are remembered for each origin.
   *
   * If the request already has an `Authorization` header (or the one that `header` names), it is sent unchanged and
   * never repeated. With `baseUrl`, relative URLs resolve against it as links on a page do, so keep its trailing slash.
   * The header then goes only to that origin and to `allowedOrigins`. Without `baseUrl`, the header goes only to
   * `allowedOrigins` if that is set, or else to every `http` and `https` URL that you pass; evertoken warns once if it
   * goes over `http` to a public network. If `baseUrl` contains a `{field}`, the token response supplies that part of
   * the URL. If the result is not allowed, a request with a relative URL rejects with `ERR_TOKEN_CONFIG` and
   * `field: 'baseUrl'`.
   *
   * On a redirect to another origin, the header is removed, and stays removed even if a later redirect leads back. On a
   * redirect within the origin, it is sent; with `dpop`, with a proof for the new URL. (With `dpop`, or with a `header`
   * other than `Authorization`, evertoken follows the redirects itself, by the rules of the fetch standard; in that
   * case, the body of a `Request` cannot be sent again.)
   *
   * @throws The errors of `fetch`, and those of {@link TokenService.getAuthHeaders}.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ baseUrl: 'https://api.example.com/v1/' })
   * const response = await service.fetch('orders', { method: 'POST', body: JSON.stringify({ item: 1 }) })
   * ```
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>

  /**
   * Adds a listener, like Node's `EventEmitter`, with one difference: if a listener throws or rejects, nothing else is
   * affected. The first error of each listener is reported to the configured logger, or else as a process warning. When
   * the service is shut down or replaced, its listeners are removed.
   *
   * @example
   * ```ts
   * initializeTokenService().on('alert', (event) => console.error(event.error?.code))
   * ```
   */
  on(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Adds a listener for the next event only. */
  once(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Removes a listener. */
  off(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Same as `on`; for `events.once` and similar functions. */
  addListener(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /** Same as `off`. */
  removeListener(event: TokenEventName, listener: (event: TokenEvent) => void): this

  /**
   * Shuts the service down: waiting callers and later calls get `ERR_TOKEN_SHUTDOWN`. It waits for a token request that
   * is in progress, so that a new refresh token is still stored. Calling it again has no effect.
   */
  shutdown(): Promise<void>
}

// ------------------------------------------------------------------------------------------ configuration

/** The configuration of a service. Every field is optional; see {@link configFromEnv} for the environment variables. */
export interface TokenServiceConfig {
  /** The name in the store. Default `external_api`. */
  service?: string

  /**
   * Where the credentials go: a token endpoint, a login endpoint, or an origin without a path, on which evertoken tries
   * the common endpoints. `http` is allowed only to this machine and to private addresses. `EXTERNAL_AUTH_URL`.
   */
  authUrl?: string
  /**
   * Instead of `authUrl`: the issuer whose metadata names the token endpoint and the revocation endpoint (OpenID
   * Connect Discovery §4, RFC 8414 §3). The metadata must name exactly this issuer, with or without a slash at the end,
   * as written here. evertoken requests it before the first token request, and then once a day. `OAUTH_ISSUER`.
   */
  issuer?: string

  /** The email address of the account. `EXTERNAL_API_EMAIL`. */
  email?: string
  /** The name of the account; if not set, `email` is used. `EXTERNAL_API_USERNAME`. */
  username?: string
  /** The password of the account. `EXTERNAL_API_PASSWORD`. */
  password?: string

  /** `client_id`, RFC 6749 §2.2. `OAUTH_CLIENT_ID`. */
  clientId?: string
  /**
   * `client_secret`, RFC 6749 §2.3.1. `OAUTH_CLIENT_SECRET`. evertoken removes line breaks at the end of this and of
   * the other credentials. It sends quotes, invisible characters and surrounding spaces unchanged, and logs a warning.
   */
  clientSecret?: string
  /** `scope`, RFC 6749 §3.3: words separated by one space. `OAUTH_SCOPE`. */
  scope?: string

  /**
   * How the token is obtained: `client_credentials` (RFC 6749 §4.4), `password` (RFC 6749 §4.3, which RFC 9700 §2.4
   * forbids for new servers) or `login`, any other login endpoint. Default: the one that the credentials are for. If
   * credentials for both a client and a user are set, evertoken uses what worked last. Before the first success, it
   * tries client credentials first if `authUrl` ends in `token`, and otherwise a login.
   */
  grant?: 'client_credentials' | 'password' | 'login'
  /**
   * The server's own name for the grant, sent as `grant_type` instead of `client_credentials` or `password`. Zoom, for
   * example, requires `account_credentials`. A refresh still sends `refresh_token`. This applies to grants only: if
   * `email` or `username` is set, also set `grant`.
   */
  grantType?: string
  /**
   * Sent with every token request, including refreshes. In a form, a list is sent as several fields of the same name;
   * in JSON, it is a list. The values are treated as secrets: evertoken removes them from the server's error text. It
   * does not use a token that was obtained with other parameters. Fields that evertoken writes itself, such as
   * `client_id` or `scope`, cannot be set here. `OAUTH_PARAMETERS`.
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
   * The format of a grant's requests: a form (RFC 6749 appendix B), or a JSON object with the same members. It applies
   * to `client_credentials`, `password`, and the refresh at the token endpoint, unless `refreshFormat` is set. With
   * `clientAuthentication: 'client_secret_post'`, the secret is a member of the object. For a login, see `login`.
   * Default `form`.
   */
  requestFormat?: 'form' | 'json'
  /** `audience`, which some servers require. `OAUTH_AUDIENCE`. */
  audience?: string
  /** `resource`, RFC 8707 §2. */
  resource?: string | string[]
  /**
   * How the client authenticates, by the names of RFC 7591 §2. Default: the method that fits its credential. With
   * `clientSecret`, that is `client_secret_basic`, then `client_secret_post` if the server refuses it; with
   * `privateKey`, `private_key_jwt`; with `clientCertificate` alone, `tls_client_auth`. Required if both `clientSecret`
   * and `privateKey` are set.
   *
   * `none` sends `clientId` alone. There is then no secret from which to derive a key, so `encryptionKey` is required,
   * unless the token is kept in memory. `client_secret_basic_raw` is `client_secret_basic` without the form encoding of
   * RFC 6749 §2.3.1, for servers that do not decode it.
   */
  clientAuthentication?:
    | 'client_secret_basic'
    | 'client_secret_basic_raw'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'none'
  /**
   * The private key of the client: PEM, the path of a PEM file, or {@link PrivateKeyOptions}. Instead of a secret, the
   * client then sends an assertion, which it signs for each request and which is valid for 60 seconds:
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
   * The certificate of the client (with its chain, if the server requires it) and its private key, as PEM:
   * `tls_client_auth`, RFC 8705 §2. evertoken presents it to every token endpoint that requests one in the TLS
   * handshake, even if `clientSecret` or `privateKey` is also set. `authUrl` must begin with `https://`.
   */
  clientCertificate?: { cert: string; key: string }
  /**
   * Binds the token to a private key, so that a stolen token alone cannot be used: DPoP, RFC 9449. Default `false`.
   *
   * evertoken generates one key pair (P-256) for a token and its refreshes. It stores the key pair encrypted, with the
   * token, so that every process that shares the store can create proofs. {@link TokenService.fetch} sends each request
   * with a new proof, and repeats it once if the server asks for a nonce (§9). For other clients, use the headers of
   * {@link TokenService.getAuthHeaders}. If the `Date` header of the token server shows that the local clock is wrong
   * by more than 30 seconds, proofs and assertions use the server's time. If the server responds with a Bearer token,
   * the token is used without proofs, and evertoken warns once. Cannot be combined with `scheme`.
   *
   * @example
   * ```ts
   * const service = initializeTokenService({ dpop: true })
   * const request = { method: 'GET', url: 'https://api.example.com/orders' }
   * const response = await fetch(request.url, { headers: await service.getAuthHeaders(request) })
   * ```
   */
  dpop?: boolean
  /** The token to send when no other can be obtained. `EXTERNAL_API_TOKEN`. */
  token?: string

  /**
   * The request and the response of a login endpoint, if they differ from the usual ones; or a function that obtains
   * the token itself, for a login that no option describes: a signed request, a browser session, a vault.
   *
   * evertoken calls the function as it would send a token request: once for all callers and, through the store, for
   * all processes, before the token expires or when the API refuses it. The function has `timeoutMs` to return; then
   * its `signal` is aborted, and callers get `ERR_TOKEN_TIMEOUT`. It is called once for each attempt, so it decides
   * itself what it tries again.
   *
   * If it throws a {@link TokenError} with the code `ERR_TOKEN_CREDENTIALS`, it is not called again in this process
   * before a growing cool-down ends or `refresh()` is called. Any other error is followed by a growing pause, which
   * lasts at least as long as `retryAfterSeconds` or `retryAfter` of the error (seconds, or a date). Messages, logs
   * and events contain the class and the code of the error, but not its text, which may contain a secret. Callers that
   * wait for the token get it as the `cause` of their error.
   *
   * With a function, the fields of evertoken's own token requests (`authUrl`, `clientId`, `password`, `scope`, `dpop`,
   * …) are errors in code, and are ignored in the environment. `encryptionKey` is required unless `storage` is
   * `memory`, because there is no secret to derive a key from. Services with an equal configuration use the newest
   * function.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   login: async ({ refreshToken, signal }) => {
   *     const response = await fetch('https://login.example.com/badge', {
   *       method: 'POST',
   *       body: JSON.stringify({ badge: process.env.BADGE, refreshToken }),
   *       signal,
   *     })
   *     if (response.status === 401) throw new TokenError('ERR_TOKEN_CREDENTIALS', 'the badge was refused')
   *     if (!response.ok) throw new Error(`the login failed with ${response.status}`)
   *     return (await response.json()) as OAuthTokenAnswer
   *   },
   * })
   * ```
   */
  login?:
    | LoginOptions
    | ((
        context: LoginContext,
      ) => TokenAnswer | OAuthTokenAnswer | Promise<TokenAnswer | OAuthTokenAnswer>)
  /** Where the refresh token is sent, if not to the token endpoint. */
  refreshUrl?: string
  /**
   * How the refresh token is sent: in a form (RFC 6749 §6), in JSON under the name that the response used, or in
   * `Authorization: Bearer`. Default: `form` at the token endpoint, `json` at `refreshUrl`.
   */
  refreshFormat?: 'form' | 'json' | 'bearer'
  /**
   * The word before the token in the header. Default: the word before the token in the response (`JWT abc`), or else
   * the `token_type` of the response, or else `Bearer`.
   */
  scheme?: string
  /**
   * The header that carries the token to the API: its name, or its name and value. In `value`, `{token}` is replaced by
   * the token, and `{scheme}` by the token type. Default: `{ name: 'Authorization', value: '{scheme} {token}' }`. With
   * any other name, the default value is the token alone. Headers that belong to the HTTP message (`Host`, `Cookie`,
   * `Content-Length`, …) are refused. Cannot be combined with `dpop`. `EXTERNAL_API_HEADER`.
   *
   * @example
   * ```ts
   * initializeTokenService({ header: 'X-Auth-Token' })
   * initializeTokenService({ header: { name: 'Authorization', value: 'Token token={token}' } })
   * ```
   */
  header?: string | { name: string; value?: string }
  /**
   * Members of the token response to keep with the token, for {@link TokenService.getAccessToken}: at most 16 names.
   * evertoken looks for a name at the top level of the response, then next to the token. A path, as in
   * `login.tokenPath`, also works (`data.api_domain`, `header:X-Region`). Strings, numbers and booleans of up to 4 KiB
   * are kept as text, encrypted in the stored record. If a later response does not contain a field, the field keeps its
   * value. If no response contains it, evertoken warns once.
   *
   * The values do not appear in the status, events or logs, because a response may contain secrets.
   *
   * @example
   * ```ts
   * initializeTokenService({ fields: ['instance_url'] })
   * ```
   */
  fields?: string[]
  /**
   * For {@link TokenService.fetch}: tells whether a response other than 401 means that the API refused the token. If it
   * returns `true`, evertoken looks for a newer token and repeats the request once. It gets a copy of the response,
   * which it may read until it returns or its promise settles. It is not called for responses from an origin that did
   * not get the token. If it throws, rejects or takes more than 5 seconds, the token counts as accepted; the first such
   * failure is reported to the logger.
   *
   * As with `logger`, services with an equal configuration use the newest function, separately in each thread.
   *
   * @example
   * ```ts
   * initializeTokenService({
   *   refusedBy: async (response) => response.status === 403 && (await response.text()).includes('token_expired'),
   * })
   * ```
   */
  refusedBy?: (response: Response) => boolean | Promise<boolean>
  /** The revocation endpoint, RFC 7009 §2. */
  revocationUrl?: string
  /** HTTP headers for every token request, for example an API key or a tenant. */
  headers?: Record<string, string>
  /**
   * Whether the credentials may also go to the common endpoints of the origin. Default: only if `authUrl` is an origin
   * without a path. If `true` and `authUrl` has a path, evertoken tries the common endpoints when that URL responds
   * with 404 or 405. By default, such a response is an error, and the credentials go nowhere else.
   */
  probe?: boolean

  /**
   * How long before its expiry a token is refreshed, in seconds. Default 300, or a quarter of its lifetime if the
   * lifetime is shorter than four times this value.
   */
  refreshBufferSeconds?: number
  /**
   * The assumed lifetime of a token, in seconds, if the response contains none or one that is not plausible. Default
   * 3600. A lifetime is not plausible if it is longer than 366 days or cannot be parsed; a warning names the field.
   */
  defaultLifetimeSeconds?: number
  /**
   * Whether no expiry, `expires_in: 0` or a lifetime of more than 366 days means that the token does not expire.
   * evertoken then uses it until the API refuses it. Default `false`: `expires_in: 0` is an error.
   */
  neverExpires?: boolean
  /** The time limit for a whole token request, in milliseconds. Default 10000. */
  timeoutMs?: number
  /**
   * How many token requests of this process are under way at once at the token server's origin, over all services with
   * the same value: 1 to 1000. The others wait. If none of those under way is answered for three times `timeoutMs`, they fail
   * with `ERR_TOKEN_TIMEOUT`. Default 16.
   */
  maxConcurrentRequests?: number
  /** How failed token requests are retried. */
  retry?: RetryOptions
  /** The maximum number of attempts to get a token in a period. Default: 10 in 60 seconds. */
  rateLimit?: { attempts: number; perSeconds: number }
  /** What callers get if no token can be obtained: `{}`, or the error. Default `unauthenticated`. */
  onFailure?: 'unauthenticated' | 'throw'

  /** Where the token is stored. Default: `EVERTOKEN_STORAGE`, or else the file `./data/token-cache.json`. */
  storage?: StorageOptions
  /**
   * Encrypts the stored token. If there are several keys, the first encrypts, and all of them decrypt. Default: a key
   * derived from the credential. `TOKEN_ENCRYPTION_KEY`.
   */
  encryptionKey?: string | string[]
  /** Deletes the stored token when the service starts. Default `false`. */
  clearOnStart?: boolean

  /**
   * Certificates to trust, as PEM, in addition to the system's and those in `NODE_EXTRA_CA_CERTS`: CA certificates, or
   * the self-signed certificate of a server.
   */
  ca?: string | string[]
  /** Allows `http` to addresses other than this machine and private ones. Default `false`. */
  allowInsecureHttp?: boolean
  /**
   * The URL that relative URLs of {@link TokenService.fetch} resolve against; the header goes to its origin only. As
   * with `authUrl`, `http` is allowed only to this machine and to private addresses, with a warning, unless
   * `allowInsecureHttp` is set.
   *
   * If the token response says where the API is, `baseUrl` may contain names from `fields` in braces. If the field is a
   * URL, write `{instance_url}`, alone or with a path. If the fields are parts of a host or path, write
   * `https://{domain}.example.com/{tenant}/`. Unless the host ends in at least two fixed labels (`.example.com`),
   * `allowedOrigins` must list the origins that the response may name.
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
   * Origins other than that of `baseUrl` that may receive the header, for example `https://files.example.com`, or
   * `https://*.example.com` for every subdomain of `example.com`. `http` is restricted in the same way as for
   * `baseUrl`.
   */
  allowedOrigins?: string[]
  /**
   * When to emit an `alert`: after `afterFailures` failures in a row (default 3), or when the store fails. If
   * `webhookUrl` is set, the alert and the recovery are posted to it as JSON: `text` for Slack and similar services, a
   * card for Teams, and `event`, `service`, `at`, `code` and `consecutiveFailures` for your own programs. If several
   * processes share a file or an SQLite store, only one of them reports a failing server; each of them reports a
   * failing store. If the webhook does not accept a post, evertoken tries five times. It treats the URL as a secret.
   */
  alerts?: { afterFailures?: number; webhookUrl?: string }
  /**
   * Receives the log lines; pino, winston and `console` work. Default: stderr, in the format that `LOG_FORMAT` sets
   * (`text` or `json`). `LOG_LEVEL` (`error`, `warn`, `info`, `debug`, `trace`) selects the lines. Its default is
   * `warn` for stderr, and `debug` for a logger, which has a level of its own. If the logger throws or rejects,
   * evertoken reports that once, as a process warning. evertoken does not wait for the logger.
   */
  logger?: Logger
}

/**
 * The key with which a client signs its assertions, and their contents. Either `pem` or `path` is required.
 *
 * The key must be RSA (2048 to 4096 bits), P-256 or Ed25519, not encrypted, as PKCS#8 (`BEGIN PRIVATE KEY`), PKCS#1
 * (`BEGIN RSA PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`). Any other key causes an `ERR_TOKEN_CONFIG` that names the
 * field.
 */
export interface PrivateKeyOptions {
  /** The key as PEM text. */
  pem?: string
  /**
   * The path of a PEM file. evertoken reads it in the background when it first needs the key. The call that waits for a
   * token therefore reports an error in the file: `ERR_TOKEN_CONFIG` with `field: 'privateKey.path'`.
   */
  path?: string
  /** The `kid` of the assertions, if the server uses it to find the key. */
  kid?: string
  /** `RS256`, `PS256`, `ES256` or `EdDSA`. Default: `RS256` for an RSA key, or else the one that fits the key. */
  alg?: string
  /** The `aud` of the assertions, RFC 7523 §3. Default: the URL of the token endpoint. */
  audience?: string
}

/** What a function as `login` gets. */
export interface LoginContext {
  /** The name of the service. */
  service: string
  /**
   * Why a token is needed: there is no usable one (`missing`), the token expires soon or its refresh interval has
   * passed (`expiring`), the API refused it (`refused`), or `refresh()` was called (`forced`).
   */
  reason: 'missing' | 'expiring' | 'refused' | 'forced'
  /**
   * The refresh token of the last answer; `null` if there is none, or if another process may be using it while the
   * store does not respond. The function decides what to do with it: evertoken sends it nowhere.
   */
  refreshToken: string | null
  /** Aborted after `timeoutMs`, with a `TimeoutError` as its reason. */
  signal: AbortSignal
}

/**
 * What a function as `login` returns. The rules are those for the response of a token server: the token consists of
 * visible ASCII characters, and of several expiries, including the `exp` of a JWT, the earliest counts.
 */
export interface TokenAnswer {
  /** The access token. */
  token: string
  /** The word before the token in the header. Default `Bearer`. */
  tokenType?: string
  /** For the next call. If it is missing, the earlier one is kept; `null` drops it. */
  refreshToken?: string | null
  /**
   * When the token expires: a `Date`, a date as text, or seconds or milliseconds since 1970. Without any expiry,
   * `defaultLifetimeSeconds` applies.
   */
  expiresAt?: string | number | Date | null
  /** The lifetime of the token, in seconds. */
  expiresInSeconds?: number | null
  /**
   * Values to keep with the token, encrypted in the store, for {@link TokenService.getAccessToken}. `fields` of the
   * configuration is not required for them; it also keeps other members of the answer.
   */
  fields?: Record<string, string>
}

/** The response of a token server (RFC 6749 §5.1), which a function as `login` may return as it is. */
export interface OAuthTokenAnswer {
  access_token: string
  token_type?: string
  refresh_token?: string | null
  expires_in?: number | string | null
  [member: string]: unknown
}

/** The request and the response of a login endpoint. */
export interface LoginOptions {
  /**
   * The HTTP method. Default `POST`. `GET` has no body and requires `credentials: 'basic'`, because credentials must
   * not be in a URL. A refresh is always a `POST`.
   */
  method?: 'POST' | 'GET' | 'PUT' | 'PATCH'
  /**
   * Where the name and the password go: in the body, or in the header `Authorization: Basic` (RFC 7617, in UTF-8). With
   * `basic` and without `body`, the request has no body; `body: {}` sends an empty JSON object. Default `body`.
   */
  credentials?: 'body' | 'basic'
  /**
   * The body. Strings in it may contain `{email}`, `{username}`, `{password}`, `{clientId}` and `{clientSecret}`, which
   * are replaced. If the body contains the client's credentials, no user is required, and evertoken sends no other
   * request.
   */
  body?: Record<string, unknown>
  /** The format of the body. Default `json`. */
  format?: 'json' | 'form'
  /** The media type of a JSON body, including that of a refresh. Default `application/json`. */
  contentType?: string
  /**
   * Where the token is in the response: names separated by dots, with numbers as list indexes (`data.access_token`,
   * `0.token`); `$` for the whole response, a JSON string or plain text; `header:NAME`; or `cookie:NAME`. evertoken
   * also looks for the expiry and the refresh token next to it, under their usual names. If the response to a refresh
   * contains nothing at this path, evertoken looks for the usual names.
   */
  tokenPath?: string
  /** Where the refresh token is, in the format of `tokenPath`. */
  refreshTokenPath?: string
  /** The name of the refresh token in the JSON body of a refresh. Default: the name that the response used. */
  refreshTokenField?: string
  /**
   * Where the expiry is, in the format of `tokenPath`: the lifetime in seconds, a date as text or as a number since
   * 1970, or a lifetime as text, such as `15m` or `PT1H`. Under a name other than `expires_in` and its variants, a
   * number from 100000 to a billion is in milliseconds.
   */
  expiresPath?: string
}

/** How failed token requests are retried: an exponential back-off with full jitter. */
export interface RetryOptions {
  /** How often to try within one attempt to get a token. Default 3. */
  attempts?: number
  /** The maximum length of the first pause, in milliseconds. Default 500. */
  baseMs?: number
  /** The longest pause, in milliseconds. Default 60000. */
  maxMs?: number
}

/**
 * Where the token is stored.
 *
 * `postgres` creates the table `token_cache` if it is missing, or the one that `table` names, with the columns of the
 * Prisma model: see `docs/postgresql.md`.
 *
 * Default paths: `./data/token-cache.json` for `file`, `./data/token-cache.db` for `sqlite`. With `file`, the default
 * service (`external_api`) is in the file at `path`, and each other service in a file of its own in the folder
 * `<path>.d`, for example `./data/token-cache.json.d/billing.json`; `status().storage.location` names it.
 *
 * With `acceptPlainTokens: true` (default `false`), evertoken also uses an unencrypted token that another program put
 * into the store, with its `refreshToken`, `tokenType` and `expiresAt`. Anyone who can write to the store then decides
 * which token is sent. To pass in a token once, use `token` (`EXTERNAL_API_TOKEN`) instead.
 */
export type StorageOptions =
  | { kind: 'memory' }
  | { kind: 'file'; path?: string; acceptPlainTokens?: boolean }
  | { kind: 'sqlite'; path?: string; acceptPlainTokens?: boolean }
  | { kind: 'postgres'; url: string; table?: string; acceptPlainTokens?: boolean }
  | { kind: 'postgres'; client: PostgresClient; table?: string; acceptPlainTokens?: boolean }
  | { kind: 'redis'; url: string; keyPrefix?: string; acceptPlainTokens?: boolean }
  | { kind: 'redis'; client: RedisClient; keyPrefix?: string; acceptPlainTokens?: boolean }
  | { kind: 'prisma'; client: PrismaTokenClient; acceptPlainTokens?: boolean }
  | { kind: 'custom'; store: TokenStore | SharedTokenStore; acceptPlainTokens?: boolean }

/**
 * The part of a PostgreSQL client that evertoken uses: a `Pool` of `pg` or of `@neondatabase/serverless`, or what Neon's
 * `neon()` returns. Pass a pool, not a single connection: in the middle of a transaction of yours, evertoken's statements
 * would be part of it.
 *
 * evertoken creates the table if it is missing: see `docs/postgresql.md`. All parameters and columns are texts. What
 * `query` throws must have PostgreSQL's code in `code`.
 */
export interface PostgresClient {
  /** Runs one statement, and returns its rows, or an object with them in `rows`. */
  query(text: string, values: any[]): PromiseLike<unknown>
}

/** A database: the path of an SQLite file, a URL, a Prisma client or a store of your own. */
export type DatabaseHandle = string | PrismaTokenClient | TokenStore | SharedTokenStore

/**
 * The part of a Prisma client that evertoken uses: the delegate of the `TokenCache` model.
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
 * `token` contains the whole record as one encrypted text of several hundred characters or more. If `String` is a short
 * type in your database (MySQL), give it and `refreshToken` the type `@db.Text`. The other columns are for your
 * information: evertoken does not read them back, and leaves `refreshToken` empty. Rows whose `service` begins with a
 * space also belong to evertoken: ` lease …` says which process requests the next token, and ` note …` remembers a
 * rejected credential (encrypted). After a `clear()`, the `token` of a row is the word `removed` with a number. A row
 * that you create yourself with a plain token is used only with `acceptPlainTokens`; see {@link StorageOptions}.
 *
 * A Prisma client has all of these functions. An object of your own without the optional ones works for a single
 * process: without them, several processes may each request a token, and spend the same refresh token.
 */
export interface PrismaTokenClient {
  readonly tokenCache: {
    findUnique(args: any): PromiseLike<unknown>
    upsert(args: any): PromiseLike<unknown>
    deleteMany(args?: any): PromiseLike<unknown>
    findMany?(args?: any): PromiseLike<unknown>
    createMany?(args: any): PromiseLike<{ count: number }>
    updateMany?(args: any): PromiseLike<{ count: number }>
  }
}

/**
 * A Redis client that the program already has: of `redis` (node-redis 4 or later), `ioredis` or `@upstash/redis`, also
 * for a cluster or with Sentinel. evertoken only runs scripts with it, and does not open, close or subscribe it. Any
 * object works whose `eval` takes a script, an array of keys and an array of arguments.
 *
 * @example
 * ```ts
 * import { createClient } from 'redis'
 *
 * const client = createClient({ url: process.env.REDIS_URL })
 * await client.connect()
 * initializeTokenService({ storage: { kind: 'redis', client } })
 * ```
 */
export interface RedisClient {
  eval(script: string, ...given: any[]): PromiseLike<unknown>
}

/**
 * Your own store for one process, or for several if it also has the functions of {@link SharedTokenStore}. It has one
 * record per service, under the service's name, which may be any text without control characters.
 * The store gets only encrypted records, and never sees a token. It also gets records under names that begin with a
 * space: an encrypted one that remembers a rejected credential, and one that remembers a `clear()`, so that other
 * processes drop their token. If a record is missing and no `clear()` was recorded, evertoken stores the token again,
 * without a login. The functions may also return values without a promise.
 *
 * If a function throws, evertoken reports `ERR_TOKEN_STORAGE`, which names the class and the `code` of the error but
 * not its message. A call that takes longer than 5 seconds counts as failed. In the meantime, tokens are kept in
 * memory, the status shows `storage.healthy: false`, and evertoken keeps trying the store.
 *
 * `evertoken/testing` has the test cases that a store must pass.
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
   * Returns the record of this service, or `null`. A record with an invalid shape, or with a `token` of more than 4
   * MiB, causes an `ERR_TOKEN_STORAGE`, and the next save replaces it.
   */
  get(service: string): Promise<FoundToken | null | undefined> | FoundToken | null | undefined
  /** Saves the whole record of this service, and replaces an existing one. */
  set(service: string, record: StoredToken): Promise<unknown> | unknown
  /** Deletes the record of this service. It must not throw if there is none. */
  delete(service: string): Promise<unknown> | unknown
  /** See {@link SharedTokenStore}: with both, several processes can share the store. */
  read?(key: string): Promise<string | null | undefined> | string | null | undefined
  compareAndSet?(key: string, expected: string | null, next: string | null): Promise<boolean> | boolean
}

/**
 * Your own store for any number of processes: texts under keys, and a comparison. evertoken then makes one token request
 * for all processes, and never spends a refresh token twice. The texts are encrypted, apart from times and random
 * numbers. Keys are the names of services, some of them with a space and a word in front.
 *
 * A store that also has `get`, `set` and `delete` is used through these two functions only. `evertoken/testing` has the
 * test cases that they must pass: `sharedTokenStoreCases`.
 *
 * @example
 * ```ts
 * const texts = new Map<string, string>()
 * const store: SharedTokenStore = {
 *   read: (key) => texts.get(key) ?? null,
 *   compareAndSet(key, expected, next) {
 *     if ((texts.get(key) ?? null) !== expected) return false
 *     if (next === null) texts.delete(key)
 *     else texts.set(key, next)
 *     return true
 *   },
 * }
 * initializeTokenService({ storage: { kind: 'custom', store } })
 * ```
 */
export interface SharedTokenStore {
  /** Returns the text under this key, or `null`. It must be the newest one: a replica that lags behind does not do. */
  read(key: string): Promise<string | null | undefined> | string | null | undefined
  /**
   * Replaces the text under this key with `next` if it still is `expected`, in one step that no other change interrupts,
   * and returns whether it did. `null` stands for no text: as `expected`, there must be none; as `next`, it is deleted.
   */
  compareAndSet(key: string, expected: string | null, next: string | null): Promise<boolean> | boolean
}

/**
 * A record as a store gets it. Times are ISO 8601 in UTC, to the millisecond. evertoken reads only `token` back; the
 * other fields are for your information.
 */
export interface StoredToken {
  /** The whole record, encrypted: the tokens, their type and times, and how they were obtained. */
  token: string
  /** When the access token expires. */
  expiresAt: string
  /** Always `null`: the refresh token is inside `token`. */
  refreshToken: string | null
  /** The token type, as it is written before the token in the header. */
  tokenType: string
  /** When it was issued. */
  createdAt: string
  /** When it was last written or used. Each write increases it. */
  lastUsed: string
}

/**
 * A record as a store may return it. Times are ISO 8601 with a time zone, `Date` objects, or milliseconds since 1970.
 * Other fields are ignored. A record that you create yourself, with a plain `token`, needs `expiresAt`, and is used
 * only with `acceptPlainTokens`; see {@link StorageOptions}.
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

/** Receives log lines: a sentence, and the fields that belong to it. pino, winston and `console` work. */
export interface Logger {
  debug(message: string, ...details: any[]): unknown
  info(message: string, ...details: any[]): unknown
  warn(message: string, ...details: any[]): unknown
  error(message: string, ...details: any[]): unknown
}

/** The options of the background refresh; see {@link startTokenScheduler}. */
export interface SchedulerOptions {
  /**
   * How often to check each service, in addition to its refresh point, in seconds. A check reads the token from the
   * store, requests a token if there is none, and refreshes a token that becomes due before the next check. Default
   * 600.
   */
  refreshIntervalSeconds?: number
  /** Refreshes at every interval, even if no refresh is due. Default `false`. */
  everyInterval?: boolean
  /** How often to check for expired tokens, a failing store and overdue refreshes, in seconds. Default 300. */
  healthCheckIntervalSeconds?: number
  /**
   * After this many failures in a row, evertoken forgets what worked before (such as the endpoint) and searches again.
   * Default 3.
   */
  recoverAfterFailures?: number
}

// ------------------------------------------------------------------------------------------------- status

/** The status of a service. Times are ISO 8601 in UTC; `null` means unknown or not present. */
export interface TokenStatus {
  /** The name of the service. */
  service: string
  /**
   * `valid`; `expiring`: past its refresh point, and still valid; `expired`; `missing`: not obtained yet, or cleared;
   * `manual`: the configured token is used instead.
   */
  state: 'valid' | 'expiring' | 'expired' | 'missing' | 'manual'
  /**
   * Whether everything works: there is a token, or no attempt has been made yet; there are fewer failures in a row than
   * `alerts.afterFailures`; and the store works.
   */
  healthy: boolean
  /** Where the token came from: a request of this process, the store, or the configured `token`. */
  source: 'request' | 'store' | 'manual' | null
  /** The token type, as it is written before the token in the header. */
  tokenType: string | null
  /** When the token was issued. */
  issuedAt: string | null
  /** When it expires; `null` if it does not (`neverExpires`). */
  expiresAt: string | null
  /** When the background refresh is due; `null` if the token does not expire. */
  refreshAt: string | null
  /** The remaining lifetime, in seconds; `null` if the token does not expire. */
  expiresInSeconds: number | null
  /** When a token request last succeeded. */
  lastRefreshAt: string | null
  /** The number of failures in a row. */
  consecutiveFailures: number
  /** The last failure; `null` once a token is obtained. */
  lastError: { code: string; message: string; at: string } | null
  /**
   * What worked last. `grant` is `client_credentials`, `password`, the configured `grantType`, or `login`. `format` is,
   * for a grant, the client authentication (`client_secret_basic` and so on; `json_client_secret_post` with
   * `requestFormat: 'json'`), or `form` or `json` for a password grant. For a login, it is `json_email`,
   * `json_username`, `custom` or `basic`. If `login` is a function, `endpoint` is `login()` and `format` is `function`.
   */
  strategy: { grant: string; endpoint: string; format: string } | null
  /** The scheduler; there is one for all services. */
  scheduler: SchedulerStatus
  /** Where the token is stored; `location` contains no credentials. */
  storage: { kind: string; location: string; encrypted: boolean; healthy: boolean }
  /** Counts since the service started. */
  counters: {
    /** HTTP requests for a token, or calls of a function as `login`. */
    tokenRequests: number
    /** New tokens. */
    refreshes: number
    /** Attempts that failed. */
    failures: number
    /** Tokens taken from the store. */
    storeHits: number
    /** 401 responses after which there was a newer token. */
    retriesOn401: number
  }
  /**
   * The last 50 outcomes. `adopted` means that another process refreshed the token, and this one took it from the
   * store.
   */
  history: {
    at: string
    outcome: 'refreshed' | 'adopted' | 'failed' | 'cleared'
    durationMs: number
    code?: string
  }[]
}

/** The status of the scheduler. */
export interface SchedulerStatus {
  running: boolean
  refreshIntervalSeconds: number
  healthCheckIntervalSeconds: number
  nextRefreshAt: string | null
  lastHealthCheckAt: string | null
}

// ------------------------------------------------------------------------------------------------- events

/**
 * The events: `refreshed`: there is a new token; `refreshFailed`: no token could be obtained; `expiring`: the token is
 * past its refresh point; `alert`: several failures in a row, or a store that does not work, once per incident;
 * `recovered`: the incident has ended; `cleared`: the token was cleared, by this or another process.
 */
export type TokenEventName = 'refreshed' | 'refreshFailed' | 'expiring' | 'alert' | 'recovered' | 'cleared'

/**
 * An event. evertoken also publishes it on Node's `diagnostics_channel`, as `evertoken:<type>`. If a subscriber throws,
 * that is an uncaught exception, as on every channel. A listener of {@link TokenService.on} may throw.
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
  /** When it happened, ISO 8601 in UTC. */
  readonly at: string
  /** The status at that time. */
  readonly status: TokenStatus
  /** The error, if the event is about one. */
  readonly error?: TokenError
}

// ------------------------------------------------------------------------------------------------- errors

/**
 * The error codes; there are no others.
 *
 * | code | what happened | trying again |
 * |---|---|---|
 * | `ERR_TOKEN_CONFIG` | a configuration value is invalid; `field` names it | not until it is changed |
 * | `ERR_TOKEN_CREDENTIALS` | the server rejected the credential | automatic, after a cool-down |
 * | `ERR_TOKEN_ENDPOINT` | there is no token or login endpoint at this URL, or it redirects to another origin | automatic; after a cool-down if a password was sent |
 * | `ERR_TOKEN_RESPONSE` | a response contained no usable token | automatic; after a cool-down if the response may reject the credential |
 * | `ERR_TOKEN_RATE_LIMITED` | the server or `rateLimit` is limiting requests | automatic, after `retryAfterSeconds` |
 * | `ERR_TOKEN_TIMEOUT` | no complete response arrived within `timeoutMs` | automatic |
 * | `ERR_TOKEN_NETWORK` | the connection failed or was interrupted | automatic |
 * | `ERR_TOKEN_TLS` | the server's certificate was not accepted | not until `ca` or the server is changed |
 * | `ERR_TOKEN_STORAGE` | the store could not be read or written | automatic |
 * | `ERR_TOKEN_DECRYPT` | a stored record cannot be decrypted with any configured key | a new login replaces it |
 * | `ERR_TOKEN_SHUTDOWN` | the service was shut down | initialize it again |
 * | `ERR_TOKEN_INTERNAL` | evertoken has a bug, or its native addon cannot be loaded | please report it |
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

/** The details of an error, in addition to its code and message. */
export interface TokenErrorDetails {
  service?: string
  field?: string
  status?: number
  retryAfterSeconds?: number
  serverError?: ServerError
  cause?: unknown
}

/**
 * The error text of the token server: the error response of RFC 6749 §5.2, or what the server sends instead (`message`,
 * `detail`, `errors`, …).
 *
 * Each text is one printable line of at most 300 characters, in which `[removed]` replaces every secret that is
 * configured or was sent, and anything that looks like a token. Show it to the operators of the service, but do not
 * compare it in code: servers change their texts.
 */
export interface ServerError {
  /** Its error code, for example `invalid_client`. */
  error?: string
  /** Its error description. */
  description?: string
  /** The URL of a page about the error, without a query or fragment. */
  uri?: string
}

/**
 * The error class of this package. It never contains a token, password, secret or key. `instanceof` also recognizes
 * errors of another copy of this package.
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
  /** The URL of the page that explains the code, for this version of evertoken. */
  readonly help: string
  /** The name of the service; not set if the error does not belong to a service. */
  readonly service?: string
  /** The configuration field that is invalid, as a dotted path, or the environment variable. */
  readonly field?: string
  /** The HTTP status of the token server's response. */
  readonly status?: number
  /** How long to wait before the next attempt, in seconds. */
  readonly retryAfterSeconds?: number
  /**
   * The error text of the token server, without secrets; not set if the server sent none. `message` never contains it.
   * With `LOG_LEVEL=debug` or `trace`, the log line contains it, too. `status()`, `alert` events and the alert webhook
   * do not.
   */
  readonly serverError?: ServerError
  /** The same as a plain object, including `message`. */
  toJSON(): { name: string; code: TokenErrorCode; message: string; help: string } & Omit<TokenErrorDetails, 'cause'>
}
