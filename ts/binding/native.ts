import type { SchedulerStatus, ServerError, TokenErrorCode, TokenStatus } from '../../index'
import { TokenError } from '../support/errors'
import { globalState } from '../support/global-state'

/** JSON text of `{"ok": T}` or `{"error": …}`; see {@link unwrap}. The type parameter says what is inside. */
export type Outcome<T> = string & { readonly outcome?: T }

/** The token to send, as the core hands it over. */
export interface Snapshot {
  /** Which of the service's tokens it is; grows with every new one. */
  generation: number
  /** The value of the header that carries it. */
  header: string
  /** The token type: the word before the token in the header. */
  scheme: string
  token: string
  source: 'request' | 'store' | 'manual'
  /** Until when it may be sent, in milliseconds since 1970. */
  usableUntil: number
  /** When it expires, in milliseconds since 1970; `null` where that is not known, or never. */
  expiresAt: number | null
  /** The other members of the token response that are kept. */
  fields: Record<string, string>
  /** The base URL of relative requests, if the token response names it. */
  baseUrl: Outcome<string> | null
}

/** Which header it is and where it may go, as it was configured. */
export interface Destinations {
  /** The name of the header that carries the token. */
  header: string
  /** What relative requests resolve against; also `null` if the token response names it. */
  baseUrl: string | null
  namesBaseUrl: boolean
  allowedOrigins: string[] | null
  /** Whether each request needs a proof of its own. */
  dpop: boolean
  /** Whether a call without a token rejects, instead of returning no header. */
  throws: boolean
}

/**
 * The functions of `evertoken/native`, in the order in which `src/binding/functions.rs` has them.
 *
 * Structured values cross as JSON text. A function that returns an {@link Outcome} neither throws nor rejects. A service
 * is identified by its number, which is never used twice.
 */
export interface Native {
  /**
   * Starts a service or finds an equal live one (`created` is then false). A storage that only this side can reach
   * is called through `provider`, and functions of the configuration through `functions`, with messages that
   * {@link Native.provide} answers; neither keeps the process alive.
   */
  initialize(
    request: string,
    provider?: (message: string) => void,
    functions?: (message: string) => void,
  ): Outcome<{ id: number; name: string; created: boolean }>
  /** The live service with this name; for `null` the default one. */
  find(service: string | null): number | null
  /** One number over memory that the core owns; it changes when a snapshot may no longer be current. */
  attach(id: number): Uint32Array
  /** What may be sent at once, without I/O; `null`: await {@link Native.acquire}. */
  headers(id: number): Outcome<Snapshot | null>
  /** What may be sent, after at most one shared token request; `null` if there is nothing to send. */
  acquire(id: number): Promise<Outcome<Snapshot | null>>
  refresh(id: number): Promise<Outcome<TokenStatus>>
  /** An API responded with 401 to this generation: whether a later one is ready. */
  rejected(id: number, generation: number): Promise<Outcome<boolean>>
  /**
   * A proof for one request that carries the token of this generation; without one where the token is not bound to
   * a key. `null`: another token has replaced it.
   */
  proof(id: number, method: string, url: string, generation: number): Outcome<{ proof: string | null } | null>
  /** A server sent this nonce in its response to a request to this URL. */
  nonce(id: number, url: string, nonce: string): void
  clear(id: number, revoke: boolean): Promise<Outcome<null>>
  /** Which header carries the token, and where `fetch` may send it. */
  destinations(id: number): Outcome<Destinations>
  /** Whether a header that goes to this URL crosses a public network in clear text without permission. */
  goesInClear(id: number, url: string): boolean
  /** The status after the flight in progress, the first of which reads the store. */
  settled(id: number): Promise<Outcome<TokenStatus>>
  status(id: number): Outcome<TokenStatus>
  shutdown(id: number): Promise<Outcome<null>>
  /** The proxy that requests to this URL go through in this environment: `{ url, environment }`. */
  proxy(request: string): Outcome<{ variable: string; url: string } | null>
  startScheduler(options: string): Outcome<SchedulerStatus>
  stopScheduler(): Outcome<SchedulerStatus>
  /** Calls back with each message; never keeps the process alive. */
  subscribe(callback: (message: string) => void): void
  /** Answers the message with this number, with an {@link Outcome}. */
  provide(number: number, outcome: string): void
}

const functions = [
  'initialize',
  'find',
  'attach',
  'headers',
  'acquire',
  'refresh',
  'rejected',
  'proof',
  'nonce',
  'clear',
  'destinations',
  'goesInClear',
  'settled',
  'status',
  'shutdown',
  'proxy',
  'startScheduler',
  'stopScheduler',
  'subscribe',
  'provide',
] as const satisfies readonly (keyof Native)[]

let loaded: Native | undefined

