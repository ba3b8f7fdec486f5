/*
 * Redirects as in the fetch standard (https://fetch.spec.whatwg.org/#http-redirect-fetch), followed here if the platform
 * would send on what belongs to one request or one origin only: a proof (RFC 9449) names its URL, and of the headers
 * that may carry a token, the platform removes only `Authorization` on the way to another origin.
 */

/** How many redirects in a row the standard allows. */
const maxRedirects = 20

const statuses = [301, 302, 303, 307, 308]
const bodyHeaders = [
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'content-length',
]
const originHeaders = ['authorization', 'dpop', 'proxy-authorization', 'cookie', 'host']

/** A request on its way through redirects. */
export interface Hop {
  url: URL
  method: string
  headers: Headers
  body: NonNullable<RequestInit['body']> | null
  /** Whether the body can be sent more than once. */
  isRepeatable: boolean
  /** How many redirects led here. */
  redirects: number
}

/**
 * The request that a redirect leads to; `null` if the response is not a redirect.
 *
 * @throws TypeError as `fetch` does, if it cannot be followed.
 */
export function nextHop(hop: Hop, response: Response): Hop | null {
  const location = response.headers.get('location')
  if (!statuses.includes(response.status) || location === null) return null
  if (hop.redirects === maxRedirects) throw redirectError(`there are more than ${maxRedirects} in a row`)
  const url = target(location, hop.url)
  const isOtherOrigin = url.origin !== hop.url.origin
  const { status } = response
  const becomesGet =
    ((status === 301 || status === 302) && hop.method === 'POST') ||
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD')
  if (!becomesGet && !hop.isRepeatable) throw redirectError('the request body cannot be sent again')
  const headers = new Headers(hop.headers)
  // What belongs to the old origin, from evertoken or from the caller.
  for (const name of isOtherOrigin ? originHeaders : ['dpop']) headers.delete(name)
  const redirects = hop.redirects + 1
  if (!becomesGet) return { ...hop, url, headers, redirects }
  for (const name of bodyHeaders) headers.delete(name)
  return { url, method: 'GET', headers, body: null, isRepeatable: true, redirects }
}

function target(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw redirectError('its Location is not a URL')
  const url = new URL(location, from.href)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw redirectError('its Location is not an HTTP URL')
  if (url.hash === '') url.hash = from.hash
  return url
}

/** The error in the shape that `fetch` gives it. */
function redirectError(reason: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(`the redirect cannot be followed: ${reason}`) })
}
