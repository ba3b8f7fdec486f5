/** The authorization request (RFC 6749 §4.1.1, with PKCE) and its response (RFC 6749 §4.1.2, RFC 9207). No I/O. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ConsentEndpoints } from '../../binding/native'
import { TokenError } from '../../support/errors'
import { quote, refusal } from './failures'

/** 256 bits, in base64url: as long as a verifier must be at least (RFC 7636 §4.1). */
const secretBytes = 32

/** An authorization request, and what its response is compared with. */
export interface AuthorizationRequest {
  /** The URL for the browser. It contains no secret of the client. */
  readonly url: string
  readonly state: string
  /** Proves at the token endpoint who made the request; it never leaves this process otherwise. */
  readonly codeVerifier: string
}

/** Additional parameters, in the order in which they were given. */
export type Parameters = readonly (readonly [name: string, value: string])[]

/** A new authorization request, with a `state` and a `code_verifier` of its own. */
export function createAuthorizationRequest(
  endpoint: string,
  { clientId, audience, resource }: Pick<ConsentEndpoints, 'clientId' | 'audience' | 'resource'>,
  {
    redirectUri,
    scope,
    parameters,
  }: { redirectUri: string; scope: string | undefined; parameters: Parameters },
): AuthorizationRequest {
  const state = randomBytes(secretBytes).toString('base64url')
  const codeVerifier = randomBytes(secretBytes).toString('base64url')
  const url = new URL(endpoint)
  const query = url.searchParams
  // The query of the endpoint stays (RFC 6749 §3.1), except what the request itself says.
  query.set('response_type', 'code')
  query.set('client_id', clientId)
  query.set('redirect_uri', redirectUri)
  query.set('state', state)
  query.set('code_challenge', challengeOf(codeVerifier))
  query.set('code_challenge_method', 'S256')
  if (scope !== undefined) query.set('scope', scope)
  const given = new Set(parameters.map(([name]) => name))
  if (audience !== null && !given.has('audience')) query.set('audience', audience)
  if (!given.has('resource')) for (const each of resource) query.append('resource', each)
  for (const [name, value] of parameters) query.append(name, value)
  return { url: url.href, state, codeVerifier }
}

/** The `code_challenge` for a `code_verifier` (RFC 7636 §4.2). */
export function challengeOf(codeVerifier: string): string {
  return createHash('sha256').update(codeVerifier).digest('base64url')
}

/** What an authorization response must match. */
export interface ExpectedResponse {
  readonly state: string
  /** The issuer; `null` if it is not known. */
  readonly issuer: string | null
  /** Whether a response without an issuer is refused. */
  readonly sendsIssuer: boolean
}

/** The code of an authorization response, or why there is none. */
export type AuthorizationResponse = { readonly code: string } | { readonly error: TokenError }

/**
 * Reads the query of a request to the redirect URI. `undefined`: it is not the response to this authorization request,
 * and says nothing about it.
 */
export function readAuthorizationResponse(
  query: string,
  { state, issuer, sendsIssuer }: ExpectedResponse,
): AuthorizationResponse | undefined {
  const parameters = new URLSearchParams(query)
  // No parameter may be repeated (RFC 6749 §3.1): of two values, one may come from somebody else.
  const one = (name: string): string | undefined => {
    const values = parameters.getAll(name)
    return values.length === 1 && values[0] !== '' ? values[0] : undefined
  }
  const isRepeated = ['code', 'error', 'iss'].some((name) => parameters.getAll(name).length > 1)
  if (!isEqual(one('state'), state)) return undefined
  if (isRepeated) return invalid('repeats a parameter')
  const named = one('iss')
  if (issuer !== null && (named === undefined ? sendsIssuer : named !== issuer)) {
    return invalid(
      named === undefined
        ? `does not name its issuer, but the metadata of ${issuer} says that it does (RFC 9207)`
        : `comes from the issuer ${quote(named)}, not from ${issuer} (RFC 9207)`,
    )
  }
  const error = one('error')
  if (error !== undefined) return { error: refusal(error, one('error_description')) }
  const code = one('code')
  return code === undefined ? invalid('contains neither a code nor an error') : { code }
}

/** Whether two texts are equal, in a time that does not depend on where they differ. */
function isEqual(text: string | undefined, expected: string): boolean {
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest()
  return text !== undefined && timingSafeEqual(digest(text), digest(expected))
}

function invalid(what: string): AuthorizationResponse {
  return { error: new TokenError('ERR_TOKEN_RESPONSE', `the authorization response ${what}`) }
}
