import { EventEmitter } from 'node:events'
import type * as api from '../../index'
import { defaultServiceName, schedulerDefaults } from '../support/defaults'
import { configError, TokenError } from '../support/errors'
import { headerFor } from '../service/header'
import { carriesToken, readSentValue } from '../service/sent-headers'

/** The options of a fake. Every field is optional. */
export interface FakeOptions {
  /** The token of each service before its first refresh. Default `fake-token-1`; each refresh increments the number. */
  token?: string
  /** The `fields` of `getAccessToken()`. */
  fields?: Record<string, string>
  /** Members that override those of `status()`. */
  status?: Partial<api.TokenStatus>
}

/** Everything that `evertoken` exports, without network, thread, store or addon. */
export type FakeEvertoken = typeof api & {
  /**
   * From now on, no token can be obtained: headers are `{}`, `refresh()` rejects with this error, and a `refreshFailed`
   * event is emitted. `null` ends this. `ERR_TOKEN_CONSENT` also ends the consent, until `adopt()` is called.
   */
  failWith(code: api.TokenErrorCode | null, details?: api.TokenErrorDetails): void
}

/**
 * A fake of the whole `evertoken` package, for unit tests of code that uses it.
 *
 * @example
 * ```ts
 * // Vitest
 * vi.mock('evertoken', async () => (await import('evertoken/testing')).createFakeEvertoken())
 * // Jest
 * jest.mock('evertoken', () => require('evertoken/testing').createFakeEvertoken())
 * ```
 */
export function createFakeEvertoken(options: FakeOptions = {}): FakeEvertoken {
  const services = new Map<string, FakeService>()
  const scheduler: api.SchedulerStatus = {
    running: false,
    ...schedulerDefaults,
    nextRefreshAt: null,
    lastHealthCheckAt: null,
  }
  const shared: Shared = { options, scheduler, error: null }

  const initializeTokenService = ({
    service = defaultServiceName,
    header,
  }: api.TokenServiceConfig = {}): FakeService => {
    const found =
      services.get(service) ?? new FakeService(service, shared, header, () => services.delete(service))
    services.set(service, found)
    return found
  }
  const find = (service?: string): FakeService | null =>
    (service === undefined
      ? (services.get(defaultServiceName) ?? [...services.values()][0])
      : services.get(service)) ?? null

  const fake = {
    initializeTokenService,
    getTokenService: find,
    getAuthHeaders: async (service?: string) => (find(service) ?? initializeTokenService()).getAuthHeaders(),
    startTokenScheduler: ({
      refreshIntervalSeconds,
      healthCheckIntervalSeconds,
    }: api.SchedulerOptions = {}) => {
      scheduler.running = true
      scheduler.refreshIntervalSeconds = refreshIntervalSeconds ?? scheduler.refreshIntervalSeconds
      scheduler.healthCheckIntervalSeconds =
        healthCheckIntervalSeconds ?? scheduler.healthCheckIntervalSeconds
      return { ...scheduler }
    },
    stopTokenScheduler: () => {
      scheduler.running = false
      return { ...scheduler }
    },
    configFromEnv: () => ({}),
    TokenError,
    TokenService: FakeService,
    failWith: (code: api.TokenErrorCode | null, details: api.TokenErrorDetails = {}) => {
      shared.error =
        code === null ? null : new TokenError(code, 'this failure was requested with failWith()', details)
    },
  }
  // The real class has private members, which no other class can have.
  return fake as unknown as FakeEvertoken
}

/** What all services of one fake share. */
interface Shared {
  readonly options: FakeOptions
  readonly scheduler: api.SchedulerStatus
  error: TokenError | null
}

const lifeSeconds = 3600
const tokenType = 'Bearer'

class FakeService extends EventEmitter {
  readonly name: string
  readonly #shared: Shared
  readonly #header: api.TokenServiceConfig['header']
  readonly #ended: () => void
  readonly #counters = { tokenRequests: 0, refreshes: 0, failures: 0, storeHits: 0, retriesOn401: 0 }
  #issuedAt: Date | null = null
  /** The access token that was handed in last. */
  #adopted: string | null = null
  #consentEndedAt: Date | null = null
  #failures = 0
  #isShut = false

  constructor(name: string, shared: Shared, header: api.TokenServiceConfig['header'], ended: () => void) {
    super()
    this.name = name
    this.#shared = shared
    this.#header = header
    this.#ended = ended
  }

