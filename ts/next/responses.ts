import { errorTable } from '../support/error-table'
import { TokenError } from '../support/errors'

/** A request that is answered with an error: its HTTP status, a code, and a sentence for people. */
export class RouteError {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly message: string,
    readonly headers: Record<string, string> = {},
  ) {}
}

/** How long a client waits when nothing better is known, in seconds: the period of the default rate limit. */
const defaultRetryAfterSeconds = 60

/** An answer in JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return text(JSON.stringify(body), 'application/json; charset=utf-8', status, headers)
}

/** An answer in text; never kept by a cache, and never taken for anything else than what it is. */
export function text(
  body: string,
  type: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    status,
    headers: {
      'Content-Type': type,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    },
  })
}

/** The answer to whatever was thrown on the way. What is not ours is not shown: it may hold anything. */
export function errorResponse(error: unknown): Response {
  const { status, code, message, headers } = routeErrorFrom(error)
  return json({ error: { code, message } }, status, headers)
}

function routeErrorFrom(error: unknown): RouteError {
  try {
    if (error instanceof RouteError) return error
    if (error instanceof TokenError) {
      return new RouteError(
        errorTable[error.code].routeStatus,
        error.code,
        error.message,
        retryHeaders(error),
      )
    }
  } catch {
    // A proxy that was revoked cannot even be asked what it is.
  }
  return new RouteError(
    500,
    'ERR_ROUTE_INTERNAL',
    'the request could not be answered; the reason is in the log of the server',
  )
}

/** RFC 9110 §10.2.3: whole seconds, and never earlier than the token server asked for. */
function retryHeaders({ code, retryAfterSeconds }: TokenError): Record<string, string> {
  const seconds =
    retryAfterSeconds ?? (code === 'ERR_TOKEN_RATE_LIMITED' ? defaultRetryAfterSeconds : undefined)
  return seconds === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) }
}
