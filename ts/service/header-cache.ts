import type { AccessToken, AuthHeaders } from '../../index'
import { configError } from '../support/errors'
import { usualHeader } from './header'
import { native, unwrap, type Destinations, type Outcome, type Snapshot } from '../binding/native'
import { currentTick, tickTime } from './tick'

/** What is sent, and which of the service's tokens it is; without a token, there is no generation. */
export interface Credential {
  /** The value of the header. */
  header: string | null
  /** The proof for one request, if the token is bound to a key. */
  proof: string | null
  token: string | null
  generation: number | null
  /** What the core returned for it. */
  snapshot: Snapshot | null
}

/** The request that a proof is for. */
export interface ProofTarget {
  method: string
  url: string
}

/** What is sent without a token. */
export const noCredential: Credential = {
  header: null,
  proof: null,
  token: null,
  generation: null,
  snapshot: null,
}

/** Whether both carry the same token. All manual tokens have one generation, but a file may contain another one meanwhile. */
export function isSameToken(one: Credential, other: Credential): boolean {
  return one.generation === other.generation && one.token === other.token
}

/** The headers of a credential, as a new object, because callers and frameworks add to it. */
export function headersOf({ header, proof }: Credential, name: string): AuthHeaders {
  if (header === null) return {}
  if (proof !== null) return { Authorization: header, DPoP: proof }
  return name === usualHeader ? { Authorization: header } : { [name]: header }
}

/**
 * The header of one service, cached while it is current.
 *
 * The core changes the number in `#counter` whenever the header may be out of date. While it is equal to `#seen`, the
 * cached value is returned: no call crosses to the core, and the clock is read once in a tick of the event loop. With
 * `dpop`, each request needs its own proof, so that `#seen` never matches.
 */
export class HeaderCache {
  readonly #counter: Uint32Array
  /** The number in `#counter` when the core was called; the core's numbers are not negative. */
  #seen = -1
  /** The tick in which the cached token was last compared with the clock. */
  #tick = -1
  #header = ''
  /** The header's name if it is not `Authorization`. */
  #name: string | null = null
  /** The cached token may be sent between these two times: the last call of the core, and its expiry. */
  #from = 0
  #until = 0

  /** The number of the service. */
  readonly id: number
  readonly #service: string
  #credential = noCredential
  #waiting: Promise<Credential> | undefined
  #settings: Destinations | undefined

  constructor(id: number, service: string) {
    this.id = id
    this.#service = service
    this.#counter = native().attach(id)
  }

  /** The header, if it is cached and current; `null` if the core must be called. */
  current(): Promise<AuthHeaders> | null {
    return this.#isCurrent() ? this.#createHeaders() : null
  }

  /** Makes the next call ask the core, for a change that the core's counter does not show yet. */
  invalidate(): void {
    this.#seen = -1
  }

  /** The last token that was returned, however old. */
  get token(): string | null {
    return this.#credential.token
  }

