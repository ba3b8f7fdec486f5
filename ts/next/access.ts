import { createHash, timingSafeEqual } from 'node:crypto'
import { adminSecret } from '../config/admin-secret'
import { warn } from '../events/logging'
import { describeThrown, settle } from '../support/user-code'
import { RouteError } from './responses'

/** Decides whether a request may use the routes; only `true` allows it. */
export type Authorize = (request: Request) => boolean | Promise<boolean>

/** The values of `NODE_ENV` with which the routes are open while no secret is set. */
const openModes = ['development', 'test']

/** How long an `authorize` callback may take; a request that hangs there keeps a connection open. */
const longestAuthorizeMs = 30_000

/** Throws a {@link RouteError} unless this request is allowed. */
export async function checkAccess(request: Request, authorize: Authorize | undefined): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD' && isFromAnotherSite(request)) {
    throw new RouteError(
      403,
      'ERR_ROUTE_CROSS_SITE',
      'a request that changes something must come from the same site',
    )
  }
  if (authorize !== undefined) return checkAuthorize(request, authorize)
  const secret = await configuredSecret()
  if (secret !== undefined) return checkSecret(request, secret)
  // Closed by default: a server without NODE_ENV may be on the internet.
  if (openModes.includes(process.env['NODE_ENV'] ?? '')) return
  throw new RouteError(
    403,
    'ERR_ROUTE_FORBIDDEN',
    'this route is closed: set EVERTOKEN_ADMIN_SECRET in the environment of the server, or pass authorize to ' +
      'createTokenRoutes. Without either, it is open only when NODE_ENV is development or test',
  )
}

/** Why the configured secret could not be read, while that lasts. */
let reported: string | undefined

async function configuredSecret(): Promise<string | undefined> {
  try {
    const secret = await adminSecret()
    reported = undefined
    return secret
  } catch (error) {
    // No one gets in. The reason is for the operator, once, and not for the sender of the request.
    const { message } = error as Error
    if (message !== reported) warn(`the routes of createTokenRoutes are closed: ${message}`)
    reported = message
    throw undetermined()
  }
}

function undetermined(): RouteError {
  return new RouteError(
    500,
    'ERR_ROUTE_AUTHORIZE',
    'the server could not determine whether this request is allowed',
  )
}

async function checkAuthorize(request: Request, authorize: Authorize): Promise<void> {
  let answer: unknown
  try {
    answer = await withTimeout(authorize(request))
  } catch (error) {
    report(error)
    throw undetermined()
  }
  // A callback that returns nothing, a session object or a Response does not allow the request.
  if (answer !== true) throw new RouteError(403, 'ERR_ROUTE_FORBIDDEN', 'this request is not allowed')
}

async function withTimeout(answer: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`it did not settle within ${longestAuthorizeMs / 1000} seconds`)
    timer = setTimeout(() => reject(error), longestAuthorizeMs)
  })
  try {
    return await Promise.race([settle(answer), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The error is for the author of the callback, not for the sender of the request. */
function report(error: unknown): void {
  const message = 'evertoken: the authorize callback of createTokenRoutes failed'
  try {
    console.error(message, error)
  } catch {
    // A custom console, or the error itself, throws.
    warn(`the authorize callback of createTokenRoutes failed with ${describeThrown(error)}`)
  }
}

function checkSecret(request: Request, secret: string): void {
  const [, given] = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (given === undefined || !isEqual(given, secret)) {
    throw new RouteError(
      401,
      'ERR_ROUTE_UNAUTHORIZED',
      'this route needs the header Authorization: Bearer with the value of EVERTOKEN_ADMIN_SECRET',
      { 'WWW-Authenticate': 'Bearer realm="evertoken"' },
    )
  }
}

/** Compares digests, so that the time it takes depends neither on the first difference nor on the length. */
function isEqual(given: string, secret: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(secret))
}

/**
 * Browsers send where a request comes from: in `Sec-Fetch-Site`, and older ones in `Origin`. A request with neither does
 * not come from a page. A sibling subdomain counts as another site, because someone else may run it.
 */
function isFromAnotherSite(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site')
  if (site !== null) return site !== 'same-origin' && site !== 'none'
  const origin = request.headers.get('origin')
  return origin !== null && !isOwnOrigin(origin, request)
}

function isOwnOrigin(origin: string, request: Request): boolean {
  if (!URL.canParse(origin)) return false
  const { protocol, host } = new URL(origin)
  return ownHosts(request).some((own) => {
    // Parsed like the origin, so that a default port in only one of them makes no difference.
    const url = `${protocol}//${own}`
    return URL.canParse(url) && new URL(url).host === host
  })
}

/** The host names of this server in the request. A page of another site cannot set either header. */
function ownHosts({ headers, url }: Request): string[] {
  const forwarded =
    headers
      .get('x-forwarded-host')
      ?.split(',')
      .map((host) => host.trim()) ?? []
  const host = headers.get('host') ?? new URL(url).host
  return [...forwarded, host].filter((value) => value !== '')
}
