import type { TokenStatus } from 'evertoken'

/** The lifetime of the token at a moment between two responses of the server. */
export interface Lifetime {
  /** The current state: a token may expire while the endpoint is unreachable. */
  readonly state: TokenStatus['state']
  /** The remaining time, in seconds; `null` without an expiry. */
  readonly leftSeconds: number | null
  /** The server's clock, in milliseconds. */
  readonly serverNow: number
  /** How much of the lifetime has passed, from 0 to 1; `null` if its start or end is unknown. */
  readonly elapsed: number | null
  /** The refresh point on the same scale. */
  readonly refreshPoint: number | null
}

/**
 * Calculates the lifetime of the token at `now` from a status that arrived at `receivedAt`, both in milliseconds by the
 * browser's clock. That clock may be wrong: it measures the time since, and is compared with the server's clock only
 * if neither the remaining time nor `sentAt` tells what that was.
 */
export function lifetimeAt(
  status: TokenStatus,
  receivedAt: number,
  now: number,
  sentAt: number | null = null,
): Lifetime {
  const passed = Math.max(0, now - receivedAt)
  const issued = moment(status.issuedAt)
  const refresh = moment(status.refreshAt)
  const expires = moment(status.expiresAt)
  const left = status.expiresInSeconds === null ? null : status.expiresInSeconds - passed / 1_000
  // For an expired token, the remaining time is always 0.
  const isAlive = status.expiresInSeconds !== null && status.expiresInSeconds > 0
  const sent = sentAt === null ? now : sentAt + passed
  const clock = expires !== null && left !== null && isAlive ? expires - left * 1_000 : sent
  const lifetime = issued !== null && expires !== null && expires > issued ? expires - issued : null
  const share = (at: number | null) =>
    at === null || issued === null || lifetime === null
      ? null
      : Math.min(1, Math.max(0, (at - issued) / lifetime))
  return {
    state: stateAt(status, clock, left),
    leftSeconds: left === null ? null : Math.max(0, left),
    serverNow: clock,
    elapsed: share(clock),
    refreshPoint: share(refresh),
  }
}

function stateAt(status: TokenStatus, clock: number, left: number | null): TokenStatus['state'] {
  if (status.state !== 'valid' && status.state !== 'expiring') return status.state
  if (left !== null && left <= 0) return 'expired'
  const refresh = moment(status.refreshAt)
  return refresh !== null && clock >= refresh ? 'expiring' : status.state
}

/** A timestamp of a status in milliseconds. */
export function moment(text: string | null): number | null {
  const time = text === null ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? null : time
}
