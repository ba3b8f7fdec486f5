import type { TokenServiceConfig, TokenStatus } from '../../index'
import { adminSecret } from '../config/admin-secret'
import { initializeTokenService } from '../service/registry'
import { settledStatus, type TokenService } from '../service/token-service'
import { defaultServiceName } from '../support/defaults'
import { TokenError } from '../support/errors'
import { UsageError } from './command'
import { loadDotenv } from './dotenv'
import { isCleared, isRecord, isStatus } from './route-responses'
import { printError } from './terminal'

/** What a command acts on: the stored token, or a running app through its routes. */
export interface Target {
  status(): Promise<TokenStatus>
  refresh(): Promise<TokenStatus>
  clear(revoke: boolean): Promise<void>
  close(): Promise<void>
}

/** The options that select it. */
export const targetOptions = {
  service: { type: 'string' },
  endpoint: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const targetHelp = `Options:
  --service NAME   the service with this name (default: ${defaultServiceName})
  --endpoint URL   uses a running app instead of the configured store, through the app's routes, such as
                   http://localhost:3000/api/token; sends EVERTOKEN_ADMIN_SECRET, if set
  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`

/** The command itself reports the result of its call; other errors of the store go to stderr. */
export const settings: TokenServiceConfig = {
  logger: { debug() {}, info() {}, warn: printStoreError, error: printStoreError },
}

function printStoreError(message: string, { code }: { code?: string } = {}): void {
  if (code === 'ERR_TOKEN_STORAGE' || code === 'ERR_TOKEN_DECRYPT') printError(message)
}

/** How long a route may take; a refresh waits for the token server. */
const timeoutMs = 30_000

/** Far more than a status: one with fifty entries has some ten thousand characters. */
const maxResponseLength = 1024 * 1024

/** The target that the options select. */
export function targetOf({ service, endpoint }: { service?: string; endpoint?: string }): Target {
  loadDotenv(process.cwd())
  if (endpoint !== undefined) {
    if (service !== undefined)
      throw new UsageError(
        '--service cannot be combined with --endpoint: the app at that URL selects the service',
      )
    return routesAt(endpoint)
  }
  return new Local(initializeTokenService({ ...settings, ...(service === undefined ? {} : { service }) }))
}

/** The routes of a running app. */
export function routesAt(endpoint: string): Target {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError('--endpoint must be a URL, such as http://localhost:3000/api/token')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      '--endpoint must not contain a user name, password, query or fragment: set EVERTOKEN_ADMIN_SECRET for access',
    )
  }
  return new Routes(url.href.replace(/\/+$/, ''))
}

class Local implements Target {
  readonly #service: TokenService

  constructor(service: TokenService) {
    this.#service = service
  }

  status(): Promise<TokenStatus> {
    return settledStatus(this.#service)
  }

  async refresh(): Promise<TokenStatus> {
    await settledStatus(this.#service)
    return this.#service.refresh()
  }

  async clear(revoke: boolean): Promise<void> {
    await settledStatus(this.#service)
    await this.#service.clear({ revoke })
  }

  close(): Promise<void> {
    return this.#service.shutdown()
  }
}

class Routes implements Target {
  readonly #endpoint: string

  constructor(endpoint: string) {
    this.#endpoint = endpoint
  }

  status(): Promise<TokenStatus> {
    return this.#ask('GET', '/status', isStatus)
  }

  refresh(): Promise<TokenStatus> {
    return this.#ask('POST', '/refresh', isStatus)
  }

  async clear(revoke: boolean): Promise<void> {
    if (revoke) throw new UsageError('--revoke cannot be combined with --endpoint')
    await this.#ask('DELETE', '', isCleared)
  }

  async close(): Promise<void> {}

  async #ask<T>(method: string, path: string, isExpected: (body: unknown) => body is T): Promise<T> {
    const url = `${this.#endpoint}${path}`
    const { status, location, body } = await request(method, url)
    if (status >= 300 && status < 400) throw redirectError(url, location)
    const wrong = (what: string): TokenError =>
      new TokenError('ERR_TOKEN_RESPONSE', `${url} responded with ${status}: ${what}`, { status })
    if (status >= 400) throw wrong(errorMessageIn(body) ?? 'this is not an evertoken route')
    if (!isExpected(body)) throw wrong('the response is not from an evertoken route')
    return body
  }
}

/** The response of a route: the body as JSON, `undefined` if it is not JSON. */
interface RouteResponse {
  status: number
  location: string | null
  body: unknown
}

async function request(method: string, url: string): Promise<RouteResponse> {
  try {
    const response = await fetch(url, {
      method,
      headers: await adminHeaders(),
      // The admin secret goes to the given URL and nowhere else.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return {
      status: response.status,
      location: response.headers.get('location'),
      body: parseJson(await textOf(response)),
    }
  } catch (cause) {
    if (cause instanceof TokenError) throw cause
    throw new TokenError('ERR_TOKEN_NETWORK', `${url} is unreachable: ${reasonOf(cause)}`, { cause })
  }
}

async function adminHeaders(): Promise<Record<string, string>> {
  const secret = await adminSecret()
  if (secret === undefined) return {}
  // Checked here, because the error of `fetch` quotes the value.
  if (!/^[\x21-\x7e]+( +[\x21-\x7e]+)*$/.test(secret)) {
    throw new TokenError(
      'ERR_TOKEN_CONFIG',
      'EVERTOKEN_ADMIN_SECRET contains a character that cannot be sent: use visible ASCII characters',
    )
  }
  return { authorization: `Bearer ${secret}` }
}

/** The text of a response, up to the length of a response of the routes. */
async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true })
    if (text.length > maxResponseLength)
      throw new Error(`its response is longer than ${maxResponseLength / 1024} KiB`)
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    // A value that is nested too deeply to be printed counts as no response.
    JSON.stringify(value)
    return value
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no complete response within ${timeoutMs / 1000} s`
  return error.cause instanceof Error ? error.cause.message : error.message
}

function redirectError(url: string, location: string | null): TokenError {
  const target =
    location !== null && URL.canParse(location, url) ? new URL(location, url).origin : 'an invalid URL'
  const message = `${url} redirects to ${target}, and evertoken does not follow it: pass the final URL as --endpoint`
  return new TokenError('ERR_TOKEN_RESPONSE', message)
}

function errorMessageIn(body: unknown): string | undefined {
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : {}
  return typeof error['message'] === 'string' ? error['message'] : undefined
}
