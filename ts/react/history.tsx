import type { ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'
import { moment } from './lifetime.js'
import { duration, localTime, outcomeWords } from './text.js'

type Entry = TokenStatus['history'][number]

/** As many as fit below the rest without scrolling; the chart shows all. */
const listed = 6

/** As many as a status contains. */
const slots = 50

/** The last refreshes: all as a chart, and the newest as a list. */
export function History({ entries, now }: { entries: readonly Entry[]; now: number }): ReactElement {
  const oldestFirst = [...entries]
    .sort((one, other) => (moment(one.at) ?? 0) - (moment(other.at) ?? 0))
    .slice(-slots)
  return (
    <div className="evertoken-history">
      <h3 className="evertoken-subtitle">Last refreshes</h3>
      <Bars entries={oldestFirst} />
      {oldestFirst.length === 0 && <p className="evertoken-none">None yet.</p>}
      <ol>
        {oldestFirst
          .slice(-listed)
          .reverse()
          .map(({ at, outcome, durationMs, code }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two entries may have the same moment.
            <li key={`${at} ${index}`} data-outcome={outcome}>
              <time dateTime={at}>{localTime(moment(at) ?? now, now)}</time>{' '}
              <span className="evertoken-outcome">
                {outcomeWords[outcome]} {code !== undefined && <code>{code}</code>}
              </span>{' '}
              <span className="evertoken-took">{duration(durationMs)}</span>
            </li>
          ))}
      </ol>
    </div>
  )
}

const step = 6
const height = 40

/** A bar for each refresh, whose height is its duration, the newest on the right. */
function Bars({ entries }: { entries: readonly Entry[] }): ReactElement {
  const longest = Math.max(1, ...entries.map(({ durationMs }) => durationMs))
  const first = slots - entries.length
  return (
    <svg
      className="evertoken-bars"
      viewBox={`0 0 ${slots * step} ${height}`}
      width="100%"
      height={height}
      preserveAspectRatio="none"
      role="img"
      aria-label={describe(entries, longest)}
    >
      <line className="evertoken-floor" x1="0" x2={slots * step} y1={height - 0.5} y2={height - 0.5} />
      {entries.map(({ at, outcome, durationMs }, index) => {
        // The square root: the others stay visible next to one that took a minute.
        const size = Math.max(3, Math.sqrt(durationMs / longest) * (height - 2))
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: two entries may have the same moment.
            key={`${at} ${index}`}
            className="evertoken-bar"
            data-outcome={outcome}
            x={(first + index) * step + 1}
            y={height - 1 - size}
            width={step - 2}
            height={size}
          />
        )
      })}
    </svg>
  )
}

function describe(entries: readonly Entry[], longest: number): string {
  if (entries.length === 0) return 'No refreshes yet'
  const count = (outcome: Entry['outcome']) => entries.filter((entry) => entry.outcome === outcome).length
  const counts = (['refreshed', 'adopted', 'failed', 'cleared'] as const)
    .map((outcome) => [count(outcome), outcomeWords[outcome].toLowerCase()] as const)
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
  return `The last ${entries.length}: ${counts.join(', ')}; the longest took ${duration(longest)}`
}
