// The types that users compile against. This file is compiled and never run: each line that no longer compiles, and
// each `@ts-expect-error` that no longer errs, is a change of the public surface.
import {
  configFromEnv,
  getAuthHeaders,
  type getTokenService,
  initializeTokenService,
  startTokenScheduler,
  type stopTokenScheduler,
  type TokenError,
  TokenService,
} from 'evertoken'
import type {
  AccessToken,
  AuthHeaders,
  DatabaseHandle,
  FoundToken,
  LoginContext,
  OAuthTokenAnswer,
  PrismaTokenClient,
  SchedulerOptions,
  SchedulerStatus,
  SharedTokenStore,
  StorageOptions,
  StoredToken,
  TokenAnswer,
  TokenErrorCode,
  TokenEvent,
  TokenEventName,
  TokenServiceConfig,
  TokenStatus,
  TokenStore,
} from 'evertoken'
import { sharedTokenStoreCases, tokenStoreCases } from 'evertoken/testing'
import type { MakeStore, TokenStoreCase } from 'evertoken/testing'

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(_: Equals<A, B>): void

// The functions.
type Initialize = (
  config?: TokenServiceConfig,
  useDatabase?: boolean,
  database?: DatabaseHandle,
) => TokenService
same<typeof initializeTokenService, Initialize>(true)
same<typeof getTokenService, (service?: string) => TokenService | null>(true)
same<typeof getAuthHeaders, (service?: string) => Promise<AuthHeaders>>(true)
same<typeof startTokenScheduler, (options?: SchedulerOptions) => SchedulerStatus>(true)
same<typeof stopTokenScheduler, () => SchedulerStatus>(true)
same<typeof configFromEnv, (env?: Record<string, string | undefined>) => TokenServiceConfig>(true)
configFromEnv(process.env)

// The service.
declare const service: TokenService
same<typeof service.name, string>(true)
same<ReturnType<TokenService['getToken']>, Promise<string | null>>(true)
same<ReturnType<TokenService['getAccessToken']>, Promise<AccessToken | null>>(true)
same<
  AccessToken,
  { token: string; tokenType: string; expiresAt: Date | null; fields: Record<string, string> }
>(true)
// A function as `login`.
same<
  LoginContext,
  {
    service: string
    reason: 'missing' | 'expiring' | 'refused' | 'forced'
    refreshToken: string | null
    signal: AbortSignal
  }
>(true)
declare const tokenAnswer: TokenAnswer
declare const oauthAnswer: OAuthTokenAnswer
initializeTokenService({ login: () => tokenAnswer })
initializeTokenService({ login: async ({ reason }) => (reason === 'forced' ? tokenAnswer : oauthAnswer) })
initializeTokenService({ login: () => ({ access_token: 'a', expires_in: 3600, scope: 'read' }) })
initializeTokenService({
  login: async () => ({ token: 'a', expiresAt: new Date(), fields: { region: 'eu' } }),
})
initializeTokenService({ login: { tokenPath: 'result.jwt' } })
// @ts-expect-error It has no token.
initializeTokenService({ login: () => ({ jot: 'a' }) })
// @ts-expect-error A token is not an answer.
initializeTokenService({ login: async () => 'a' })
initializeTokenService({
  header: 'X-Auth-Token',
  fields: ['instance_url'],
  refusedBy: ({ status }) => status === 403,
})
initializeTokenService({
  header: { name: 'X-Auth-Token' },
  refusedBy: async (response) => (await response.text()) === '',
})
// @ts-expect-error: a value needs a name
initializeTokenService({ header: { value: '{token}' } })
same<ReturnType<TokenService['refresh']>, Promise<TokenStatus>>(true)
same<ReturnType<TokenService['status']>, TokenStatus>(true)
same<ReturnType<TokenService['clear']>, Promise<void>>(true)
same<ReturnType<TokenService['shutdown']>, Promise<void>>(true)
same<ReturnType<TokenService['fetch']>, Promise<Response>>(true)
service.getAuthHeaders({ method: 'GET', url: 'https://api.example.com/orders' })
service.clear({ revoke: true })
service.fetch(new URL('https://api.example.com/'), { method: 'POST', body: 'text' })
service.fetch(new Request('https://api.example.com/'))
service
  .on('refreshed', (event) => same<typeof event, TokenEvent>(true))
  .once('alert', () => {})
  .off('cleared', () => {})
// @ts-expect-error: there is no such event
service.on('renewed', () => {})
// @ts-expect-error: only `initializeTokenService` makes a service
new TokenService()
// @ts-expect-error: the name is fixed
service.name = 'other'

// The headers go where headers are taken.
const headers: AuthHeaders = await getAuthHeaders()
void fetch('https://api.example.com/', { headers: await getAuthHeaders() })
void new Headers({ ...headers })
const { Authorization } = headers
same<typeof Authorization, string | undefined>(true)
headers['Content-Type'] = 'application/json'
void fetch('https://api.example.com/', { headers })
same<ReturnType<TokenService['rejected']>, Promise<AuthHeaders>>(true)
void service.rejected(headers)
void service.rejected('Bearer a-token', { method: 'GET', url: 'https://api.example.com/orders' })
// @ts-expect-error: a response is not what was sent
void service.rejected(await fetch('https://api.example.com/'))

