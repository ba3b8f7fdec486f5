import type { TokenStatus } from '../../../index'
import { TokenError } from '../../support/errors'
import { fail, pass, storageFinding, warn, type Finding } from './finding'
import type { Target } from '../target'
import { formatDuration } from '../terminal'

/** Checks a running app through its routes; the first failure is the cause. */
export async function* checkRemote(target: Target): AsyncGenerator<Finding, void> {
  let status: TokenStatus
  try {
    status = await target.status()
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return yield fail('routes', error.message, remedyFor(error.status))
  }
  yield pass('routes', `${status.service} responds`)
  const { lastError, consecutiveFailures, scheduler } = status
  if (lastError) {
    const { code, message, at } = lastError
    const times = consecutiveFailures > 1 ? `, ${consecutiveFailures} times in a row` : ''
    const detail = `${code}: ${message} (${at}${times})`
    // Another code would make a link to anywhere.
    yield /^ERR_TOKEN_[A-Z_]+$/.test(code)
      ? fail(
          'refresh',
          detail,
          'See the page below for what to do.',
          new TokenError(code as TokenError['code'], message),
        )
      : fail('refresh', detail, 'This is not an error code of evertoken. Check the URL.')
  } else {
    yield pass(
      'refresh',
      status.lastRefreshAt === null ? 'not needed yet' : `last at ${status.lastRefreshAt}`,
    )
  }
  yield token(status)
  yield scheduler.running
    ? pass('scheduler', `running, next refresh ${scheduler.nextRefreshAt ?? 'after the first token'}`)
    : warn(
        'scheduler',
        'not running: tokens are refreshed only when they are used',
        'Call startTokenScheduler().',
      )
  yield storageFinding(status, [])
}

function token({ state, expiresInSeconds }: TokenStatus): Finding {
  const left = expiresInSeconds === null ? 'without an expiry' : `for ${formatDuration(expiresInSeconds)}`
  switch (state) {
    case 'valid':
      return pass('token', `valid ${left}`)
    case 'expiring':
      return pass('token', `valid ${left}, refresh is due`)
    case 'manual':
      return warn(
        'token',
        'the configured token is in use',
        'It is not refreshed: configure a valid credential.',
      )
    case 'expired':
      return fail(
        'token',
        'expired',
        'Refresh it (`npx evertoken refresh --endpoint …`); with LOG_LEVEL=debug, the app logs the server’s error text.',
      )
    case 'missing':
      return warn('token', 'none yet', 'The first caller or the scheduler will request one.')
  }
}

function remedyFor(status: number | undefined): string {
  if (status === undefined) return 'Check the URL, and whether the app is running.'
  if (status === 401 || status === 403) return 'Set EVERTOKEN_ADMIN_SECRET to the same value as in the app.'
  return 'Pass the URL of the token routes, without /status: http://localhost:3000/api/token'
}
