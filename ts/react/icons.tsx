import type { ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'

/** A sign for each state, for readers who cannot tell the colors apart. The word next to it says the same. */
const paths: Record<TokenStatus['state'], string> = {
  valid: 'M4.5 8.2 7 10.7 11.5 5.6',
  expiring: 'M8 4.4V8l2.4 1.6',
  expired: 'M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2',
  missing: 'M5 8h6',
  manual: 'M8 4.4v4.4M8 11.3v.2',
}

export function StateIcon({ state }: { state: TokenStatus['state'] | null }): ReactElement {
  return (
    <svg
      className="evertoken-icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      aria-hidden="true"
    >
      <circle
        cx="8"
        cy="8"
        r="7"
        strokeDasharray={state === null || state === 'missing' ? '2.6 2.9' : undefined}
      />
      {state !== null && <path d={paths[state]} />}
    </svg>
  )
}
