// One status for each state that the monitor can be in, at a moment that never changes.

const now = Date.parse('2027-01-15T09:30:00Z')
const at = (seconds) => new Date(now + seconds * 1000).toISOString()

/** Fifty refreshes, an hour apart, of which some failed or came from another process. */
const history = Array.from({ length: 50 }, (_, index) => {
  const outcome = index % 17 === 9 ? 'failed' : index % 5 === 2 ? 'adopted' : 'refreshed'
  const durationMs =
    outcome === 'adopted'
      ? 3 + (index % 4)
      : outcome === 'failed'
        ? 900 + index * 7
        : 80 + ((index * 37) % 140)
  return {
    at: at((index - 49) * 3600 - 1260),
    outcome,
    durationMs,
    ...(outcome === 'failed' ? { code: 'ERR_TOKEN_TIMEOUT' } : {}),
  }
})

const good = {
  service: 'external_api',
  state: 'valid',
  healthy: true,
  source: 'request',
  tokenType: 'Bearer',
  issuedAt: at(-1260),
  expiresAt: at(2340),
  refreshAt: at(2040),
  expiresInSeconds: 2340,
  refreshTokenExpiresAt: null,
  consentEndedAt: null,
  lastRefreshAt: at(-1260),
  consecutiveFailures: 0,
  lastError: null,
  strategy: {
    grant: 'client_credentials',
    endpoint: 'https://login.example.com/oauth/token',
    format: 'client_secret_basic',
  },
  scheduler: {
    running: true,
    refreshIntervalSeconds: 600,
    healthCheckIntervalSeconds: 300,
    nextRefreshAt: at(2040),
    lastHealthCheckAt: at(-40),
  },
  storage: { kind: 'sqlite', location: './data/token-cache.db', encrypted: true, healthy: true },
  counters: { tokenRequests: 43, refreshes: 38, failures: 3, storeHits: 9, retriesOn401: 1 },
  history,
}

const none = {
  issuedAt: null,
  expiresAt: null,
  refreshAt: null,
  expiresInSeconds: null,
  lastRefreshAt: null,
  tokenType: null,
  source: null,
  strategy: null,
}

const failing = (code, message, failures) => ({
  healthy: false,
  consecutiveFailures: failures,
  lastError: { code, message, at: at(-12) },
})

export const states = [
  { title: 'Valid', status: good },
  {
    title: 'Expiring, while the token server hangs',
    status: {
      ...good,
      state: 'expiring',
      issuedAt: at(-3420),
      expiresAt: at(180),
      refreshAt: at(-120),
      expiresInSeconds: 180,
      ...failing(
        'ERR_TOKEN_TIMEOUT',
        'https://login.example.com/oauth/token gave no whole answer within 10000 ms',
        2,
      ),
    },
  },
  {
    title: 'Expired, the password is wrong',
    status: {
      ...good,
      state: 'expired',
      issuedAt: at(-3900),
      expiresAt: at(-300),
      refreshAt: at(-600),
      expiresInSeconds: 0,
      strategy: { grant: 'login', endpoint: 'https://api.example.com/auth/login', format: 'json_email' },
      ...failing(
        'ERR_TOKEN_CREDENTIALS',
        'https://api.example.com/auth/login rejected the credential (401)',
        3,
      ),
    },
  },
  {
    title: 'Valid, and the consent ends in three days',
    status: {
      ...good,
      strategy: { grant: 'refresh_token', endpoint: 'https://login.example.com/oauth/token', format: 'none' },
      refreshTokenExpiresAt: at(3 * 86_400),
    },
  },
  {
    title: 'Expired, and the consent has ended',
    status: {
      ...good,
      state: 'expired',
      issuedAt: at(-7500),
      expiresAt: at(-3900),
      refreshAt: at(-4200),
      expiresInSeconds: 0,
      strategy: { grant: 'refresh_token', endpoint: 'https://login.example.com/oauth/token', format: 'none' },
      consentEndedAt: at(-4200),
      ...failing(
        'ERR_TOKEN_CONSENT',
        'the consent has ended: someone has to sign in again and pass the new refresh token to adopt(), or set refreshToken',
        1,
      ),
    },
  },
  {
    title: 'Missing, before the first request',
    status: {
      ...good,
      ...none,
      state: 'missing',
      counters: { tokenRequests: 0, refreshes: 0, failures: 0, storeHits: 0, retriesOn401: 0 },
      history: [],
    },
  },
  {
    title: 'A manual token stands in, the scheduler is stopped',
    status: {
      ...good,
      ...none,
      state: 'manual',
      source: 'manual',
      tokenType: 'Bearer',
      scheduler: { ...good.scheduler, running: false, nextRefreshAt: null },
      history: history.slice(0, 4),
    },
  },
  {
    title: 'The store is sick',
    status: {
      ...good,
      healthy: false,
      storage: { ...good.storage, kind: 'file', location: '/var/lib/app/token-cache.json', healthy: false },
    },
  },
  {
    title: 'The endpoint is gone: the last picture stays',
    status: good,
    problem: {
      kind: 'unreachable',
      message: 'The endpoint is unreachable.',
      code: null,
      retryAfterSeconds: null,
    },
  },
  { title: 'Loading', status: null, receivedAt: null },
  {
    title: 'No access',
    status: null,
    receivedAt: null,
    problem: {
      kind: 'unauthorized',
      message: 'The endpoint asks for a credential.',
      code: null,
      retryAfterSeconds: null,
    },
  },
].map((state) => ({ now, ...state }))
