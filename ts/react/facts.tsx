import type { ReactElement, ReactNode } from 'react'
import type { SchedulerStatus, TokenStatus } from 'evertoken'
import { moment, type Lifetime } from './lifetime.js'
import { adviceFor, distance, localTime } from './text.js'

/** The other facts, as terms and values. */
export function Facts({
  status,
  lifetime,
  now,
}: {
  status: TokenStatus
  lifetime: Lifetime
  now: number
}): ReactElement {
  const { counters, lastError, scheduler, storage, strategy } = status
  return (
    <dl className="evertoken-facts">
      <Fact term="Scheduler" tone={scheduler.running ? 'good' : 'warn'}>
        {scheduler.running ? `Running${nextRun(scheduler, lifetime)}` : 'Stopped'}
      </Fact>
      <Fact term="Storage" tone={storage.healthy ? 'good' : 'bad'}>
        {`${storage.kind}, ${storage.encrypted ? 'encrypted' : 'not encrypted'}, ${storage.healthy ? 'working' : 'failing'}`}{' '}
        {storage.location !== '' && storage.location !== storage.kind && <code>{storage.location}</code>}
      </Fact>
      <Fact term="Last refresh">
        <Moment at={status.lastRefreshAt} lifetime={lifetime} now={now} />
      </Fact>
      {hasConsent(status) && (
        <Fact term="Consent" tone={consentTone(status, lifetime)}>
          <Consent status={status} lifetime={lifetime} now={now} />
        </Fact>
      )}
      <Fact term="Token requests">
        {`${counters.tokenRequests}, ${counters.failures} failed ${counters.failures === 1 ? 'attempt' : 'attempts'}`}
      </Fact>
      <Fact term="Tokens">
        {`${counters.refreshes} new, ${counters.storeHits} from the store, ${counters.retriesOn401} after a 401`}
      </Fact>
      {strategy !== null && (
        <Fact term="Obtained by">
          {`${strategy.grant} (${strategy.format})`} <code>{strategy.endpoint}</code>
        </Fact>
      )}
      <Fact term="Last error" tone={lastError === null ? undefined : 'bad'} isWide={lastError !== null}>
        {lastError === null ? (
          'None'
        ) : (
          <Failure error={lastError} inARow={status.consecutiveFailures} lifetime={lifetime} now={now} />
        )}
      </Fact>
    </dl>
  )
}

/** How long before its end a consent looks like a warning, in milliseconds: the default of `alerts.consentDays`. */
const consentWarningMs = 7 * 86_400_000

function hasConsent({ refreshTokenExpiresAt, consentEndedAt }: TokenStatus): boolean {
  return moment(refreshTokenExpiresAt) !== null || consentEndedAt !== null
}

function consentTone({ refreshTokenExpiresAt, consentEndedAt, issuedAt }: TokenStatus, lifetime: Lifetime) {
  const ends = moment(refreshTokenExpiresAt)
  if (consentEndedAt !== null || (ends !== null && ends <= lifetime.serverNow)) return 'bad'
  if (ends === null) return undefined
  // A refresh token that is short-lived from the start is no reason to worry.
  const issued = moment(issuedAt)
  const quarter = issued === null ? Number.POSITIVE_INFINITY : (ends - issued) / 4
  return ends - lifetime.serverNow <= Math.min(consentWarningMs, quarter) ? 'warn' : undefined
}

/** When the consent ends, or that it has ended. */
function Consent({
  status,
  lifetime,
  now,
}: {
  status: TokenStatus
  lifetime: Lifetime
  now: number
}): ReactElement {
  const { refreshTokenExpiresAt, consentEndedAt } = status
  if (consentEndedAt !== null) {
    return (
      <>
        Consent has ended: <Moment at={consentEndedAt} lifetime={lifetime} now={now} />
      </>
    )
  }
  const isOver = (moment(refreshTokenExpiresAt) ?? 0) <= lifetime.serverNow
  return (
    <>
      {isOver ? 'Consent ended' : 'Consent ends'}{' '}
      <Moment at={refreshTokenExpiresAt} lifetime={lifetime} now={now} />
    </>
  )
}

interface FailureProps {
  error: NonNullable<TokenStatus['lastError']>
  inARow: number
  lifetime: Lifetime
  now: number
}

/** The last error, and what to do about it. */
function Failure({ error: { code, message, at }, inARow, lifetime, now }: FailureProps): ReactElement {
  const advice = adviceFor(code)
  return (
    <>
      {message}
      {advice !== undefined && <span className="evertoken-advice">{advice}</span>}
      <span className="evertoken-aside">
        <code>{code}</code> <Moment at={at} lifetime={lifetime} now={now} />
        {inARow > 1 && `, ${inARow} failures in a row`}
      </span>
    </>
  )
}

interface FactProps {
  term: string
  isWide?: boolean
  tone?: 'good' | 'warn' | 'bad' | undefined
  children: ReactNode
}

function Fact({ term, tone, isWide = false, children }: FactProps): ReactElement {
  return (
    <div className="evertoken-fact" data-tone={tone} data-wide={isWide ? '' : undefined}>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Moment({ at, lifetime, now }: { at: string | null; lifetime: Lifetime; now: number }): ReactElement {
  const time = moment(at)
  if (at === null || time === null) return <>Never</>
  return (
    <time dateTime={at}>
      {localTime(time, now)} ({distance(time, lifetime.serverNow)})
    </time>
  )
}

function nextRun({ nextRefreshAt }: SchedulerStatus, lifetime: Lifetime): string {
  const time = moment(nextRefreshAt)
  if (time === null) return ''
  // It is due; the next status will have a later time.
  return time <= lifetime.serverNow ? ', next run now' : `, next run ${distance(time, lifetime.serverNow)}`
}
