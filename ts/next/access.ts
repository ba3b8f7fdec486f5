import { createHash, timingSafeEqual } from 'node:crypto'
import { warn } from '../events/logging'
import { describeThrown, settle } from '../support/user-code'
import { RouteError } from './responses'

/** Decides whether a request may see and do what the routes offer; only `true` lets it through. */
export type Authorize = (request: Request) => boolean | Promise<boolean>

/** The values of `NODE_ENV` under which the routes are open as long as there is no secret. */
const openModes = ['development', 'test']

/** How long an `authorize` callback may take; a request that hangs there holds a connection. */
const longestAuthorizeMs = 30_000

/** Throws a {@link Refusal} unless this request is one that may be answered. */
export async function checkAccess(request: Request, authorize: Authorize | undefined): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD' && isFromAnotherSite(request)) {
    throw new RouteError(
      403,
      'ERR_ROUTE_CROSS_SITE',
      'a request that changes something must come from the same site',
    )
  }
  if (authorize !== undefined) return checkAuthorize(request, authorize)
  const secret = process.env['EVERTOKEN_ADMIN_SECRET']?.trim() ?? ''
  if (secret !== '') return checkSecret(request, secret)
  // Closed by default: a server that forgot to say what it is may be on the internet.
  if (openModes.includes(process.env['NODE_ENV'] ?? '')) return
  throw new RouteError(
    403,
    'ERR_ROUTE_FORBIDDEN',
    'this route is closed: set EVERTOKEN_ADMIN_SECRET in the environment of the server, or pass authorize to ' +
      'createTokenRoutes. Without either, it is open only when NODE_ENV is development or test',
  )
}

async function checkAuthorize(request: Request, authorize: Authorize): Promise<void> {
  let answer: unknown
  try {
    answer = await withTimeout(authorize(request))
  } catch (error) {
    report(error)
    throw new RouteError(
      500,
      'ERR_ROUTE_AUTHORIZE',
      'the server could not find out whether this request is allowed',
    )
  }
  // A callback that forgot to return, or returned a session object or a Response, allows nothing.
  if (answer !== true) throw new RouteError(403, 'ERR_ROUTE_FORBIDDEN', 'this request is not allowed')
}

async function withTimeout(answer: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`it did not answer within ${longestAuthorizeMs / 1000} seconds`)
    timer = setTimeout(() => reject(error), longestAuthorizeMs)
  })
  try {
    return await Promise.race([settle(answer), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The reason is for the author of the callback, not for the sender of the request. */
function report(error: unknown): void {
  const message = 'evertoken: the authorize callback of createTokenRoutes failed'
  try {
    console.error(message, error)
  } catch {
    // The console of a host, or the error itself, throws.
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

/** Compares digests, so that neither the place of the first difference nor the length shows in the time it takes. */
function isEqual(given: string, secret: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(secret))
}

/**
 * Browsers say where a request comes from: in `Sec-Fetch-Site`, and older ones in `Origin`. A request with neither
 * comes from no page. A sibling subdomain is another site here, for who runs it may be somebody else.
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
    // Read as the origin is, so that a default port that only one of them names makes no difference.
    const url = `${protocol}//${own}`
    return URL.canParse(url) && new URL(url).host === host
  })
}

/** The hosts under which this server was asked. A page of another site cannot set either header. */
function ownHosts({ headers, url }: Request): string[] {
  const forwarded =
    headers
      .get('x-forwarded-host')
      ?.split(',')
      .map((host) => host.trim()) ?? []
  const host = headers.get('host') ?? new URL(url).host
  return [...forwarded, host].filter((value) => value !== '')
}