  async getAuthHeaders(): Promise<api.AuthHeaders> {
    const token = await this.getToken()
    if (token === null) return {}
    const { name, value } = headerFor(this.#header, tokenType, token)
    return { [name]: value }
  }

  async rejected(headersOrToken: api.SentHeaders | string): Promise<api.AuthHeaders> {
    const refused = readSentValue(headersOrToken, headerFor(this.#header, tokenType, '').name, this.name)
    const token = await this.getToken()
    const header = token === null ? null : headerFor(this.#header, tokenType, token).value
    if (refused !== null && carriesToken(refused, { header, token })) {
      try {
        await this.refresh()
      } catch {
        return {}
      }
    }
    return this.getAuthHeaders()
  }

  async getToken(): Promise<string | null> {
    this.#checkOpen()
    if (this.#shared.error) {
      await this.refresh().catch(() => {})
      return null
    }
    if (this.#issuedAt === null) await this.refresh().catch(() => {})
    return this.#issuedAt === null ? null : this.#token()
  }

  async getAccessToken(): Promise<api.AccessToken | null> {
    const token = await this.getToken()
    if (token === null) return null
    const { expiresAt } = this.status()
    const fields = { ...this.#shared.options.fields }
    return { token, tokenType, expiresAt: expiresAt === null ? null : new Date(expiresAt), fields }
  }

  async refresh(): Promise<api.TokenStatus> {
    this.#checkOpen()
    this.#counters.tokenRequests += 1
    if (this.#shared.error) {
      this.#failures += 1
      this.#counters.failures += 1
      this.#announce('refreshFailed', this.#shared.error)
      if (this.#shared.error.code === 'ERR_TOKEN_CONSENT' && this.#consentEndedAt === null) {
        this.#consentEndedAt = new Date()
        this.#announce('consentEnded', this.#shared.error)
      }
      throw this.#shared.error
    }
    this.#failures = 0
    this.#counters.refreshes += 1
    this.#issuedAt = new Date()
    this.#adopted = null
    this.#announce('refreshed')
    return this.status()
  }

  async adopt(tokens: api.AdoptedTokens): Promise<api.TokenStatus> {
    this.#checkOpen()
    const access = tokens.accessToken ?? tokens.access_token ?? null
    if (access === null && (tokens.refreshToken ?? tokens.refresh_token ?? null) === null) {
      throw configError(
        'tokens',
        'must contain accessToken or refreshToken (or access_token, refresh_token)',
        {
          service: this.name,
        },
      )
    }
    if (this.#shared.error?.code === 'ERR_TOKEN_CONSENT') this.#shared.error = null
    this.#consentEndedAt = null
    this.#failures = 0
    this.#adopted = access
    this.#issuedAt = access === null ? null : new Date()
    if (access !== null) this.#announce('refreshed')
    return this.status()
  }

  async clear(): Promise<void> {
    this.#checkOpen()
    this.#issuedAt = null
    this.#adopted = null
    this.#announce('cleared')
  }

  status(): api.TokenStatus {
    this.#checkOpen()
    const issued = this.#issuedAt
    const after = (seconds: number): string | null =>
      issued && new Date(issued.getTime() + seconds * 1000).toISOString()
    const { error, scheduler, options } = this.#shared
    return {
      service: this.name,
      state: issued ? 'valid' : 'missing',
      healthy: this.#failures === 0,
      source: issued && 'request',
      tokenType: issued && tokenType,
      issuedAt: after(0),
      refreshAt: after(lifeSeconds - 300),
      expiresAt: after(lifeSeconds),
      expiresInSeconds:
        issued && Math.max(0, Math.round(lifeSeconds - (Date.now() - issued.getTime()) / 1000)),
      refreshTokenExpiresAt: null,
      consentEndedAt: this.#consentEndedAt?.toISOString() ?? null,
      lastRefreshAt: after(0),
      consecutiveFailures: this.#failures,
      lastError:
        error && this.#failures > 0
          ? { code: error.code, message: error.message, at: new Date().toISOString() }
          : null,
      strategy: issued && {
        grant: 'client_credentials',
        endpoint: 'https://fake.invalid/oauth/token',
        format: 'form',
      },
      scheduler: { ...scheduler },
      storage: { kind: 'memory', location: 'memory', encrypted: false, healthy: true },
      counters: { ...this.#counters },
      history: [],
      ...options.status,
    }
  }

  async fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined))
    for (const [name, value] of Object.entries(await this.getAuthHeaders())) headers.set(name, value)
    return fetch(input, { ...init, headers })
  }

  async shutdown(): Promise<void> {
    if (!this.#isShut) this.#ended()
    this.#isShut = true
  }

  #token(): string {
    if (this.#adopted !== null) return this.#adopted
    return this.#shared.options.token !== undefined && this.#counters.refreshes === 1
      ? this.#shared.options.token
      : `fake-token-${this.#counters.refreshes}`
  }

  #announce(type: api.TokenEventName, error?: TokenError): void {
    const event = { type, service: this.name, at: new Date().toISOString(), status: this.status() }
    this.emit(type, error ? { ...event, error } : event)
  }

  #checkOpen(): void {
    if (this.#isShut)
      throw new TokenError('ERR_TOKEN_SHUTDOWN', 'the service was shut down', { service: this.name })
  }
}
