import type { ServerError, TokenErrorCode, TokenErrorDetails } from '../../index'

// Bundles and hot reloads evaluate this file more than once, but `instanceof` must know the errors of all copies.
const brand = Symbol.for('evertoken.TokenError')

// The pages of this version, which are also in the package.
const { version } = require('../../package.json') as { version: string }
const pages = `https://unpkg.com/evertoken@${version}/docs/errors/`

/** The one error of this package; documented in `index.d.ts`. */
export class TokenError extends Error {
  readonly code: TokenErrorCode
  readonly help: string
  declare readonly service?: string
  declare readonly field?: string
  declare readonly status?: number
  declare readonly retryAfterSeconds?: number
  declare readonly serverError?: ServerError

  constructor(code: TokenErrorCode, message: string, details: TokenErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.help = `${pages}${code}.md`
    // Unknown details are left out, so that a printed error has no undefined values.
    for (const key of ['service', 'field', 'status', 'retryAfterSeconds', 'serverError'] as const) {
      if (details[key] !== undefined) {
        Object.defineProperty(this, key, { value: details[key], enumerable: true, configurable: true })
      }
    }
  }

  toJSON(): { name: string; code: TokenErrorCode; message: string; help: string } & Omit<
    TokenErrorDetails,
    'cause'
  > {
    // The enumerable properties are the code, its page and the known details.
    return { ...this, name: this.name, message: this.message }
  }
}

// Outside of the class: a class that names itself gets another name in the bundle, which stack traces would show.
Object.defineProperty(TokenError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // A subclass inherits this, and `this` is then the subclass.
    if (this !== TokenError) return Function.prototype[Symbol.hasInstance].call(this as () => void, value)
    return typeof value === 'object' && value !== null && brand in value
  },
})
Object.defineProperty(TokenError.prototype, 'name', {
  value: 'TokenError',
  writable: true,
  configurable: true,
})
Object.defineProperty(TokenError.prototype, brand, { value: true })

/** A configuration error that names the field, like those of the core. */
export function configError(field: string, fault: string, details?: TokenErrorDetails): TokenError {
  return new TokenError('ERR_TOKEN_CONFIG', `${field} ${fault}`, { ...details, field })
}

/** Runs `call`, and adds the name of the service to an error that it throws. */
export function asService<T>(service: string | undefined, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof TokenError) || service === undefined) throw error
    const { code, message, field } = error
    throw new TokenError(code, message, { service, ...(field === undefined ? {} : { field }) })
  }
}
