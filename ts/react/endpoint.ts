import { moment } from './lifetime.js'
import { cut, isRecord } from './json.js'
import type { TokenProblem } from './problem.js'

/** The result of a request: a value and when it was sent by the server's clock, or why there is none. */
export type Answer<T> =
  | { readonly value: T; readonly sentAt: number | null }
  | { readonly problem: TokenProblem }

/** How long a request may take, in milliseconds; a forced refresh waits for the token server as well. */
const timeoutsMs = { GET: 10_000, POST: 60_000, DELETE: 30_000 }

type Method = keyof typeof timeoutsMs

/** Calls one of the routes of `createTokenRoutes`, and reads the expected value from the body; it never throws. */
export async function ask<T>(
  method: Method,
  url: string,
  headers: () => HeadersInit | undefined,
  read: (body: unknown) => T | null,
  cancelled: AbortSignal,
): Promise<Answer<T>> {
  const controller = new AbortController()
  const abort = () => controller.abort()
  const timer = setTimeout(abort, timeoutsMs[method])
  cancelled.addEventListener('abort', abort)
  let trouble = 'The headers for the endpoint could not be created.'
  try {
    if (cancelled.aborted) abort()
    const given = new Headers(headers())
    if (!given.has('accept')) given.set('accept', 'application/json')
    trouble = 'The endpoint is unreachable.'
    const response = await fetch(url, {
      method,
      headers: given,
      cache: 'no-store',
      credentials: 'same-origin',
      signal: controller.signal,
    })
    const body = parseJson(await response.text())
    const value = response.ok ? read(body) : null
    if (value !== null) return { value, sentAt: moment(response.headers.get('date')) }
    return { problem: problemOf(method, response, body) }
  } catch {
    const message = controller.signal.aborted ? 'The endpoint did not respond in time.' : trouble
    return { problem: { kind: 'unreachable', message, code: null, retryAfterSeconds: null } }
  } finally {
    clearTimeout(timer)
    cancelled.removeEventListener('abort', abort)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether this is the response to a clear. */
export function clearedFrom(body: unknown): true | null {
  return isRecord(body) && body['cleared'] === true ? true : null
}

function problemOf(method: Method, response: Response, body: unknown): TokenProblem {
  const { code, message } = errorIn(body)
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfterSeconds = Number.isFinite(seconds) && seconds >= 0 ? seconds : null
  const said = message === null ? '' : ` ${sentence(message)}`
  switch (response.status) {
    case 401:
      return { kind: 'unauthorized', message: `You are not signed in.${said}`, code, retryAfterSeconds }
    case 403:
      return {
        kind: 'forbidden',
        message: `You do not have permission to ${method === 'GET' ? 'see' : 'do'} this.${said}`,
        code,
        retryAfterSeconds,
      }
    case 429: {
      const wait = retryAfterSeconds === null ? '' : ` Try again in ${retryAfterSeconds} s.`
      return { kind: 'limited', message: `Too many requests.${wait}`, code, retryAfterSeconds }
    }
  }
  if (message !== null) return { kind: 'refused', message: sentence(message), code, retryAfterSeconds }
  return {
    kind: 'unreachable',
    message: `The endpoint responded ${describeUnexpected(response)}.`,
    code,
    retryAfterSeconds,
  }
}

function describeUnexpected({ ok, status, headers }: Response): string {
  if (!ok) return `with status ${status}`
  const isPage = headers.get('content-type')?.startsWith('text/html')
  return isPage
    ? 'with a web page, perhaps a sign-in page: reload this page'
    : 'with something other than a status'
}

function errorIn(body: unknown): { code: string | null; message: string | null } {
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : {}
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? cut(value) : null)
  return { code: text(error['code']), message: text(error['message']) }
}

/** An error's message as a sentence: `the server said no` becomes `The server said no.`, an address stays as it is. */
export function sentence(message: string): string {
  const text = message.replace(
    /^[a-z]+(?=[\s,.!?]|$)/,
    (word) => word.charAt(0).toUpperCase() + word.slice(1),
  )
  return /[.!?]$/.test(text) ? text : `${text}.`
}
