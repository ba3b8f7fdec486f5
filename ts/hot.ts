import type { AuthHeaders } from '../index'
import { configError } from './errors'
import { native, unwrap, type Outcome, type Snapshot } from './native'

/** What is sent, and which of the service's tokens it is; without a token there is no generation. */
export interface Credential {
  headers: AuthHeaders
  token: string | null
  generation: number | null
}

/** A request, as far as a proof is about it. */
export interface Proven {
  method: string
  url: string
}

const nothing: Credential = { headers: Object.freeze({}), token: null, generation: null }

/**
 * The headers of one service, kept as long as they are current.
 *
 * The core changes the number in `cell` whenever that may have ended. As long as it is the one that was `seen`,
 * `promise` is the answer: nothing is allocated, no clock is read and nothing crosses to the core. With `dpop` no
 * answer serves two requests, so that nothing is ever `seen`.
 */
export class Hot {
  readonly cell: Uint32Array
  /** The number in `cell` when `promise` was made; no number is negative. */
  seen = -1
  promise: Promise<AuthHeaders> = Promise.resolve(nothing.headers)

  readonly #id: number
  readonly #service: string
  #outcome: Outcome<Snapshot | null> = ''
  #credential = nothing
  #waiting: Promise<Credential> | undefined
  #dpop: boolean | undefined

  constructor(id: number, service: string) {
    this.#id = id
    this.#service = service
    this.cell = native().attach(id)
  }

  headers(request?: Proven): Promise<AuthHeaders> {
    if (this.cell[0] === this.seen) return this.promise
    try {
      if (this.isBound()) return this.proven(checked(request, this.#service)).then(({ headers }) => headers)
      return this.#look() ? this.promise : this.#wait().then(({ headers }) => headers)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What {@link Hot.headers} answers, with all that belongs to it: at once where possible. */
  credential(): Credential | Promise<Credential> {
    return this.cell[0] === this.seen || this.#look() ? this.#credential : this.#wait()
  }

  /** Whether each request needs a proof of its own. A configuration never changes, so asking once is enough. */
  isBound(): boolean {
    return (this.#dpop ??= unwrap(native().destinations(this.#id), this.#service).dpop)
  }

  /** What to send with this request: the token, and the proof for it. */
  async proven({ method, url }: Proven): Promise<Credential> {
    for (;;) {
      const credential = await this.credential()
      if (credential.generation === null) return credential
      const answer = unwrap(native().proof(this.#id, method, url, credential.generation), this.#service)
      // Another token has come meanwhile.
      if (answer === null) continue
      if (answer.proof === null) return credential
      return { ...credential, headers: Object.freeze({ ...credential.headers, DPoP: answer.proof }) }
    }
  }

  /** Whether the core has something to send at once. */
  #look(): boolean {
    // While a request is waited for there is nothing yet, and its end will say so.
    if (this.#waiting) return false
    // Read before the core is asked: a change in between is noticed at the next call.
    const seen = this.cell[0]!
    return this.#keep(seen, native().headers(this.#id))
  }

  /** Waits for the core's shared request, once for all who call here. */
  #wait(): Promise<Credential> {
    return (this.#waiting ??= this.#acquire().finally(() => (this.#waiting = undefined)))
  }

  async #acquire(): Promise<Credential> {
    const seen = this.cell[0]!
    return this.#keep(seen, await native().acquire(this.#id)) ? this.#credential : nothing
  }

  /** Keeps what the core answered, if it is something to send. The same answer keeps the same objects. */
  #keep(seen: number, outcome: Outcome<Snapshot | null>): boolean {
    if (outcome !== this.#outcome) {
      const snapshot = unwrap(outcome, this.#service)
      if (snapshot === null) return false
      this.#credential = credentialFrom(snapshot)
      this.#outcome = outcome
      this.promise = Promise.resolve(this.#credential.headers)
    }
    if (!this.isBound()) this.seen = seen
    return true
  }
}

function credentialFrom({ scheme, token, generation }: Snapshot): Credential {
  return { headers: Object.freeze({ Authorization: `${scheme} ${token}` }), token, generation }
}

function checked(request: unknown, service: string): Proven {
  const { method, url } = (request ?? {}) as Partial<Record<keyof Proven, unknown>>
  if (typeof method !== 'string' || typeof url !== 'string') {
    throw configError(
      'request',
      "is needed with dpop, as a proof is for one request: service.getAuthHeaders({ method: 'GET', url: 'https://…' }), " +
        'or service.fetch()',
      { service },
    )
  }
  return { method: normalized(method), url }
}

/** The method as `fetch` sends it. */
export function normalized(method: string): string {
  const upper = method.toUpperCase()
  return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : method
}
