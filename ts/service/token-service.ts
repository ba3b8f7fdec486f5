import type {
  AccessToken,
  AdoptedTokens,
  AuthHeaders,
  SentHeaders,
  TokenErrorCode,
  TokenEvent,
  TokenEventName,
  TokenStatus,
} from '../../index'
import { globalState } from '../support/global-state'
import { configError, TokenError } from '../support/errors'
import { CodeExchange } from './code-exchange'
import { authorizedFetch } from './fetch'
import { handedInText } from './handed-in'
import { HeaderCache, isSameToken, type ProofTarget } from './header-cache'
import { isRefusedBy } from './refused-by'
import { Listeners, type Listener } from '../events/listeners'
import { warn, writeLine } from '../events/logging'
import { native, unwrap, type Outcome } from '../binding/native'
import { carriesToken, readSentValue } from './sent-headers'
import { describeThrown } from '../support/user-code'

/** A service of the core, which a handle needs; users do not have one, so that they cannot create a handle. */
export class CoreService {
  constructor(
    readonly id: number,
    readonly name: string,
  ) {}
}

/** The header cache of a service, for the free function. */
export let headerCacheOf: (service: TokenService) => HeaderCache

/** The status after the store has been read, without a token request. */
export let settledStatus: (service: TokenService) => Promise<TokenStatus>

/** The exchange of a user's consent for tokens. */
export let codeExchangeOf: (service: TokenService) => CodeExchange

/** Passes an event to the listeners of a service. */
export let emitEvent: (service: TokenService, event: TokenEvent) => void

/** Releases what an ended service no longer needs: its user may keep the handle. */
export let release: (service: TokenService) => void

/** A handle of one service of the core; documented in `index.d.ts`. */
export class TokenService {
  readonly name: string
  readonly #id: number
  readonly #headerCache: HeaderCache
  /** Made for the first listener: most services have none. */
  #listeners: Listeners | undefined
  #ending: Promise<void> | undefined
  /** Until when a refused token is not logged again. */
  #quietUntil = 0
  #isWarned = false

  constructor(core?: CoreService) {
    if (!(core instanceof CoreService)) {
      throw new TypeError(
        'a TokenService is created by initializeTokenService() and returned by getTokenService()',
      )
    }
    this.name = core.name
    this.#id = core.id
    this.#headerCache = new HeaderCache(core.id, core.name)
    Object.defineProperty(this, 'name', { writable: false, configurable: false })
  }

