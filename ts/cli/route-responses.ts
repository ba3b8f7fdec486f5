import type { TokenStatus } from '../../index'
import { tokenStates } from '../support/defaults'

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether this is the response to a clear. */
export function isCleared(body: unknown): body is { cleared: true } {
  return isRecord(body) && body['cleared'] === true
}

/** Whether this has all members of a status that the commands print: any server may be at `--endpoint`. */
export function isStatus(body: unknown): body is TokenStatus {
  return isRecord(body) && hasFields(body, statusFields)
}

type Check = (value: unknown) => boolean
type Checks = Readonly<Record<string, Check>>

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const hasFields = (value: Record<string, unknown>, checks: Checks): boolean =>
  Object.entries(checks).every(([key, check]) => check(value[key]))
const isObjectOf =
  (checks: Checks): Check =>
  (value) =>
    isRecord(value) && hasFields(value, checks)

const statusFields: Checks = {
  service: isText,
  state: (value) => tokenStates.includes(value as TokenStatus['state']),
  healthy: isFlag,
  source: orNull(isText),
  issuedAt: orNull(isText),
  refreshAt: orNull(isText),
  expiresAt: orNull(isText),
  lastRefreshAt: orNull(isText),
  expiresInSeconds: orNull(isNumber),
  consecutiveFailures: isNumber,
  strategy: orNull(isObjectOf({ grant: isText, endpoint: isText, format: isText })),
  lastError: orNull(isObjectOf({ code: isText, message: isText, at: isText })),
  storage: isObjectOf({ kind: isText, location: isText, encrypted: isFlag, healthy: isFlag }),
  scheduler: isObjectOf({
    running: isFlag,
    nextRefreshAt: (value) => value === undefined || value === null || isText(value),
  }),
}
