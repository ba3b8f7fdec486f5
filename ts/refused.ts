import { configError, TokenError } from './errors'

const field = 'headersOrToken'

/**
 * The token in what a caller sent and an API refused: headers (an object, `Headers`, a list of pairs, what HTTP
 * clients keep), the value of the header or the token alone. `null` for headers without one: it was sent without.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` for what is neither.
 */
export function refusedToken(given: unknown, service: string): string | null {
  const value = typeof given === 'string' ? given : authorizationOf(given, service)
  if (value === undefined) return null
  // A token holds no space (RFC 6749 appendix A.12): what is before one is the scheme.
  const token = value.trim().split(/[ \t]+/).at(-1) ?? ''
  if (token === '') throw configError(field, 'is empty: pass the headers that were sent, or the token', { service })
  return token
}

function authorizationOf(given: unknown, service: string): string | undefined {
  let value: unknown
  try {
    if (typeof given !== 'object' || given === null || given instanceof Error || given instanceof Response) {
      throw configError(field, 'must be the headers that were sent, or the token', { service })
    }
    value = headerOf(given)
  } catch (error) {
    throw error instanceof TokenError ? error : configError(field, 'cannot be read', { service, cause: error })
  }
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw configError(field, 'holds an Authorization header that is not a text', { service })
}

/** The `Authorization` header, however its name is written. */
function headerOf(headers: object): unknown {
  // `Headers` of any realm, and what axios keeps.
  if ('get' in headers && typeof headers.get === 'function') return headers.get('authorization')
  const pairs = (Array.isArray(headers) ? headers : Object.entries(headers)) as unknown[]
  const found = pairs.find((pair) => Array.isArray(pair) && String(pair[0]).toLowerCase() === 'authorization')
  return (found as unknown[] | undefined)?.[1]
}
