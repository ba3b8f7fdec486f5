import { setTimeout as sleep } from 'node:timers/promises'
import type { DeviceAuthorization, ExchangedTokens } from '../../binding/native'
import type { CodeExchange } from '../../service/code-exchange'
import { TokenError } from '../../support/errors'
import { refusal, timeLimitError } from './failures'
import { defaultTimeoutSeconds } from './options'

/** `slow_down` makes this and every later pause longer (RFC 8628 §3.5). */
const slowDownSeconds = 5

/** The longest pause after network errors. */
const longestPauseSeconds = 60

/** Polls until the user has approved or declined, or the code has expired. */
export async function pollForTokens(
  exchange: CodeExchange,
  device: DeviceAuthorization,
  {
    scope,
    timeoutSeconds,
    signal,
  }: { scope: string | undefined; timeoutSeconds: number | undefined; signal: AbortSignal },
): Promise<ExchangedTokens> {
  const lifetime = device.expiresInSeconds ?? defaultTimeoutSeconds
  const limit = Math.min(lifetime, timeoutSeconds ?? lifetime)
  const deadline = performance.now() + limit * 1000
  let interval = device.intervalSeconds
  let failures = 0
  let wait = interval
  for (;;) {
    if (performance.now() + wait * 1000 >= deadline) {
      throw limit < lifetime ? timeLimitError(limit) : refusal('expired_token')
    }
    await sleep(wait * 1000, undefined, { signal })
    try {
      return await exchange.exchange({ deviceCode: device.deviceCode }, scope)
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      switch (error.serverError?.error) {
        case 'slow_down':
          interval += slowDownSeconds
          failures = 0
          break
        case 'authorization_pending':
          failures = 0
          break
        case 'access_denied':
        case 'expired_token':
          throw refusal(error.serverError.error, error.serverError.description)
        default:
          if (!isTemporary(error)) throw error
          failures += 1
      }
      // Twice as long after each failure: the server may be down because it is overloaded.
      const backedOff = failures === 0 ? interval : Math.min(interval * 2 ** failures, longestPauseSeconds)
      wait = Math.max(interval, backedOff, error.retryAfterSeconds ?? 0)
    }
  }
}

/** Whether the server or the network failed, and not the request. */
function isTemporary({ code, status }: TokenError): boolean {
  return (
    code === 'ERR_TOKEN_NETWORK' ||
    code === 'ERR_TOKEN_TIMEOUT' ||
    code === 'ERR_TOKEN_RATE_LIMITED' ||
    (code === 'ERR_TOKEN_RESPONSE' && status !== undefined && status >= 500)
  )
}
