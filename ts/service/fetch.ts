import { types } from 'node:util'
import { usualHeader } from './header'
import {
  headersOf,
  normalizeMethod,
  isSameToken,
  noCredential,
  type Credential,
  type ProofTarget,
} from './header-cache'
import type { Destinations } from '../binding/native'
import { nextHop, type Hop } from './redirect'

/** What {@link authorizedFetch} needs from a service. */
export interface CredentialSource {
  /** What to send with this request. */
  credential(request: ProofTarget): Credential | Promise<Credential>
  /** A server sent this nonce for the proofs of later requests (RFC 9449 §8.2). */
  nonce(url: string, nonce: string): void
  /** An API responded with 401 to this generation: whether a later one is ready. */
  rejected(generation: number): Promise<boolean>
  /** Whether `refusedBy` of the configuration says that this response refuses the token. */
  isRefusedBy(response: Response, token: string | null): boolean | Promise<boolean>
  destinations(): Destinations
  /** The base URL that the token response names; rejects if it does not. */
  namedBaseUrl(): Promise<string>
  /** Called before the header is sent to this URL over http. */
  warnOfClearText(url: URL): void
}

type Input = string | URL | Request

/** The platform's `fetch` with the header; documented at `TokenService.fetch` in `index.d.ts`. */
export async function authorizedFetch(
  source: CredentialSource,
  input: Input,
  init?: RequestInit,
): Promise<Response> {
  // A Request as the second argument is allowed, and its properties cannot be copied one by one.
  const [target, options] = init instanceof Request ? [new Request(input, init), {}] : [input, init ?? {}]
  const given = target instanceof Request ? target : undefined
  const signal = options.signal === undefined ? given?.signal : options.signal
  const destinations = await resolvedDestinations(source, target, signal)
  const url = urlOf(target, destinations.baseUrl)
  const resolved = url && !given ? url.href : target
  const headers = new Headers(options.headers ?? given?.headers)
  if (url === null || !mayHaveHeader(url, destinations) || headers.has(destinations.header)) {
    return fetch(resolved, options)
  }

  if (url.protocol === 'http:') source.warnOfClearText(url)

  const first: Hop = {
    url,
    method: normalizeMethod(options.method ?? given?.method ?? 'GET'),
    headers,
    body: options.body ?? null,
    isRepeatable: canBeSentAgain(target, options),
    redirects: 0,
  }
  const follows = (options.redirect ?? given?.redirect ?? 'follow') === 'follow'
  const credentialFor = ({ method, url }: Hop) =>
    raceAbort(signal, source.credential({ method, url: url.href }))

  const send = (hop: Hop, credential: Credential, isByHand: boolean): Promise<Response> => {
    const own = { ...options, headers: withCredential(hop.headers, credential, destinations.header) }
    if (isByHand) own.redirect = 'manual'
    if (hop === first) return fetch(resolved, own)
    return fetch(hop.url, { ...own, method: hop.method, body: hop.body, signal: signal ?? null })
  }

  /** Sends it, and once more if the server only requires its nonce in the proof. */
  const exchange = async (
    hop: Hop,
    credential: Credential,
    isByHand: boolean,
  ): Promise<[Credential, Response]> => {
    const response = await send(hop, credential, isByHand)
    if (!storeNonce(hop, credential, response)) return [credential, response]
    if (!hop.isRepeatable || !asksForNonce(response)) return [credential, response]
    await discard(response)
    const again = await credentialFor(hop)
    const answer = await send(hop, again, isByHand)
    storeNonce(hop, again, answer)
    return [again, answer]
  }

  const storeNonce = (hop: Hop, { proof }: Credential, response: Response): boolean => {
    const nonce = proof === null ? null : response.headers.get('dpop-nonce')
    if (nonce !== null) source.nonce(response.url || hop.url.href, nonce)
    return nonce !== null
  }

  /** Sends the request, and follows redirects if the platform would send the token, or its proof, to the wrong place. */
  const run = async (start: Credential): Promise<[Credential, Response]> => {
    const isByHand =
      follows && (start.proof !== null || (start.header !== null && destinations.header !== usualHeader))
    let [hop, credential] = [first, start]
    for (;;) {
      const [used, response] = await exchange(hop, credential, isByHand)
      const next = isByHand ? await takeRedirect(hop, response) : null
      if (next === null) return [used, hop === first ? response : afterRedirects(response)]
      // Even back at the first origin, the redirect came from another one.
      const isOurs = used !== noCredential && next.url.origin === first.url.origin
      credential = isOurs ? await credentialFor(next) : noCredential
      hop = next
    }
  }

  const [used, response] = await run(await credentialFor(first))
  if (used.generation === null) return response
  // The API redirected to another origin, to which the token was not sent.
  if (URL.canParse(response.url) && new URL(response.url).origin !== url.origin) return response
  if (response.status !== 401) {
    if (!(await raceAbort(signal, source.isRefusedBy(response, used.token)))) return response
  }
  // It could not be sent again, or the server asks for a nonce again: the token is not the problem.
  if (used.proof !== null && asksForNonce(response)) return response

  const later = source.rejected(used.generation)
  if (!first.isRepeatable) {
    // This response is final, but the next request will have a newer token.
    later.catch(() => {})
    return response
  }
  const isReady = await raceAbort(
    signal,
    later.catch(() => false),
  )
  const second = isReady ? await credentialFor(first) : used
  if (second.generation === null || isSameToken(second, used)) return response
  await discard(response)
  return (await run(second))[1]
}

