import type { TokenServiceConfig, TokenStatus } from '../../index'
import { initializeTokenService } from '../services'
import { settled, type TokenService } from '../service'
import { TokenError } from '../errors'
import { UsageError } from './command'
import { loadDotenv } from './dotenv'
import { complain } from './terminal'

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
  --service NAME   the service of this name (default: external_api)
  --endpoint URL   asks a running app through its routes, such as http://localhost:3000/api/token;
                   sends EVERTOKEN_ADMIN_SECRET, if set. Without it the configured store is looked into
  --json           prints JSON

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`

/** The command says itself what its own call came to; what else is found out goes to stderr. */
const settings: TokenServiceConfig = {
  logger: { debug() {}, info() {}, warn: complainOf, error: complainOf },
}

function complainOf(message: string, { code }: { code?: string } = {}): void {
  if (code === 'ERR_TOKEN_STORAGE' || code === 'ERR_TOKEN_DECRYPT') complain(message)
}

/** Where to act, by the options. */
export function targetOf({ service, endpoint }: { service?: string; endpoint?: string }): Target {
  loadDotenv(process.cwd())
  if (endpoint !== undefined) {
    if (service !== undefined) throw new UsageError('--service is the route’s own choice where --endpoint is given')
    return routesAt(endpoint)
  }
  return new Local(initializeTokenService({ ...settings, ...(service === undefined ? {} : { service }) }))
}

/** The routes of a running app. */
export function routesAt(endpoint: string): Target {
  if (!URL.canParse(endpoint)) throw new UsageError('--endpoint must be a URL, such as http://localhost:3000/api/token')
  return new Routes(endpoint.replace(/\/+$/, ''))
}

class Local implements Target {
  readonly #service: TokenService

  constructor(service: TokenService) {
    this.#service = service
  }

  status(): Promise<TokenStatus> {
    return settled(this.#service)
  }

  async refresh(): Promise<TokenStatus> {
    await settled(this.#service)
    return this.#service.refresh()
  }

  async clear(revoke: boolean): Promise<void> {
    await settled(this.#service)
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
    return this.#ask('GET', '/status') as Promise<TokenStatus>
  }

  refresh(): Promise<TokenStatus> {
    return this.#ask('POST', '/refresh') as Promise<TokenStatus>
  }

  async clear(revoke: boolean): Promise<void> {
    if (revoke) throw new UsageError('--revoke acts on the store, and not through --endpoint')
    await this.#ask('DELETE', '')
  }

  async close(): Promise<void> {}

  async #ask(method: string, path: string): Promise<unknown> {
    const secret = process.env['EVERTOKEN_ADMIN_SECRET']?.trim()
    const url = `${this.#endpoint}${path}`
    let response: Response
    try {
      response = await fetch(url, {
        method,
        headers: secret ? { authorization: `Bearer ${secret}` } : {},
        redirect: 'error',
        signal: AbortSignal.timeout(30_000),
      })
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause)
      throw new TokenError('ERR_TOKEN_NETWORK', `${url} cannot be reached: ${reason}`, { cause })
    }
    const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null
    if (response.ok && body !== null) return body
    const said = body?.error?.message ?? 'it is no route of evertoken'
    throw new TokenError('ERR_TOKEN_RESPONSE', `${url} answered ${response.status}: ${said}`, { status: response.status })
  }
}
