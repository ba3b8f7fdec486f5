/** What can go wrong in a login, in words. */

import { configError, TokenError } from '../../support/errors'
import { sanitize } from '../terminal'

/** The longest text of a server that is shown. */
const longestText = 300

/** The error of a server that does not issue a code (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). */
export function refusal(error: string, description?: string): TokenError {
  const advice: Readonly<Record<string, string>> = {
    access_denied: 'access was denied: the user or the server declined the request',
    invalid_scope:
      'the server does not accept the requested scope: correct scope (OAUTH_SCOPE) or pass --scope',
    unauthorized_client:
      'the server does not allow this client to request an authorization code: enable that grant for the client',
    expired_token: 'the code expired before the request was approved: run the command again',
  }
  const message = advice[error] ?? 'the authorization server refused the request'
  const serverError = {
    error: quote(error),
    ...(description !== undefined && { description: quote(description) }),
  }
  const isConsent = error === 'access_denied' || error === 'expired_token'
  return new TokenError(isConsent ? 'ERR_TOKEN_CONSENT' : 'ERR_TOKEN_CREDENTIALS', message, { serverError })
}

/** The error of a login that took too long. */
export function timeLimitError(seconds: number): TokenError {
  const message = `the login was not completed within ${seconds} s: run the command again, with a longer --timeout if needed`
  return new TokenError('ERR_TOKEN_TIMEOUT', message)
}

/** A text from outside, without control characters and cut. */
export function quote(text: string): string {
  const shown = sanitize(text)
  return shown.length > longestText ? `${shown.slice(0, longestText)}…` : shown
}

/** The error of an endpoint that is not known. */
export function missingEndpoint(name: string, alternative: string | null): TokenError {
  const other = alternative === null ? '' : `, or ${alternative}`
  return configError(
    name,
    `is not set, and there is no issuer (OAUTH_ISSUER) whose metadata names it: set it${other}`,
  )
}
