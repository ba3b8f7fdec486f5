import type { ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'
import { moment, type Lifetime } from './lifetime.js'
import { localTime } from './text.js'

/** The lifetime of the token as a bar: issued on the left, expiry on the right, a mark at the refresh point. */
export function LifetimeBar({
  status,
  lifetime,
  now,
}: {
  status: TokenStatus
  lifetime: Lifetime
  now: number
}): ReactElement | null {
  const { elapsed, refreshPoint } = lifetime
  if (elapsed === null) return null
  const at = percent(elapsed)
  return (
    <div className="evertoken-life">
      <svg
        className="evertoken-line"
        width="100%"
        height="16"
        role="img"
        aria-label={describe(elapsed, refreshPoint)}
      >
        <rect
          className="evertoken-track"
          x="0"
          y="5"
          width="100%"
          height="6"
          rx="3"
          fill="none"
          stroke="currentColor"
        />
        <rect className="evertoken-elapsed" x="0" y="5" width={at} height="6" rx="3" />
        {refreshPoint !== null && (
          <line
            className="evertoken-mark"
            x1={percent(refreshPoint)}
            x2={percent(refreshPoint)}
            y1="1"
            y2="15"
          />
        )}
        <circle className="evertoken-now" cx={at} cy="8" r="6" />
      </svg>
      <dl className="evertoken-moments">
        <Moment name="Issued" at={status.issuedAt} now={now} />
        <Moment name="Refresh from" at={status.refreshAt} now={now} />
        <Moment name="Expires" at={status.expiresAt} now={now} />
      </dl>
    </div>
  )
}

function Moment({ name, at, now }: { name: string; at: string | null; now: number }): ReactElement {
  const time = moment(at)
  return (
    <div>
      <dt>{name}</dt>
      <dd>{time === null || at === null ? '–' : <time dateTime={at}>{localTime(time, now)}</time>}</dd>
    </div>
  )
}

function describe(elapsed: number, refreshPoint: number | null): string {
  const refresh = refreshPoint === null ? '' : `, refresh from ${percent(refreshPoint)}`
  return `Lifetime of the token: ${percent(elapsed)} elapsed${refresh}`
}

const percent = (share: number) => `${Math.round(share * 1_000) / 10}%`
