import type { TokenStatus } from 'evertoken'
import { errorAdvice } from './error-advice.js'
import type { TokenProblem } from './problem.js'

/** The name of each state. */
export const stateWords: Record<TokenStatus['state'], string> = {
  valid: 'Valid',
  expiring: 'Expiring',
  expired: 'Expired',
  missing: 'Missing',
  manual: 'Manual',
}

/** The meaning of each state, in one sentence. */
export const stateMeanings: Record<TokenStatus['state'], string> = {
  valid: 'The token is valid.',
  expiring: 'The token is still valid, and a refresh is due.',
  expired: 'Expired. The next request will wait for a new token.',
  missing: 'There is no token yet. The next request will obtain one.',
  manual: 'The configured token is in use, because no other could be obtained.',
}

/** The meaning of a state, if the consent has ended: no request will obtain another token. */
export function meaningWithoutConsent(state: TokenStatus['state']): string {
  const needed = 'The consent has ended: someone has to sign in again.'
  return state === 'expired' || state === 'missing' ? needed : `${stateMeanings[state]} ${needed}`
}

/** What to do about an error, by its code, which may be any text that an endpoint sends. */
export function adviceFor(code: string | null): string | undefined {
  return code !== null && Object.hasOwn(errorAdvice, code) ? errorAdvice[code] : undefined
}

/** What to do about a problem with the endpoint. */
export const problemAdvice: Readonly<Partial<Record<TokenProblem['kind'], string>>> = {
  unauthorized: 'Sign in, or set the headers property of the monitor.',
  forbidden: 'Your account or this page does not have access to the endpoint.',
}

/** The name of each outcome in the history. */
export const outcomeWords: Record<TokenStatus['history'][number]['outcome'], string> = {
  refreshed: 'Refreshed',
  adopted: 'Taken from the store',
  failed: 'Failed',
  cleared: 'Cleared',
}

/** A duration in seconds as on a clock: `4:05`, `1:02:03`, `3 d 04:05`. */
export function clockTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [days, hours, minutes, rest] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ]
  const two = (value: number) => String(value).padStart(2, '0')
  if (days > 0) return `${days} d ${two(hours)}:${two(minutes)}`
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** The same in words, with the two largest units: `1 hour 2 minutes`. */
export function spokenTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  const units: [number, string][] = [
    [Math.floor(whole / 86_400), 'day'],
    [Math.floor(whole / 3_600) % 24, 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ]
  const said = units.filter(([count]) => count > 0).slice(0, 2)
  return said.map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`).join(' ') || '0 seconds'
}

/** A time in the reader's time zone, with the date if it is not today. */
export function localTime(time: number, now: number): string {
  const date = new Date(time)
  const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
  const isToday = date.toDateString() === new Date(now).toDateString()
  return date.toLocaleString(undefined, isToday ? clock : { day: 'numeric', month: 'short', ...clock })
}

/** A time relative to now: `in 0:12`, `0:12 ago`. */
export function distance(time: number, now: number): string {
  const seconds = (time - now) / 1_000
  if (Math.abs(seconds) < 1) return 'now'
  return seconds > 0 ? `in ${clockTime(seconds)}` : `${clockTime(-seconds)} ago`
}

/** A duration in milliseconds: `84 ms`, `1.2 s`. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
