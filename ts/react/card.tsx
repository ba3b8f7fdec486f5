import { useId, type ReactElement } from 'react'
import type { TokenStatus } from 'evertoken'
import { Actions, type ActionsState } from './actions.js'
import type { TokenProblem } from './endpoint.js'
import { Facts } from './facts.js'
import { History } from './history.js'
import { StateIcon } from './icons.js'
import { lifeAt, type Life } from './life.js'
import { LifeLine } from './life-line.js'
import { styles } from './styles.js'
import type { TokenStatusView } from './use-token-status.js'
import { clockTime, localTime, problemAdvice, spokenTime, stateMeanings, stateWords } from './words.js'

/** What is on the card, and how it looks. */
export interface CardProps {
  view: Pick<TokenStatusView, 'status' | 'receivedAt' | 'problem'>
  actions: ActionsState
  /** The browser's clock in milliseconds; `null` on the server. */
  now: number | null
  title: string
  className?: string | undefined
  nonce?: string | undefined
  theme?: 'auto' | 'light' | 'dark' | undefined
}

/** The card of one service. Whatever it shows is handed in: it asks nobody and reads no clock. */
export function Card({ view, actions, now, title, className, nonce, theme = 'auto' }: CardProps): ReactElement {
  const heading = useId()
  const { status, receivedAt, problem } = view
  const at = now ?? receivedAt ?? 0
  const life = status === null || receivedAt === null ? null : lifeAt(status, receivedAt, at)

  return (
    <section
      className={className === undefined ? 'evertoken-monitor' : `evertoken-monitor ${className}`}
      aria-labelledby={heading}
      aria-busy={status === null && problem === null}
      data-state={life?.state ?? 'unknown'}
      data-stale={problem === null ? undefined : ''}
      data-theme={theme === 'auto' ? undefined : theme}
    >
      <style nonce={nonce}>{styles}</style>
      <header className="evertoken-header">
        <h2 className="evertoken-title" id={heading}>
          {title}
          {status !== null && <span className="evertoken-service">{status.service}</span>}
        </h2>
        <p className="evertoken-badge">
          <StateIcon state={life?.state ?? null} />
          {life === null ? waitingWord(problem) : stateWords[life.state]}
        </p>
      </header>
      <div className="evertoken-news" role="status" aria-atomic="false">
        {life !== null && <span className="evertoken-unseen">{`Token: ${stateWords[life.state]}.`}</span>}
        {problem !== null && <Notice problem={problem} receivedAt={receivedAt} now={at} />}
      </div>
      {status !== null && life !== null ? (
        <Picture status={status} life={life} now={at} />
      ) : (
        problem === null && <div className="evertoken-waiting" aria-hidden="true" />
      )}
      <Actions {...actions} now={at} />
    </section>
  )
}

function Picture({ status, life, now }: { status: TokenStatus; life: Life; now: number }): ReactElement {
  const { leftSeconds } = life
  // Moments of the server are shown by the reader's clock; how far they are from now, by the server's.
  return (
    <>
      <div className="evertoken-hero">
        <p className="evertoken-left" role="timer" aria-live="off">
          <span aria-hidden="true">{leftSeconds === null ? '–' : clockTime(leftSeconds)}</span>
          <span className="evertoken-unseen">{leftSeconds === null ? 'not known' : spokenTime(leftSeconds)}</span>
          <span className="evertoken-unit">{leftSeconds === null ? 'no expiry' : 'left'}</span>
        </p>
        <p className="evertoken-meaning">{stateMeanings[life.state]}</p>
      </div>
      <LifeLine status={status} life={life} now={now} />
      <Facts status={status} life={life} now={now} />
      <History entries={status.history} now={now} />
    </>
  )
}

interface NoticeProps {
  problem: TokenProblem
  receivedAt: number | null
  now: number
}

function Notice({ problem, receivedAt, now }: NoticeProps): ReactElement {
  return (
    <div className="evertoken-notice">
      <p>{problem.message}</p>
      {problemAdvice[problem.kind] !== undefined && <p>{problemAdvice[problem.kind]}</p>}
      {receivedAt !== null && <p>{`What you see is how things stood at ${localTime(receivedAt, now)}.`}</p>}
    </div>
  )
}

function waitingWord(problem: TokenProblem | null): string {
  if (problem === null) return 'Loading'
  return problem.kind === 'unauthorized' || problem.kind === 'forbidden' ? 'No access' : 'Unknown'
}