// The configuration.
const storages: StorageOptions[] = [
  { kind: 'memory' },
  { kind: 'file', path: './data/token.json' },
  { kind: 'sqlite' },
  { kind: 'postgres', url: 'postgres://localhost/db' },
  { kind: 'redis', url: 'redis://localhost', keyPrefix: 'app:' },
]
const full: TokenServiceConfig = {
  service: 'billing',
  authUrl: 'https://login.example.com/oauth/token',
  clientId: 'id',
  clientSecret: 'secret',
  scope: 'read write',
  grant: 'client_credentials',
  grantType: 'account_credentials',
  parameters: { account_id: '7', tenants: ['a', 'b'] },
  requestFormat: 'json',
  clientAuthentication: 'client_secret_basic_raw',
  resource: ['https://a.example.com', 'https://b.example.com'],
  login: {
    method: 'PUT',
    credentials: 'basic',
    body: { user: '{email}', client: '{clientId}' },
    format: 'json',
    contentType: 'application/vnd.api+json',
    tokenPath: 'data.token',
    refreshTokenField: 'refresh',
  },
  refreshFormat: 'bearer',
  headers: { 'x-api-key': 'key' },
  refreshBufferSeconds: 300,
  neverExpires: true,
  timeoutMs: 10_000,
  maxConcurrentRequests: 16,
  retry: { attempts: 3, baseMs: 500, maxMs: 60_000 },
  rateLimit: { attempts: 10, perSeconds: 60 },
  onFailure: 'throw',
  storage: storages[0]!,
  encryptionKey: ['new', 'old'],
  logger: console,
}
initializeTokenService(full, true, './data/token-cache.db')
// @ts-expect-error: a misspelt field
initializeTokenService({ clientID: 'id' })
// @ts-expect-error: no such grant
initializeTokenService({ grant: 'implicit' })
// @ts-expect-error: a Postgres store needs its address
initializeTokenService({ storage: { kind: 'postgres' } })
startTokenScheduler({
  refreshIntervalSeconds: 600,
  everyInterval: false,
  healthCheckIntervalSeconds: 300,
  recoverAfterFailures: 3,
})

// Stores of the user's own.
declare const prisma: PrismaTokenClient
const records = new Map<string, StoredToken>()
const store: TokenStore = {
  get: (service) => records.get(service),
  set: (service, record) => records.set(service, record),
  delete: async (service) => records.delete(service),
}
storages.push({ kind: 'prisma', client: prisma }, { kind: 'custom', store, acceptPlainTokens: true })
initializeTokenService({}, true, prisma)
initializeTokenService({}, true, store)
same<StoredToken['expiresAt'], string>(true)
same<keyof StoredToken, 'token' | 'expiresAt' | 'refreshToken' | 'tokenType' | 'createdAt' | 'lastUsed'>(true)
const found: FoundToken[] = [
  { token: 'plain', expiresAt: new Date(), createdAt: Date.now() },
  {
    token: 'plain',
    expiresAt: '2030-01-01T00:00:00Z',
    createdAt: 0,
    refreshToken: null,
    tokenType: null,
    lastUsed: null,
  },
]
void (found satisfies readonly FoundToken[])
// @ts-expect-error: what was given is given back, and it has an expiry
const lacking: FoundToken = { token: 'plain', createdAt: 0 }
void lacking
// @ts-expect-error: a store forgets, too
initializeTokenService({}, true, { get: () => null, set: () => {} })
same<typeof tokenStoreCases, readonly TokenStoreCase[]>(true)
const make: MakeStore = () => store
for (const { name, run } of tokenStoreCases) void [name.length, run(make), run(async () => store)]
same<typeof sharedTokenStoreCases, readonly TokenStoreCase<SharedTokenStore>[]>(true)
const texts: SharedTokenStore = { read: () => null, compareAndSet: async () => true }
const makeShared: MakeStore<SharedTokenStore> = () => texts
for (const { name, run } of sharedTokenStoreCases) void [name.length, run(makeShared), run(async () => texts)]
initializeTokenService({ storage: { kind: 'custom', store: texts } }, true, texts)

// Status, events and errors.
same<TokenStatus['state'], 'valid' | 'expiring' | 'expired' | 'missing' | 'manual'>(true)
same<TokenStatus['source'], 'request' | 'store' | 'manual' | null>(true)
same<TokenStatus['expiresInSeconds'], number | null>(true)
same<TokenStatus['history'][number]['outcome'], 'refreshed' | 'adopted' | 'failed' | 'cleared'>(true)
same<TokenEventName, 'refreshed' | 'refreshFailed' | 'expiring' | 'alert' | 'recovered' | 'cleared'>(true)
same<TokenEvent['error'], TokenError | undefined>(true)
declare const error: TokenError
same<typeof error.code, TokenErrorCode>(true)
const asError: Error = error
const words: string | undefined =
  error.serverError?.description ?? error.serverError?.error ?? error.serverError?.uri
void [asError, error.service, error.status, error.retryAfterSeconds, error.cause, words]
// The codes of the documentation, all of them assignable.
const codes: TokenErrorCode[] = [
  'ERR_TOKEN_CONFIG',
  'ERR_TOKEN_CREDENTIALS',
  'ERR_TOKEN_ENDPOINT',
  'ERR_TOKEN_RESPONSE',
  'ERR_TOKEN_RATE_LIMITED',
  'ERR_TOKEN_TIMEOUT',
  'ERR_TOKEN_NETWORK',
  'ERR_TOKEN_TLS',
  'ERR_TOKEN_STORAGE',
  'ERR_TOKEN_DECRYPT',
  'ERR_TOKEN_SHUTDOWN',
]
void codes
