import { types } from 'node:util'
import { normalized, type Credential, type Proven } from './hot'
import type { Destinations } from './native'

/** What {@link authorizedFetch} needs of a service. */
export interface CredentialSource {
  /** What to send with this request. */
  credential(request: Proven): Credential | Promise<Credential>
  /** A server gave this nonce for the proofs of later requests (RFC 9449 §8.2). */
  nonce(url: string, nonce: string): void
  /** An upstream answered 401 to this generation: whether a later one is ready. */
  rejected(generation: number): Promise<boolean>
  destinations(): Destinations
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
  const destinations = source.destinations()
  const url = urlOf(target, destinations.baseUrl)
  const resolved = url && !(target instanceof Request) ? url.href : target
  const headers = new Headers(options.headers ?? (target instanceof Request ? target.headers : undefined))
  if (url === null || !mayHaveHeader(url, destinations) || headers.has('authorization')) {
    return fetch(resolved, options)
  }

  const signal = options.signal === undefined && target instanceof Request ? target.signal : options.signal
  const method = options.method ?? (target instanceof Request ? target.method : 'GET')
  const request = { method: normalized(method), url: url.href }
  const isRepeatable = canBeSentAgain(target, options)

  /** Sends it with the credential of the moment, and once more where the server only wants its nonce in the proof. */
  const send = async (credential: Credential): Promise<[Credential, Response]> => {
    const response = await fetch(resolved, withHeaders(options, headers, credential))
    const nonce = credential.headers.DPoP === undefined ? null : response.headers.get('dpop-nonce')
    if (nonce === null) return [credential, response]
    source.nonce(response.url || url.href, nonce)
    if (!isRepeatable || !asksForNonce(response)) return [credential, response]
    await response.body?.cancel().catch(() => {})
    const again = await unlessAborted(signal, source.credential(request))
    const answer = await fetch(resolved, withHeaders(options, headers, again))
    const next = answer.headers.get('dpop-nonce')
    if (next !== null) source.nonce(answer.url || url.href, next)
    return [again, answer]
  }

  const [first, response] = await send(await unlessAborted(signal, source.credential(request)))
  if (response.status !== 401 || first.generation === null) return response
  // It could not be sent again, or the server goes on asking: the token is not what is wrong.
  if (first.headers.DPoP !== undefined && asksForNonce(response)) return response

  const later = source.rejected(first.generation)
  if (!isRepeatable) {
    // This answer stands, but the next request will have a better token.
    later.catch(() => {})
    return response
  }
  const isReady = await unlessAborted(
    signal,
    later.catch(() => false),
  )
  const second = isReady ? await unlessAborted(signal, source.credential(request)) : first
  if (second.generation === null || second.generation === first.generation) return response
  await response.body?.cancel().catch(() => {})
  return (await send(second))[1]
}

/** Whether a 401 is about the proof's nonce alone, and not about the token (RFC 9449 §9). */
function asksForNonce(response: Response): boolean {
  return response.status === 401 && /\berror="?use_dpop_nonce\b/i.test(response.headers.get('www-authenticate') ?? '')
}

function urlOf(target: Input, baseUrl: string | null): URL | null {
  try {
    return target instanceof Request ? new URL(target.url) : new URL(target, baseUrl ?? undefined)
  } catch {
    // The platform's fetch says what is wrong with it.
    return null
  }
}

function mayHaveHeader(url: URL, { baseUrl, allowedOrigins }: Destinations): boolean {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return false
  if (baseUrl === null && allowedOrigins === null) return true
  const origins = [...(baseUrl === null ? [] : [baseUrl]), ...(allowedOrigins ?? [])]
  return origins.some((origin) => new URL(origin).origin === url.origin)
}

/** The options with the credential's headers; `headers`, a copy of the user's, takes them. */
function withHeaders(options: RequestInit, headers: Headers, credential: Credential): RequestInit {
  for (const [name, value] of Object.entries(credential.headers)) headers.set(name, value)
  return { ...options, headers }
}

/** Whether the body is there in full, however often it is read: a stream is gone once it was sent. */
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

/** What `promise` brings, unless the caller has lost interest before. */
async function unlessAborted<T>(signal: AbortSignal | null | undefined, promise: T | Promise<T>): Promise<T> {
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
