import type { TokenStatus } from '../../index'
import { TokenError } from '../errors'
import { failed, passed, storage, warned, type Finding } from './examination'
import type { Target } from './target'
import { inWords } from './terminal'

/** What a running app says of itself through its routes; the first failure is the cause. */
export async function* consult(target: Target): AsyncGenerator<Finding, void> {
  let status: TokenStatus
  try {
    status = await target.status()
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return yield failed('routes', error.message, remedyFor(error.status))
  }
  yield passed('routes', `${status.service} answers`)
  const { lastError, consecutiveFailures, scheduler } = status
  if (lastError) {
    const { code, message, at } = lastError
    const times = consecutiveFailures > 1 ? `, ${consecutiveFailures} times in a row` : ''
    const detail = `${code}: ${message} (${at}${times})`
    // Another code would make a link to anywhere.
    yield /^ERR_TOKEN_[A-Z_]+$/.test(code)
      ? failed('refresh', detail, 'The page below says what to do.', new TokenError(code as TokenError['code'], message))
      : failed('refresh', detail, 'The code is not one of evertoken. Check the address.')
  } else {
    yield passed('refresh', status.lastRefreshAt === null ? 'none was needed yet' : `the last was at ${status.lastRefreshAt}`)
  }
  yield token(status)
  yield scheduler.running
    ? passed('scheduler', `runs, next at ${scheduler.nextRefreshAt ?? 'the first token'}`)
    : warned('scheduler', 'does not run: tokens are refreshed when they are used', 'Call startTokenScheduler().')
  yield storage(status, [])
}

function token({ state, expiresInSeconds }: TokenStatus): Finding {
  const left = expiresInSeconds === null ? 'without an end' : `for ${inWords(expiresInSeconds)}`
  switch (state) {
    case 'valid':
      return passed('token', `valid ${left}`)
    case 'expiring':
      return passed('token', `valid ${left}, and due for its refresh`)
    case 'manual':
      return warned('token', 'the configured one stands in', 'It is not refreshed: give a credential that works.')
    case 'expired':
      return failed('token', 'expired', 'Refresh it (`npx evertoken refresh --endpoint …`); the app logs what the server says with LOG_LEVEL=debug.')
    case 'missing':
      return warned('token', 'none yet', 'One is fetched when the first caller asks, or by the scheduler.')
  }
}

function remedyFor(status: number | undefined): string {
  if (status === undefined) return 'Check the address, and that the app runs.'
  if (status === 401 || status === 403) return 'Set EVERTOKEN_ADMIN_SECRET to what the app has.'
  return 'Give the address of the token routes, without /status: http://localhost:3000/api/token'
}