  static {
    headerCacheOf = (service) => service.#headerCache
    settledStatus = async (service) => service.#unwrap(await native().settled(service.#id))
    codeExchangeOf = (service) => new CodeExchange(service.#id, service.name)
    emitEvent = (service, event) => service.#listeners?.emit(event, (error) => service.#report(event, error))
    release = (service) => service.#listeners?.clear()
  }

  getAuthHeaders(request?: { method: string; url: string }): Promise<AuthHeaders> {
    return this.#headerCache.headers(request)
  }

  async getToken(): Promise<string | null> {
    return (await this.#headerCache.credential()).token
  }

  getAccessToken(): Promise<AccessToken | null> {
    return this.#headerCache.accessToken()
  }

  async refresh(): Promise<TokenStatus> {
    return this.#unwrap(await native().refresh(this.#id))
  }

  async adopt(tokens: AdoptedTokens): Promise<TokenStatus> {
    return this.#unwrap(await native().adopt(this.#id, handedInText(tokens, this.name)))
  }

  async rejected(headersOrToken: SentHeaders | string, request?: ProofTarget): Promise<AuthHeaders> {
    const { header, dpop } = this.#headerCache.settings()
    const refused = readSentValue(headersOrToken, header, this.name)
    // Before any request is sent for it.
    if (dpop) this.#headerCache.requireTarget(request)
    const credential = await this.#headerCache.credential()
    const { generation } = credential
    if (refused !== null && carriesToken(refused, credential) && generation !== null) {
      const error = await this.#obtainLater(generation).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (isSameToken(await this.#headerCache.credential(), credential)) return this.#withoutLater(error)
    }
    return this.#headerCache.headers(request)
  }

  async clear(options: { revoke?: boolean } = {}): Promise<void> {
    this.#unwrap(await native().clear(this.#id, options.revoke === true))
  }

  status(): TokenStatus {
    return this.#unwrap(native().status(this.#id))
  }

  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const source = {
      credential: (request: ProofTarget) =>
        this.#headerCache.isDpopBound()
          ? this.#headerCache.credentialFor(request)
          : this.#headerCache.credential(),
      nonce: (url: string, nonce: string) => native().nonce(this.#id, url, nonce),
      rejected: (generation: number) => this.#obtainLater(generation),
      isRefusedBy: (response: Response, token: string | null) => {
        const judge = globalState().refusalChecks.get(this.#id)
        if (judge === undefined) return false
        return isRefusedBy(judge.refusedBy, response, (error) => {
          this.#log(
            'error',
            `refusedBy failed with ${describeThrown(error, token)}; the token counts as accepted`,
          )
        })
      },
      destinations: () => this.#headerCache.settings(),
      namedBaseUrl: () => this.#namedBaseUrl(),
      warnOfClearText: (url: URL) => this.#warnOfClearText(url),
    }
    return authorizedFetch(source, input, init)
  }

  on(event: TokenEventName, listener: Listener): this {
    this.#ownListeners().on(event, listener)
    return this
  }

  once(event: TokenEventName, listener: Listener): this {
    this.#ownListeners().once(event, listener)
    return this
  }

  off(event: TokenEventName, listener: Listener): this {
    this.#ownListeners().off(event, listener)
    return this
  }

  addListener(event: TokenEventName, listener: Listener): this {
    return this.on(event, listener)
  }

  removeListener(event: TokenEventName, listener: Listener): this {
    return this.off(event, listener)
  }

  shutdown(): Promise<void> {
    return (this.#ending ??= this.#end())
  }

  #ownListeners(): Listeners {
    return (this.#listeners ??= new Listeners(this))
  }

  async #end(): Promise<void> {
    const ending = native().shutdown(this.#id)
    this.#headerCache.invalidate()
    this.#unwrap(await ending)
  }

  /** The base URL that the token response names; without a token, there is none. */
  async #namedBaseUrl(): Promise<string> {
    const url = await this.#headerCache.namedBaseUrl()
    if (url !== null) return url
    const { lastError } = this.status()
    const code = (lastError?.code ?? 'ERR_TOKEN_RESPONSE') as TokenErrorCode
    const reason = lastError === null ? '' : `: ${lastError.message}`
    const message = `baseUrl needs a token response that names the API, but there is no token${reason}`
    throw new TokenError(code, message, { service: this.name, field: 'baseUrl' })
  }

  /** Warns once that the token crosses a public network in clear text, because of the caller's URL. */
  #warnOfClearText(url: URL): void {
    if (this.#isWarned || !native().goesInClear(this.#id, url.href)) return
    this.#isWarned = true
    this.#log('warn', `an access token is sent to ${url.hostname} over http, in clear text; use https`)
  }

  /** Whether there is a later token than this generation, which an API refused. */
  async #obtainLater(generation: number): Promise<boolean> {
    try {
      return this.#unwrap(await native().rejected(this.#id, generation))
    } catch (error) {
      // Every other failure is logged already. One line for each pause, however many requests are refused.
      if (
        error instanceof TokenError &&
        error.code === 'ERR_TOKEN_RATE_LIMITED' &&
        Date.now() >= this.#quietUntil
      ) {
        this.#quietUntil = Date.now() + (error.retryAfterSeconds ?? 1) * 1000
        this.#log(
          'warn',
          `the API refused the token, and evertoken does not request a new one yet: ${error.message}`,
        )
      }
      throw error
    }
  }

  /** The result if the API refused the token and no later one can be obtained now. */
  #withoutLater(error: unknown): AuthHeaders {
    if (!this.#headerCache.settings().throws) return {}
    if (error !== undefined) throw error
    if (this.status().state === 'manual') {
      const reason =
        'is not set: the API refused the configured token, and there are no credentials to obtain another one'
      throw configError('authUrl', reason, { service: this.name })
    }
    const message =
      'the API refused the token, and the token server has not issued a newer one; try again later'
    throw new TokenError('ERR_TOKEN_RATE_LIMITED', message, { service: this.name })
  }

  #unwrap<T>(outcome: Outcome<T>): T {
    return unwrap(outcome, this.name)
  }

  #report({ type }: TokenEvent, error: unknown): void {
    this.#log('error', `a listener of ${type} failed with ${describeThrown(error, this.#headerCache.token)}`)
  }

  #log(level: 'warn' | 'error', message: string): void {
    const logger = globalState().loggers.get(this.#id)?.logger
    if (logger) writeLine(logger, { service: this.name, level, message, fields: {} })
    else warn(message)
  }
}