/** The request that a response redirects to; `null` if it is the final response. */
async function takeRedirect(hop: Hop, response: Response): Promise<Hop | null> {
  try {
    const next = nextHop(hop, response)
    if (next !== null) await discard(response)
    return next
  } catch (error) {
    await discard(response)
    throw error
  }
}

/** The response as it is after a redirect that the platform follows. */
function afterRedirects(response: Response): Response {
  return Object.defineProperty(response, 'redirected', { value: true, configurable: true })
}

/** Frees the connection of a response that is not read. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

/** Whether a 401 is only about the proof's nonce, not about the token (RFC 9449 §9). */
function asksForNonce(response: Response): boolean {
  return (
    response.status === 401 &&
    /\berror="?use_dpop_nonce\b/i.test(response.headers.get('www-authenticate') ?? '')
  )
}

function urlOf(target: Input, baseUrl: string | null): URL | null {
  try {
    return target instanceof Request ? new URL(target.url) : new URL(target, baseUrl ?? undefined)
  } catch {
    // The platform's fetch throws the right error.
    return null
  }
}

/** The destinations, with the base URL that the token response names. An absolute URL needs none. */
async function resolvedDestinations(
  source: CredentialSource,
  target: Input,
  signal: AbortSignal | null | undefined,
): Promise<Destinations> {
  const destinations = source.destinations()
  if (!destinations.namesBaseUrl) return destinations
  const isWhole = target instanceof Request || URL.canParse(String(target))
  const named: Promise<string | null> = source.namedBaseUrl()
  const baseUrl = await raceAbort(signal, isWhole ? named.catch(() => null) : named)
  return { ...destinations, baseUrl }
}

function mayHaveHeader(url: URL, { baseUrl, namesBaseUrl, allowedOrigins }: Destinations): boolean {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return false
  if (baseUrl === null && !namesBaseUrl && allowedOrigins === null) return true
  const origins = [...(baseUrl === null ? [] : [baseUrl]), ...(allowedOrigins ?? [])]
  return origins.some((origin) => matchesOrigin(new URL(origin), url))
}

/** Whether a URL has this origin; `https://*.example.com` stands for every name below `example.com`. */
function matchesOrigin(origin: URL, url: URL): boolean {
  if (!origin.hostname.startsWith('*.')) return origin.origin === url.origin
  const below = origin.hostname.slice(1)
  const isBelow = url.hostname.endsWith(below) && url.hostname.length > below.length
  return isBelow && url.protocol === origin.protocol && url.port === origin.port
}

/** The user's headers with those of the credential. */
function withCredential(headers: Headers, credential: Credential, name: string): Headers {
  const all = new Headers(headers)
  for (const [key, value] of Object.entries(headersOf(credential, name))) all.set(key, value)
  return all
}

/** Whether the body can be read more than once: a stream cannot. */
function canBeSentAgain(target: Input, { body }: RequestInit): boolean {
  if (body === undefined || body === null) return !(target instanceof Request) || target.body === null
  return (
    typeof body === 'string' ||
    types.isAnyArrayBuffer(body) ||
    ArrayBuffer.isView(body) ||
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob
  )
}

/** The result of `promise`, unless the caller aborts first. */
async function raceAbort<T>(signal: AbortSignal | null | undefined, promise: T | Promise<T>): Promise<T> {
  if (!signal || !(promise instanceof Promise)) return promise
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
