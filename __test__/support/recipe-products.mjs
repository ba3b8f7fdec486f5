// What the products of docs/providers that show a response take and answer, from their documentation and sources.

const minute = 60
const day = 86_400

/** RFC 6749 §2.3.1: form-encoded, joined, base64. */
function basic({ clientId, clientSecret }) {
  const encoded = (text) => new URLSearchParams([['', text]]).toString().slice(1)
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`
}

const clientCredentials = (path, target) => (config) => ({
  path,
  form: { grant_type: 'client_credentials', ...target },
  authorization: basic(config),
})

const clientCredentialsInBody = (path, target) => (config) => ({
  path,
  form: {
    grant_type: 'client_credentials',
    ...target,
    client_id: config.clientId,
    client_secret: config.clientSecret,
  },
})

/**
 * By the name of the recipe: `login` and `refresh` are the requests that the product takes, `answer` and
 * `refreshed` what it answers to them, `refusal` what it answers to a wrong secret, `lifetime` how long its tokens
 * live, in seconds; `isOpaque` if they are not JWTs.
 */
export const products = {
  'Django REST framework with simplejwt': {
    login: ({ username, password }) => ({ path: '/api/token/', json: { username, password } }),
    answer: ({ token, refreshToken }) => ({ refresh: refreshToken, access: token }),
    refresh: (refresh) => ({ path: '/api/token/refresh/', json: { refresh } }),
    refreshed: ({ token, refreshToken }) => ({ access: token, refresh: refreshToken }),
    refusal: { status: 401, body: { detail: 'No active account found with the given credentials' } },
    lifetime: 5 * minute,
  },

  'Django OAuth Toolkit': {
    login: clientCredentials('/o/token/', { scope: 'read' }),
    answer: ({ token }) => ({ access_token: token, expires_in: 36_000, token_type: 'Bearer', scope: 'read' }),
    refusal: { status: 401, body: { error: 'invalid_client' } },
    lifetime: 36_000,
    isOpaque: true,
  },

  'Django OAuth Toolkit, password grant': {
    login: (config) => ({
      path: '/o/token/',
      form: { grant_type: 'password', username: config.username, password: config.password },
      authorization: basic(config),
    }),
    answer: passwordGrant,
    refresh: (refreshToken, config) => ({
      path: '/o/token/',
      form: { grant_type: 'refresh_token', refresh_token: refreshToken },
      authorization: basic(config),
    }),
    refreshed: passwordGrant,
    refusal: {
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Invalid credentials given.' },
    },
    lifetime: 36_000,
    isOpaque: true,
  },

  "FastAPI's password form": {
    login: ({ username, password }) => ({
      path: '/token',
      form: { grant_type: 'password', username, password },
    }),
    answer: ({ token }) => ({ access_token: token, token_type: 'bearer' }),
    refusal: { status: 401, body: { detail: 'Incorrect username or password' } },
    lifetime: 30 * minute,
  },

  'Flask-JWT-Extended': {
    login: ({ username, password }) => ({ path: '/login', json: { username, password } }),
    answer: ({ token, refreshToken }) => ({ access_token: token, refresh_token: refreshToken }),
    refresh: (refreshToken) => ({ path: '/refresh', authorization: `Bearer ${refreshToken}` }),
    refreshed: ({ token }) => ({ access_token: token }),
    refusal: { status: 401, body: { msg: 'Bad username or password' } },
    lifetime: 15 * minute,
  },

  Strapi: {
    login: strapiLogin,
    answer: ({ token }) => ({ jwt: token, user: strapiUser }),
    refusal: strapiRefusal(),
    lifetime: 30 * day,
  },

  'Strapi with refresh tokens': {
    login: strapiLogin,
    answer: ({ token, refreshToken }) => ({ jwt: token, refreshToken, user: strapiUser }),
    refresh: (refreshToken) => ({ path: '/api/auth/refresh', json: { refreshToken } }),
    refreshed: ({ token, refreshToken }) => ({ jwt: token, refreshToken }),
    refusal: strapiRefusal(),
    lifetime: 7 * day,
  },

  PocketBase: {
    login: ({ email, password }) => ({
      path: '/api/collections/users/auth-with-password',
      json: { identity: email, password },
    }),
    answer: ({ token }) => ({ token, record: { id: '4q1xlclmfloku33', collectionName: 'users' } }),
    refusal: { status: 400, body: { status: 400, message: 'Failed to authenticate.', data: {} } },
    lifetime: 7 * day,
  },

  Directus: {
    login: ({ email, password }) => ({ path: '/auth/login', json: { email, password } }),
    answer: directusAnswer,
    refresh: (refreshToken) => ({ path: '/auth/refresh', json: { refresh_token: refreshToken } }),
    refreshed: directusAnswer,
    refusal: {
      status: 401,
      body: {
        errors: [{ message: 'Invalid user credentials.', extensions: { code: 'INVALID_CREDENTIALS' } }],
      },
    },
    lifetime: 15 * minute,
  },

  Keycloak: {
    login: clientCredentials('/realms/shop/protocol/openid-connect/token', {}),
    answer: ({ token }) => ({
      access_token: token,
      expires_in: 300,
      refresh_expires_in: 0,
      token_type: 'Bearer',
      'not-before-policy': 0,
      scope: 'profile email',
    }),
    refusal: {
      status: 401,
      body: {
        error: 'unauthorized_client',
        error_description: 'Invalid client or Invalid client credentials',
      },
    },
    lifetime: 5 * minute,
  },

  Auth0: {
    login: clientCredentialsInBody('/oauth/token', { audience: 'https://api.example.com/' }),
    answer: ({ token }) => ({
      access_token: token,
      scope: 'read:orders',
      expires_in: day,
      token_type: 'Bearer',
    }),
    refusal: { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } },
    lifetime: day,
  },

  Okta: {
    login: clientCredentials('/oauth2/default/v1/token', { scope: 'orders.read' }),
    answer: ({ token }) => ({
      token_type: 'Bearer',
      expires_in: 3600,
      access_token: token,
      scope: 'orders.read',
    }),
    refusal: {
      status: 401,
      body: {
        error: 'invalid_client',
        error_description: 'The client secret supplied for a confidential client is invalid.',
      },
    },
    lifetime: 60 * minute,
  },

  'Entra ID': {
    login(config) {
      const ways = { client_secret_post: clientCredentialsInBody, undefined: clientCredentials }
      const path = '/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/oauth2/v2.0/token'
      return ways[config.clientAuthentication](path, { scope: 'https://graph.microsoft.com/.default' })(
        config,
      )
    },
    answer: ({ token }) => ({
      token_type: 'Bearer',
      expires_in: 3599,
      ext_expires_in: 3599,
      access_token: token,
    }),
    refusal: {
      status: 401,
      body: { error: 'invalid_client', error_description: 'AADSTS7000215: …', error_codes: [7_000_215] },
    },
    lifetime: 3599,
    isOpaque: true,
  },
}

const strapiUser = { id: 1, username: 'robot', email: 'robot@example.com' }

function strapiLogin({ email, password }) {
  return { path: '/api/auth/local', json: { identifier: email, password } }
}

function strapiRefusal() {
  const error = {
    status: 400,
    name: 'ValidationError',
    message: 'Invalid identifier or password',
    details: {},
  }
  return { status: 400, body: { data: null, error } }
}

function passwordGrant({ token, refreshToken }) {
  const scope = 'read write'
  return { access_token: token, expires_in: 36_000, token_type: 'Bearer', scope, refresh_token: refreshToken }
}

function directusAnswer({ token, refreshToken }) {
  return { data: { expires: 900_000, refresh_token: refreshToken, access_token: token } }
}