  headers(request?: ProofTarget): Promise<AuthHeaders> {
    if (this.#isCurrent()) return this.#createHeaders()
    try {
      const { dpop, header } = this.settings()
      const create = (credential: Credential): AuthHeaders => headersOf(credential, header)
      if (dpop) return this.credentialFor(this.requireTarget(request)).then(create)
      return this.#readSnapshot() ? Promise.resolve(create(this.#credential)) : this.#wait().then(create)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The credential behind {@link HeaderCache.headers}, synchronously if possible. */
  credential(): Credential | Promise<Credential> {
    return this.#isCurrent() || this.#readSnapshot() ? this.#credential : this.#wait()
  }

  /** The token with its expiry and fields; `null` if there is none to send. */
  async accessToken(): Promise<AccessToken | null> {
    const { snapshot } = await this.credential()
    if (snapshot === null) return null
    const { token, scheme, expiresAt, fields } = snapshot
    return {
      token,
      tokenType: scheme,
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
      fields: { ...fields },
    }
  }

  /**
   * The base URL of relative requests, if the token response names it; `null` without a token.
   *
   * @throws TokenError `ERR_TOKEN_CONFIG` if the response does not name one that is allowed.
   */
  async namedBaseUrl(): Promise<string | null> {
    const { snapshot } = await this.credential()
    return snapshot?.baseUrl ? unwrap(snapshot.baseUrl, this.#service) : null
  }

  /** The configuration of the header. It never changes, so that one call is enough. */
  settings(): Destinations {
    return (this.#settings ??= unwrap(native().destinations(this.id), this.#service))
  }

  /** Whether each request needs its own proof. */
  isDpopBound(): boolean {
    return this.settings().dpop
  }

  /** What to send with this request: the token and the proof. */
  async credentialFor({ method, url }: ProofTarget): Promise<Credential> {
    for (;;) {
      const credential = await this.credential()
      if (credential.generation === null) return credential
      const answer = unwrap(native().proof(this.id, method, url, credential.generation), this.#service)
      // Another token has arrived meanwhile.
      if (answer !== null) return { ...credential, proof: answer.proof }
    }
  }

  /**
   * The request that the headers are for, as the core expects it.
   *
   * @throws TokenError `ERR_TOKEN_CONFIG` when it is missing or incomplete.
   */
  requireTarget(request: unknown): ProofTarget {
    const { method, url } = (request ?? {}) as Partial<Record<keyof ProofTarget, unknown>>
    if (typeof method !== 'string' || typeof url !== 'string') {
      throw configError(
        'request',
        "is required with dpop, because a proof is valid for one request only: call service.getAuthHeaders({ method: 'GET', url: 'https://…' }), " +
          'or service.fetch()',
        { service: this.#service },
      )
    }
    return { method: normalizeMethod(method), url }
  }

  #createHeaders(): Promise<AuthHeaders> {
    // Two separate promises: with a single one, V8 checks each object for a `then`, which makes it a third slower.
    if (this.#name === null) return Promise.resolve({ Authorization: this.#header })
    return Promise.resolve({ [this.#name]: this.#header })
  }

  #isCurrent(): boolean {
    return this.#counter[0] === this.#seen && (this.#tick === currentTick() || this.#isInTime())
  }

  /**
   * Whether the token is also current by the clock. While a machine sleeps, no timer runs, so that the core may not
   * have noticed yet that the token has expired. If the clock was set back, the core decides.
   */
  #isInTime(): boolean {
    const now = tickTime()
    if (now < this.#from || now >= this.#until) return false
    this.#tick = currentTick()
    return true
  }

  /** Whether the core has a token to send immediately. */
  #readSnapshot(): boolean {
    // While waiting for a token request there is nothing yet; its result will update the cache.
    if (this.#waiting) return false
    // Read before the core is called: a change in between is noticed at the next call.
    const seen = this.#counter[0]!
    return this.#store(seen, native().headers(this.id))
  }

  /** Waits for the core's shared request, once for all callers. */
  #wait(): Promise<Credential> {
    return (this.#waiting ??= this.#acquire().finally(() => (this.#waiting = undefined)))
  }

  async #acquire(): Promise<Credential> {
    const seen = this.#counter[0]!
    return this.#store(seen, await native().acquire(this.id)) ? this.#credential : noCredential
  }

  /** Caches the core's result, if there is a token to send. */
  #store(seen: number, outcome: Outcome<Snapshot | null>): boolean {
    const snapshot = unwrap(outcome, this.#service)
    if (snapshot === null) return false
    this.#credential = credentialFrom(snapshot)
    this.#header = snapshot.header
    this.#until = snapshot.usableUntil
    this.#from = Date.now()
    this.#tick = currentTick()
    const { dpop, header } = this.settings()
    this.#name = header === usualHeader ? null : header
    if (!dpop) this.#seen = seen
    return true
  }
}

function credentialFrom(snapshot: Snapshot): Credential {
  const { header, token, generation } = snapshot
  return { header, proof: null, token, generation, snapshot }
}

/** The method as `fetch` sends it. */
export function normalizeMethod(method: string): string {
  const upper = method.toUpperCase()
  return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : method
}
