import type { AccessToken, AuthHeaders } from '../../index'
import { configError } from '../support/errors'
import { usualHeader } from './header'
import { native, unwrap, type Destinations, type Outcome, type Snapshot } from '../binding/native'
import { currentTick } from './tick'

/** What is sent, and which of the service's tokens it is; without a token there is no generation. */
export interface Credential {
  /** The value of the header. */
  header: string | null
  /** The proof for one request, where the token is bound to a key. */
  proof: string | null
  token: string | null
  generation: number | null
  /** What the core said of it. */
  snapshot: Snapshot | null
}

/** A request, as far as a proof is about it. */
export interface ProofTarget {
  method: string
  url: string
}

/** What is sent where there is no token. */
export const noCredential: Credential = {
  header: null,
  proof: null,
  token: null,
  generation: null,
  snapshot: null,
}

/** The headers of a credential: an object of the caller's own, which callers and hosts add to. */
export function headersOf({ header, proof }: Credential, name: string): AuthHeaders {
  if (header === null) return {}
  if (proof !== null) return { Authorization: header, DPoP: proof }
  return name === usualHeader ? { Authorization: header } : { [name]: header }
}

/**
 * The header of one service, kept as long as it is current.
 *
 * The core changes the number in `#cell` whenever that may have ended. As long as it is the one that was `#seen`,
 * the kept value is the answer: nothing crosses to the core, and the clock is read once in a turn of the event loop.
 * With `dpop` no answer serves two requests, so that nothing is ever `#seen`.
 */
export class HeaderCache {
  readonly #counter: Uint32Array
  /** The number in `#cell` when the core was asked; no number is negative. */
  #seen = -1
  /** The turn in which the kept token was last compared with the clock. */
  #tick = -1
  #header = ''
  /** The header's name where that is not `Authorization`. */
  #name: string | null = null
  /** Between these two moments the kept token may be sent: after the last look at the core, and before its end. */
  #from = 0
  #until = 0

  readonly #id: number
  readonly #service: string
  #outcome: Outcome<Snapshot | null> = ''
  #credential = noCredential
  #waiting: Promise<Credential> | undefined
  #settings: Destinations | undefined

  constructor(id: number, service: string) {
    this.#id = id
    this.#service = service
    this.#counter = native().attach(id)
  }

  /** The header, if it is kept and current; `null` when the core has to be asked. */
  current(): Promise<AuthHeaders> | null {
    return this.#isCurrent() ? this.#createHeaders() : null
  }

  /** The token that was handed out last, however old. */
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

  /** What {@link HeaderCache.headers} answers, with all that belongs to it: at once where possible. */
  credential(): Credential | Promise<Credential> {
    return this.#isCurrent() || this.#readSnapshot() ? this.#credential : this.#wait()
  }

  /** The token with what belongs to it; `null` when there is none to send. */
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
   * Where relative requests lead, where the token answer says that; `null` where there is no token.
   *
   * @throws TokenError `ERR_TOKEN_CONFIG`, where the answer does not say it, or says what is not allowed.
   */
  async namedBaseUrl(): Promise<string | null> {
    const { snapshot } = await this.credential()
    return snapshot?.baseUrl ? unwrap(snapshot.baseUrl, this.#service) : null
  }

  /** What is configured of the header. A configuration never changes, so asking once is enough. */
  settings(): Destinations {
    return (this.#settings ??= unwrap(native().destinations(this.#id), this.#service))
  }

  /** Whether each request needs a proof of its own. */
  isDpopBound(): boolean {
    return this.settings().dpop
  }

  /** What to send with this request: the token, and the proof for it. */
  async credentialFor({ method, url }: ProofTarget): Promise<Credential> {
    for (;;) {
      const credential = await this.credential()
      if (credential.generation === null) return credential
      const answer = unwrap(native().proof(this.#id, method, url, credential.generation), this.#service)
      // Another token has come meanwhile.
      if (answer !== null) return { ...credential, proof: answer.proof }
    }
  }

  /**
   * The request that headers are for, as the core takes it.
   *
   * @throws TokenError `ERR_TOKEN_CONFIG` when it is missing or incomplete.
   */
  requireTarget(request: unknown): ProofTarget {
    const { method, url } = (request ?? {}) as Partial<Record<keyof ProofTarget, unknown>>
    if (typeof method !== 'string' || typeof url !== 'string') {
      throw configError(
        'request',
        "is needed with dpop, as a proof is for one request: service.getAuthHeaders({ method: 'GET', url: 'https://…' }), " +
          'or service.fetch()',
        { service: this.#service },
      )
    }
    return { method: normalizeMethod(method), url }
  }

  #createHeaders(): Promise<AuthHeaders> {
    // A promise for each kind: one for both would make V8 look at each object for a `then`, which costs a third.
    if (this.#name === null) return Promise.resolve({ Authorization: this.#header })
    return Promise.resolve({ [this.#name]: this.#header })
  }

  #isCurrent(): boolean {
    return this.#counter[0] === this.#seen && (this.#tick === currentTick() || this.#isInTime())
  }

  /**
   * Whether the clock says so, too. While a machine sleeps, no timer runs, so that the core may not have noticed yet
   * that the token has expired. A clock that was set back is the core's to judge.
   */
  #isInTime(): boolean {
    const now = Date.now()
    if (now < this.#from || now >= this.#until) return false
    this.#tick = currentTick()
    return true
  }

  /** Whether the core has something to send at once. */
  #readSnapshot(): boolean {
    // While a request is waited for there is nothing yet, and its end will say so.
    if (this.#waiting) return false
    // Read before the core is asked: a change in between is noticed at the next call.
    const seen = this.#counter[0]!
    return this.#store(seen, native().headers(this.#id))
  }

  /** Waits for the core's shared request, once for all who call here. */
  #wait(): Promise<Credential> {
    return (this.#waiting ??= this.#acquire().finally(() => (this.#waiting = undefined)))
  }

  async #acquire(): Promise<Credential> {
    const seen = this.#counter[0]!
    return this.#store(seen, await native().acquire(this.#id)) ? this.#credential : noCredential
  }

  /** Keeps what the core answered, if it is something to send. */
  #store(seen: number, outcome: Outcome<Snapshot | null>): boolean {
    if (outcome !== this.#outcome) {
      const snapshot = unwrap(outcome, this.#service)
      if (snapshot === null) return false
      this.#credential = credentialFrom(snapshot)
      this.#header = snapshot.header
      this.#until = snapshot.usableUntil
      this.#outcome = outcome
    }
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
