import type { ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'
import { moment } from './life.js'
import { duration, localTime, outcomeWords } from './words.js'

/** As many as fit under the rest without scrolling. */
const shown = 6

/** The last refreshes, the newest first. */
export function History({ entries, now }: { entries: TokenStatus['history']; now: number }): ReactElement | null {
  if (entries.length === 0) return null
  const newestFirst = [...entries].sort((one, other) => (moment(other.at) ?? 0) - (moment(one.at) ?? 0))
  return (
    <div className="evertoken-history">
      <h3 className="evertoken-subtitle">Last refreshes</h3>
      <ol>
        {newestFirst.slice(0, shown).map(({ at, outcome, durationMs, code }, index) => (
          <li key={`${at} ${index}`} data-outcome={outcome}>
            <time dateTime={at}>{localTime(moment(at) ?? now, now)}</time>
            <span>{outcomeWords[outcome]}</span>
            {code !== undefined && <code>{code}</code>}
            <span className="evertoken-took">{duration(durationMs)}</span>
          </li>
        ))}
      </ol>
    </div>
  )
}
