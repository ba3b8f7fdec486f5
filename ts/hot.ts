import type { AuthHeaders } from '../index'
import { native, unwrap, type Outcome, type Snapshot } from './native'

/** What is sent, and which of the service's tokens it is; without a token there is no generation. */
export interface Credential {
  headers: AuthHeaders
  token: string | null
  generation: number | null
}

const nothing: Credential = { headers: Object.freeze({}), token: null, generation: null }

/**
 * The headers of one service, kept as long as they are current.
 *
 * The core changes the number in `cell` whenever that may have ended. As long as it is the one that was `seen`,
 * `promise` is the answer: nothing is allocated, no clock is read and nothing crosses to the core.
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

  constructor(id: number, service: string) {
    this.#id = id
    this.#service = service
    this.cell = native().attach(id)
  }

  headers(): Promise<AuthHeaders> {
    if (this.cell[0] === this.seen) return this.promise
    try {
      return this.#look() ? this.promise : this.#wait().then(({ headers }) => headers)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What {@link Hot.headers} answers, with all that belongs to it: at once where possible. */
  credential(): Credential | Promise<Credential> {
    return this.cell[0] === this.seen || this.#look() ? this.#credential : this.#wait()
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
    this.seen = seen
    return true
  }
}

function credentialFrom({ scheme, token, generation }: Snapshot): Credential {
  return { headers: Object.freeze({ Authorization: `${scheme} ${token}` }), token, generation }
}
