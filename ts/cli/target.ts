import type { TokenServiceConfig, TokenStatus } from '../../index'
import { initializeTokenService } from '../service/registry'
import { settledStatus, type TokenService } from '../service/token-service'
import { defaultServiceName } from '../support/defaults'
import { TokenError } from '../support/errors'
import { UsageError } from './command'
import { loadDotenv } from './dotenv'
import { isCleared, isRecord, isStatus } from './route-responses'
import { printError } from './terminal'

/** Where a command acts: on the stored token, or on a running app through its routes. */
export interface Target {
  status(): Promise<TokenStatus>
  refresh(): Promise<TokenStatus>
  clear(revoke: boolean): Promise<void>
  close(): Promise<void>
}

/** The options that say which. */
export const targetOptions = {
  service: { type: 'string' },
  endpoint: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const targetHelp = `Options:
  --service NAME   the service of this name (default: ${defaultServiceName})
  --endpoint URL   asks a running app through its routes, such as http://localhost:3000/api/token;
                   sends EVERTOKEN_ADMIN_SECRET, if set. Without it the configured store is looked into
  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`

/** The command says itself what its own call came to; what else is found out goes to stderr. */
const settings: TokenServiceConfig = {
  logger: { debug() {}, info() {}, warn: printStoreError, error: printStoreError },
}

function printStoreError(message: string, { code }: { code?: string } = {}): void {
  if (code === 'ERR_TOKEN_STORAGE' || code === 'ERR_TOKEN_DECRYPT') printError(message)
}

/** How long a route may take: a refresh waits for the token server. */
const timeoutMs = 30_000

/** A status with fifty entries has some ten thousand characters. */
const longestAnswer = 1024 * 1024

/** Where to act, by the options. */
export function targetOf({ service, endpoint }: { service?: string; endpoint?: string }): Target {
  loadDotenv(process.cwd())
  if (endpoint !== undefined) {
    if (service !== undefined)
      throw new UsageError('--service is the route’s own choice where --endpoint is given')
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
      '--endpoint must have no user name, password, query or fragment: EVERTOKEN_ADMIN_SECRET is what opens it',
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
    if (revoke) throw new UsageError('--revoke acts on the store, and not through --endpoint')
    await this.#ask('DELETE', '', isCleared)
  }

  async close(): Promise<void> {}

  async #ask<T>(method: string, path: string, isExpected: (body: unknown) => body is T): Promise<T> {
    const url = `${this.#endpoint}${path}`
    const { status, location, body } = await request(method, url)
    if (status >= 300 && status < 400) throw redirectError(url, location)
    const wrong = (what: string): TokenError =>
      new TokenError('ERR_TOKEN_RESPONSE', `${url} answered ${status}: ${what}`, { status })
    if (status >= 400) throw wrong(errorMessageIn(body) ?? 'it is no route of evertoken')
    if (!isExpected(body)) throw wrong('the answer is not that of a route of evertoken')
    return body
  }
}

/** The answer of a route: the body as JSON, `undefined` where it is something else. */
interface RouteAnswer {
  status: number
  location: string | null
  body: unknown
}

async function request(method: string, url: string): Promise<RouteAnswer> {
  try {
    const response = await fetch(url, {
      method,
      headers: adminHeaders(),
      // The admin secret goes where it was told to go, and nowhere else.
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
    throw new TokenError('ERR_TOKEN_NETWORK', `${url} cannot be reached: ${reasonOf(cause)}`, { cause })
  }
}

function adminHeaders(): Record<string, string> {
  const secret = process.env['EVERTOKEN_ADMIN_SECRET']?.trim()
  if (!secret) return {}
  // Checked here, because what `fetch` throws quotes the value.
  if (!/^[\x21-\x7e]+( +[\x21-\x7e]+)*$/.test(secret)) {
    throw new TokenError(
      'ERR_TOKEN_CONFIG',
      'EVERTOKEN_ADMIN_SECRET holds a character that cannot be sent: use visible ASCII characters',
    )
  }
  return { authorization: `Bearer ${secret}` }
}

/** The text of an answer, as far as it is one that the routes could have given. */
async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true })
    if (text.length > longestAnswer) throw new Error(`its answer is longer than ${longestAnswer / 1024} KiB`)
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    // What is nested too deeply to be written again is no answer, either.
    JSON.stringify(value)
    return value
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no whole answer within ${timeoutMs / 1000} s`
  return error.cause instanceof Error ? error.cause.message : error.message
}

function redirectError(url: string, location: string | null): TokenError {
  const target = location !== null && URL.canParse(location, url) ? new URL(location, url).origin : 'nowhere'
  const message = `${url} redirects to ${target}, and is not followed: give the final address as --endpoint`
  return new TokenError('ERR_TOKEN_RESPONSE', message)
}

function errorMessageIn(body: unknown): string | undefined {
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : {}
  return typeof error['message'] === 'string' ? error['message'] : undefined
}