/**
 * The native addon, loaded at its first use, so that the import of the package never fails.
 *
 * @throws TokenError `ERR_TOKEN_INTERNAL` that names the missing package, with the loader's error as its cause.
 */
export function native(): Native {
  return (loaded ??= load())
}

function load(): Native {
  let addon: Partial<Native>
  try {
    // By the package's own name, so that bundlers can keep the addon external.
    addon = require('evertoken/native') as Partial<Native>
  } catch (cause) {
    const { platform, arch, libc } = machine()
    const target = [platform, arch, libc === 'glibc' ? 'gnu' : libc].filter(Boolean).join('-')
    throw new TokenError(
      'ERR_TOKEN_INTERNAL',
      `the native addon of evertoken cannot be loaded on ${platform} ${arch}${libc ? ` with ${libcInWords(libc)}` : ''}: ` +
        `looked for the optional package evertoken-${target} and for a local build in native/. ` +
        `${reasonOf(cause)} Install again on the platform that the app runs on, without omitting optional dependencies.`,
      { cause },
    )
  }
  const missing = functions.filter((name) => typeof addon[name] !== 'function')
  if (missing.length > 0) {
    throw new TokenError(
      'ERR_TOKEN_INTERNAL',
      `the native addon of evertoken does not match its JavaScript: it lacks ${missing.join(', ')}. ` +
        'Install evertoken again, so that both have the same version.',
    )
  }
  return addon as Native
}

interface Machine {
  platform: string
  arch: string
  libc: 'glibc' | 'musl' | 'msvc' | undefined
}

function machine(): Machine {
  const { platform, arch } = process
  if (platform === 'win32') return { platform, arch, libc: 'msvc' }
  if (platform !== 'linux') return { platform, arch, libc: undefined }
  return { platform, arch, libc: glibcVersion() === undefined ? 'musl' : 'glibc' }
}

function glibcVersion(): string | undefined {
  const { report } = process as { report?: NodeJS.ProcessReport & { excludeNetwork?: boolean } }
  if (!report) return undefined
  // Without this, a report resolves the names of all open connections, which can take long.
  const before = report.excludeNetwork
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime
  } finally {
    report.excludeNetwork = before ?? false
  }
}

function libcInWords(libc: NonNullable<Machine['libc']>): string {
  return libc === 'glibc' ? `glibc ${glibcVersion() ?? ''}`.trim() : libc
}

/** The message of the dynamic loader: napi's loader hides it below errors about files that never existed. */
function reasonOf(error: unknown): string {
  const chain: Error[] = []
  for (let next = error; next instanceof Error && chain.length < 32; next = next.cause) chain.push(next)
  const tries = chain.length > 1 ? chain.slice(1) : chain
  // napi's loader copies the messages without the codes.
  const telling = tries.filter(({ message }) => !message.startsWith('Cannot find module'))
  if (telling.length === 0) return 'Neither exists.'
  return telling.map(({ message }) => message.trim().replace(/[^.!?]$/, '$&.')).join(' ')
}

/** An error as the core describes it. */
export interface ErrorDescription {
  code: TokenErrorCode
  message: string
  field?: string
  status?: number
  retryAfterSeconds?: number
  serverError?: ServerError
  /** The number of the call that threw. */
  thrown?: number
}

/** The error that this describes; `service` is the name of the service that was called. */
export function errorFrom(description: ErrorDescription, service?: string): TokenError {
  const { code, message, thrown: _, ...details } = description
  return new TokenError(code, message, { ...(service === undefined ? {} : { service }), ...details })
}

/**
 * The error with what the user's function threw as its cause. Only callers get it: events go to others, too, and the text
 * may contain a secret.
 */
function withCause(error: TokenError, { thrown }: ErrorDescription): TokenError {
  const known = globalState().thrown
  if (thrown !== undefined && known.has(thrown)) {
    Object.defineProperty(error, 'cause', { value: known.get(thrown), writable: true, configurable: true })
  }
  return error
}

/**
 * The value of an outcome.
 *
 * @throws TokenError the outcome's error; `ERR_TOKEN_INTERNAL` for a text that is not an outcome.
 */
export function unwrap<T>(outcome: Outcome<T>, service?: string): T {
  let parsed: { ok: T } | { error: ErrorDescription } | null
  try {
    parsed = JSON.parse(outcome)
  } catch {
    // Not the parser's error: it quotes the text, which may hold a token.
    parsed = null
  }
  if (parsed !== null && 'ok' in parsed) return parsed.ok
  if (parsed !== null && 'error' in parsed) throw withCause(errorFrom(parsed.error, service), parsed.error)
  throw new TokenError(
    'ERR_TOKEN_INTERNAL',
    'the native addon of evertoken returned an invalid result; please report it',
    {
      ...(service === undefined ? {} : { service }),
    },
  )
}
