import { useId, type ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'
import { Actions, type ActionsState } from './actions.js'
import type { TokenProblem } from './problem.js'
import { Facts } from './facts.js'
import { History } from './history.js'
import { StateIcon } from './icons.js'
import { lifetimeAt, type Lifetime } from './lifetime.js'
import { LifetimeBar } from './lifetime-bar.js'
import { StyleSheet } from './style-sheet.js'
import type { TokenStatusView } from './use-token-status.js'
import {
  clockTime,
  localTime,
  meaningWithoutConsent,
  problemAdvice,
  spokenTime,
  stateMeanings,
  stateWords,
} from './text.js'

/** The content and the look of the card. */
export interface CardProps {
  view: Pick<TokenStatusView, 'status' | 'receivedAt' | 'sentAt' | 'problem'>
  actions: ActionsState
  /** The browser's clock in milliseconds; `null` on the server. */
  now: number | null
  title: string
  className?: string | undefined
  nonce?: string | undefined
  theme?: 'auto' | 'light' | 'dark' | undefined
}

/** The card of one service. It only draws its props: it makes no request and reads no clock. */
export function Card({
  view,
  actions,
  now,
  title,
  className,
  nonce,
  theme = 'auto',
}: CardProps): ReactElement {
  const heading = useId()
  const { status, receivedAt, sentAt, problem } = view
  const at = now ?? receivedAt ?? 0
  const lifetime = status === null || receivedAt === null ? null : lifetimeAt(status, receivedAt, at, sentAt)
  const word = lifetime === null ? waitingWord(problem) : stateWords[lifetime.state]

  return (
    <section
      className={className === undefined ? 'evertoken-monitor' : `evertoken-monitor ${className}`}
      aria-labelledby={heading}
      aria-busy={status === null && problem === null}
      data-state={lifetime?.state ?? 'unknown'}
      data-stale={problem === null ? undefined : ''}
      data-theme={theme === 'auto' ? undefined : theme}
    >
      <StyleSheet nonce={nonce} />
      <header className="evertoken-header">
        <h2 className="evertoken-title" id={heading}>
          {title} {status !== null && <span className="evertoken-service">{status.service}</span>}
        </h2>
        <p className="evertoken-badge" key={word}>
          <StateIcon state={lifetime?.state ?? null} />
          {word}
        </p>
      </header>
      <div className="evertoken-hero">
        {lifetime !== null && <TimeLeft {...lifetime} />}
        <div className="evertoken-news" role="status" aria-atomic="false">
          {lifetime !== null && (
            <span className="evertoken-unseen">{`Token: ${stateWords[lifetime.state]}.`}</span>
          )}
          {problem !== null && <Notice problem={problem} receivedAt={receivedAt} now={at} />}
          {problem === null && lifetime !== null && (
            <p className="evertoken-meaning">
              {status !== null && status.consentEndedAt !== null
                ? meaningWithoutConsent(lifetime.state)
                : stateMeanings[lifetime.state]}
            </p>
          )}
        </div>
      </div>
      {status !== null && lifetime !== null && <Details status={status} lifetime={lifetime} now={at} />}
      {status === null && problem === null && (
        <div className="evertoken-details evertoken-waiting" aria-hidden="true" />
      )}
      <Actions {...actions} updatedAt={receivedAt} now={at} />
    </section>
  )
}

function TimeLeft({ state, leftSeconds: seconds }: Lifetime): ReactElement {
  const unit = state === 'missing' ? 'no token' : 'no expiry'
  return (
    <p className="evertoken-left" role="timer" aria-live="off">
      <span aria-hidden="true">{seconds === null ? '–' : clockTime(seconds)}</span>{' '}
      <span className="evertoken-unseen">{seconds === null ? 'unknown' : spokenTime(seconds)}</span>{' '}
      <span className="evertoken-unit">{seconds === null ? unit : 'left'}</span>
    </p>
  )
}

// Times are shown in the reader's time zone; how far they are from now is measured by the server's clock.
function Details(picture: { status: TokenStatus; lifetime: Lifetime; now: number }): ReactElement {
  return (
    <div className="evertoken-details">
      <LifetimeBar {...picture} />
      <Facts {...picture} />
      <History entries={picture.status.history} now={picture.now} />
    </div>
  )
}

interface NoticeProps {
  problem: TokenProblem
  receivedAt: number | null
  now: number
}

function Notice({ problem, receivedAt, now }: NoticeProps): ReactElement {
  const advice = problemAdvice[problem.kind]
  return (
    <p className="evertoken-notice">
      {problem.message}
      {advice !== undefined && ` ${advice}`}
      {receivedAt !== null && ` The data below is from ${localTime(receivedAt, now)}.`}
    </p>
  )
}

function waitingWord(problem: TokenProblem | null): string {
  if (problem === null) return 'Loading'
  return problem.kind === 'unauthorized' || problem.kind === 'forbidden' ? 'No access' : 'Unknown'
}
