import type { ConsentEndpoints, ExchangedTokens } from '../../binding/native'
import type { CodeExchange } from '../../service/code-exchange'
import { TokenError } from '../../support/errors'
import { printNote, withSpinner } from '../terminal'
import { createAuthorizationRequest, readAuthorizationResponse } from './authorization'
import { openBrowser, whyNoBrowser } from './browser'
import { missingEndpoint, timeLimitError } from './failures'
import { LoopbackServer } from './loopback'
import { defaultTimeoutSeconds, type LoginOptions } from './options'
import type { LoopbackRedirect } from './redirect-uri'

/** The authorization code grant (RFC 6749 §4.1) with a loopback redirect (RFC 8252 §7.3). */
export async function obtainByBrowser(
  exchange: CodeExchange,
  endpoints: ConsentEndpoints,
  { scope, parameters, opensBrowser, timeoutSeconds = defaultTimeoutSeconds }: LoginOptions,
  redirect: LoopbackRedirect,
  signal: AbortSignal,
): Promise<ExchangedTokens> {
  const { authorization, deviceAuthorization } = endpoints
  if (authorization === null)
    throw missingEndpoint('OAUTH_AUTHORIZATION_URL', deviceAuthorization && 'use --device')
  const server = await LoopbackServer.listen(redirect)
  try {
    const { redirectUri } = server
    const request = createAuthorizationRequest(authorization, endpoints, { redirectUri, scope, parameters })
    showUrl(request.url, server.port, opensBrowser)
    const expected = { ...endpoints, state: request.state }
    const response = await withSpinner(
      'waiting for the browser',
      server.waitFor(
        (query) => readAuthorizationResponse(query, expected),
        (found) => 'code' in found,
        limited(signal, timeoutSeconds),
      ),
    )
    if ('error' in response) throw response.error
    const { codeVerifier } = request
    const code = { code: response.code, redirectUri, codeVerifier }
    return await withSpinner('exchanging the code', exchange.exchange(code, scope))
  } catch (error) {
    if (error instanceof TokenError) throw explained(error)
    throw error instanceof Error && error.name === 'TimeoutError' ? timeLimitError(timeoutSeconds) : error
  } finally {
    await server.close()
  }
}

/** `invalid_grant` is about the code here. */
function explained(error: TokenError): TokenError {
  const { message, status, serverError } = error
  if (serverError?.error !== 'invalid_grant') return error
  const advice =
    'The code was refused: it may have expired or been used already. Run the command again, and check that the provider ' +
    'knows this redirect URI'
  const details = { ...(status !== undefined && { status }), serverError }
  return new TokenError('ERR_TOKEN_CONSENT', `${message}. ${advice}`, details)
}

/** `signal`, or the time limit. */
function limited(signal: AbortSignal, seconds: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])
}

function showUrl(url: string, port: number, opensBrowser: boolean): void {
  const reason = whyNoBrowser()
  const forward = `If your browser runs on another machine, forward the port first: ssh -L ${port}:127.0.0.1:${port} HOST`
  if (!opensBrowser || reason !== undefined) {
    const hint = reason === undefined ? '' : `\n${forward}\nor use --device, if the server supports it.`
    printNote(`Open this URL in a browser:\n\n${url}\n${hint}`)
    return
  }
  printNote(`Opening a browser. If none appears, open this URL:\n\n${url}\n`)
  openBrowser(url, () => printNote('No browser could be opened: open the URL above.'))
}
