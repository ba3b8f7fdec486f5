import type { SchedulerStatus, TokenStatus } from 'evertoken'
import { cut, isRecord } from './json.js'
import { moment } from './lifetime.js'
import { outcomeWords, stateWords } from './text.js'

/** Longer than any date. */
const longestMoment = 64

/** More than a status contains, so that a longer list costs nothing. */
const longestHistory = 500

/** A greater time or count is a mistake; it is limited to a number that calculations can handle. */
const greatest = 1e12

/**
 * The status in the body of a response, or `null` if there is none. Anything that is missing or of another type is
 * replaced, so that the rest of the component can rely on the types, whichever server responded.
 */
export function statusFrom(body: unknown): TokenStatus | null {
  if (!isRecord(body)) return null
  const { state, scheduler, storage, counters, history } = body
  if (!isWordOf(stateWords, state) || !isRecord(scheduler) || !isRecord(storage) || !isRecord(counters))
    return null
  if (!Array.isArray(history)) return null
  return {
    service: text(body['service']),
    state,
    healthy: body['healthy'] === true,
    source: isWordOf(sources, body['source']) ? body['source'] : null,
    tokenType: textOrNull(body['tokenType']),
    issuedAt: momentOrNull(body['issuedAt']),
    expiresAt: momentOrNull(body['expiresAt']),
    refreshAt: momentOrNull(body['refreshAt']),
    expiresInSeconds: isNumber(body['expiresInSeconds']) ? number(body['expiresInSeconds']) : null,
    refreshTokenExpiresAt: momentOrNull(body['refreshTokenExpiresAt']),
    consentEndedAt: momentOrNull(body['consentEndedAt']),
    lastRefreshAt: momentOrNull(body['lastRefreshAt']),
    consecutiveFailures: number(body['consecutiveFailures']),
    lastError: lastErrorFrom(body['lastError']),
    strategy: strategyFrom(body['strategy']),
    scheduler: schedulerFrom(scheduler),
    storage: {
      kind: text(storage['kind']),
      location: text(storage['location']),
      encrypted: storage['encrypted'] === true,
      healthy: storage['healthy'] === true,
    },
    counters: {
      tokenRequests: number(counters['tokenRequests']),
      refreshes: number(counters['refreshes']),
      failures: number(counters['failures']),
      storeHits: number(counters['storeHits']),
      retriesOn401: number(counters['retriesOn401']),
    },
    history: history.slice(-longestHistory).flatMap(entryFrom),
  }
}

const sources: Record<NonNullable<TokenStatus['source']>, true> = { request: true, store: true, manual: true }

function isWordOf<Word extends string>(words: Record<Word, unknown>, value: unknown): value is Word {
  return typeof value === 'string' && Object.hasOwn(words, value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? cut(value) : ''
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? cut(value) : null
}

function momentOrNull(value: unknown): string | null {
  return typeof value === 'string' && value.length <= longestMoment && moment(value) !== null ? value : null
}

function number(value: unknown): number {
  return isNumber(value) ? Math.min(greatest, Math.max(0, value)) : 0
}

function lastErrorFrom(value: unknown): TokenStatus['lastError'] {
  if (!isRecord(value)) return null
  return { code: text(value['code']), message: text(value['message']), at: momentOrNull(value['at']) ?? '' }
}

function strategyFrom(value: unknown): TokenStatus['strategy'] {
  if (!isRecord(value)) return null
  return { grant: text(value['grant']), endpoint: text(value['endpoint']), format: text(value['format']) }
}

function schedulerFrom(value: Record<string, unknown>): SchedulerStatus {
  return {
    running: value['running'] === true,
    refreshIntervalSeconds: number(value['refreshIntervalSeconds']),
    healthCheckIntervalSeconds: number(value['healthCheckIntervalSeconds']),
    nextRefreshAt: momentOrNull(value['nextRefreshAt']),
    lastHealthCheckAt: momentOrNull(value['lastHealthCheckAt']),
  }
}

function entryFrom(value: unknown): TokenStatus['history'] {
  if (!isRecord(value)) return []
  const { outcome, code } = value
  const at = momentOrNull(value['at'])
  if (at === null || !isWordOf(outcomeWords, outcome)) return []
  return [
    {
      at,
      outcome,
      durationMs: number(value['durationMs']),
      ...(typeof code === 'string' ? { code: cut(code) } : {}),
    },
  ]
}
