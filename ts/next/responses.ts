import { errorTable } from '../support/error-table'
import { TokenError } from '../support/errors'

/** An error response: its HTTP status, a code, and a sentence for the reader. */
export class RouteError {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly message: string,
    readonly headers: Record<string, string> = {},
  ) {}
}

/** How long a client waits if nothing else is known, in seconds: the period of the default rate limit. */
const defaultRetryAfterSeconds = 60

/** A response in JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return text(JSON.stringify(body), 'application/json; charset=utf-8', status, headers)
}

/** A response in text, which may not be cached, and whose type may not be guessed. */
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

/** The response to a thrown value. The text of a foreign error is not shown: it may contain anything. */
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
    // Even `instanceof` throws for a revoked proxy.
  }
  return new RouteError(
    500,
    'ERR_ROUTE_INTERNAL',
    'the server failed to handle the request; its log contains the reason',
  )
}

/** RFC 9110 §10.2.3: whole seconds, and never less than the token server asked for. */
function retryHeaders({ code, retryAfterSeconds }: TokenError): Record<string, string> {
  const seconds =
    retryAfterSeconds ?? (code === 'ERR_TOKEN_RATE_LIMITED' ? defaultRetryAfterSeconds : undefined)
  return seconds === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) }
}
