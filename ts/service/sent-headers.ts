import { configError, TokenError } from '../support/errors'

const field = 'headersOrToken'

/**
 * The value of the header in what a caller sent and an API refused: headers (an object, `Headers`, a list of pairs, the
 * headers of HTTP clients), the value itself or the token alone. `null` for headers without it.
 *
 * @param name The name of the header that carries the token.
 * @throws TokenError `ERR_TOKEN_CONFIG` for anything else.
 */
export function readSentValue(given: unknown, name: string, service: string): string | null {
  const value = typeof given === 'string' ? given : readValue(given, name, service)
  if (value === undefined) return null
  const text = value.trim()
  if (text === '')
    throw configError(field, 'is empty: pass the headers that were sent, or the token', { service })
  return text
}

/** Whether this value carries, or is, this token. */
export function carriesToken(
  value: string,
  { header, token }: { header: string | null; token: string | null },
): boolean {
  // A token contains no space (RFC 6749 appendix A.12): the text before one is the token type.
  return token !== null && (value === header || value.split(/[ \t]+/).at(-1) === token)
}

function readValue(given: unknown, name: string, service: string): string | undefined {
  let value: unknown
  try {
    if (typeof given !== 'object' || given === null || given instanceof Error || given instanceof Response) {
      throw configError(field, 'must be the headers that were sent, or the token', { service })
    }
    value = headerOf(given, name)
  } catch (error) {
    throw error instanceof TokenError
      ? error
      : configError(field, 'cannot be read', { service, cause: error })
  }
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw configError(field, `contains the header ${name}, which is not a string`, { service })
}

/** The header with this name, in any case. */
function headerOf(headers: object, name: string): unknown {
  const lower = name.toLowerCase()
  // `Headers` of any realm, and the headers of axios.
  if ('get' in headers && typeof headers.get === 'function') return headers.get(lower)
  const pairs = (Array.isArray(headers) ? headers : Object.entries(headers)) as unknown[]
  const found = pairs.find((pair) => Array.isArray(pair) && String(pair[0]).toLowerCase() === lower)
  return (found as unknown[] | undefined)?.[1]
}
