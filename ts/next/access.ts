import { createHash, timingSafeEqual } from 'node:crypto'
import { Refusal } from './answers'

/** Decides whether a request may see and do what the routes offer; only `true` lets it through. */
export type Authorize = (request: Request) => boolean | Promise<boolean>

/** Throws a {@link Refusal} unless this request is one that may be answered. */
export async function checkAccess(request: Request, authorize: Authorize | undefined): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD' && isFromAnotherSite(request)) {
    throw new Refusal(403, 'ERR_ROUTE_CROSS_SITE', 'a request that changes something must come from the same site')
  }
  if (authorize !== undefined) return checkAuthorize(request, authorize)
  if (process.env['NODE_ENV'] === 'production') checkSecret(request)
}

async function checkAuthorize(request: Request, authorize: Authorize): Promise<void> {
  let answer: unknown
  try {
    answer = await authorize(request)
  } catch (error) {
    // The reason is for whoever wrote the callback, not for whoever sent the request.
    console.error('evertoken: the authorize callback of createTokenRoutes failed', error)
    throw new Refusal(500, 'ERR_ROUTE_AUTHORIZE', 'whether this request is allowed could not be found out')
  }
  // A callback that forgot to return, or returned a session object or a Response, allows nothing.
  if (answer !== true) throw new Refusal(403, 'ERR_ROUTE_FORBIDDEN', 'this request is not allowed')
}

function checkSecret(request: Request): void {
  const secret = process.env['EVERTOKEN_ADMIN_SECRET']?.trim() ?? ''
  if (secret === '') {
    throw new Refusal(
      403,
      'ERR_ROUTE_FORBIDDEN',
      'in production this route is closed until the server has EVERTOKEN_ADMIN_SECRET in its environment, or ' +
        'createTokenRoutes is given an authorize callback',
    )
  }
  const [, given] = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (given === undefined || !isEqual(given, secret)) {
    throw new Refusal(
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
  const forwarded = headers.get('x-forwarded-host')?.split(',').map((host) => host.trim()) ?? []
  const host = headers.get('host') ?? new URL(url).host
  return [...forwarded, host].filter((value) => value !== '')
}
