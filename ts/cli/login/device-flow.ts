import type { ConsentEndpoints, ExchangedTokens } from '../../binding/native'
import type { CodeExchange } from '../../service/code-exchange'
import { paint, printNote, sanitize, withSpinner } from '../terminal'
import { pollForTokens } from './device-polling'
import { missingEndpoint } from './failures'
import type { LoginOptions } from './options'

/** The device grant (RFC 8628). */
export async function obtainByDevice(
  exchange: CodeExchange,
  { authorization, deviceAuthorization: url }: ConsentEndpoints,
  { scope, parameters, timeoutSeconds }: LoginOptions,
  signal: AbortSignal,
): Promise<ExchangedTokens> {
  if (url === null) throw missingEndpoint('OAUTH_DEVICE_URL', authorization && 'leave out --device')
  const device = await withSpinner('requesting a code', exchange.authorizeDevice({ url, scope, parameters }))
  const { verificationUri, verificationUriComplete: complete, userCode } = device
  const direct = complete === null ? '' : `\nor open ${complete} and compare the code.`
  printNote(
    `Open ${verificationUri} on any device\nand enter the code ${paint('bold', sanitize(userCode))}${direct}\n`,
  )
  return withSpinner(
    'waiting for your approval',
    pollForTokens(exchange, device, { scope, timeoutSeconds, signal }),
  )
}
