import type { AuthHeaders, TokenEvent, TokenEventName, TokenStatus } from '../index'
import { environment } from './environment'
import { authorizedFetch } from './fetch'
import { Hot, type Proven } from './hot'
import { Listeners, type Listener } from './listeners'
import { nameOf, warn, writeLine } from './logging'
import { native, unwrap, type Destinations, type Outcome } from './native'

/** A service of the core, as a handle is made of it; users have no such thing, and so make no handle. */
export class CoreService {
  /** @param ended Called when the handle has shut the service down. */
  constructor(
    readonly id: number,
    readonly name: string,
    readonly ended: () => void,
  ) {}
}

/** The kept headers of a service, for the free function. */
export let hotOf: (service: TokenService) => Hot

/** How things stand once what is stored was looked at, without a token request. */
export let settled: (service: TokenService) => Promise<TokenStatus>

/** Hands an event to the listeners of a service. */
export let tell: (service: TokenService, event: TokenEvent) => void

/** A handle of one service of the core; documented in `index.d.ts`. */
export class TokenService {
  readonly name: string
  readonly #id: number
  readonly #ended: () => void
  readonly #hot: Hot
  readonly #listeners = new Listeners(this)
  #destinations: Destinations | undefined
  #ending: Promise<void> | undefined

  constructor(core?: CoreService) {
    if (!(core instanceof CoreService)) {
      throw new TypeError('a TokenService is made by initializeTokenService() and found by getTokenService()')
    }
    this.name = core.name
    this.#id = core.id
    this.#ended = core.ended
    this.#hot = new Hot(core.id, core.name)
    Object.defineProperty(this, 'name', { writable: false, configurable: false })
  }

  static {
    hotOf = (service) => service.#hot
    settled = async (service) => service.#answer(await native().settled(service.#id))
    tell = (service, event) => service.#listeners.tell(event, (error) => service.#report(event, error))
  }

  getAuthHeaders(request?: { method: string; url: string }): Promise<AuthHeaders> {
    return this.#hot.headers(request)
  }

  async getToken(): Promise<string | null> {
    return (await this.#hot.credential()).token
  }

  async refresh(): Promise<TokenStatus> {
    return this.#answer(await native().refresh(this.#id))
  }

  async clear(options: { revoke?: boolean } = {}): Promise<void> {
    this.#answer(await native().clear(this.#id, options.revoke === true))
  }

  status(): TokenStatus {
    return this.#answer(native().status(this.#id))
  }

  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const source = {
      credential: (request: Proven) =>
        this.#hot.isBound() ? this.#hot.proven(request) : this.#hot.credential(),
      nonce: (url: string, nonce: string) => native().nonce(this.#id, url, nonce),
      rejected: async (generation: number) => this.#answer(await native().rejected(this.#id, generation)),
      // A service's configuration never changes, so once is enough.
      destinations: () => (this.#destinations ??= this.#answer(native().destinations(this.#id))),
    }
    return authorizedFetch(source, input, init)
  }

  on(event: TokenEventName, listener: Listener): this {
    this.#listeners.on(event, listener)
    return this
  }

  once(event: TokenEventName, listener: Listener): this {
    this.#listeners.once(event, listener)
    return this
  }

  off(event: TokenEventName, listener: Listener): this {
    this.#listeners.off(event, listener)
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

  async #end(): Promise<void> {
    this.#answer(await native().shutdown(this.#id))
    this.#ended()
  }

  #answer<T>(outcome: Outcome<T>): T {
    return unwrap(outcome, this.name)
  }

  #report(event: TokenEvent, error: unknown): void {
    const message = `a listener of ${event.type} threw ${nameOf(error)}`
    const logger = environment().loggers.get(this.#id)?.logger
    if (logger) writeLine(logger, { service: this.name, level: 'error', message, fields: {} })
    else warn(message)
  }
}
