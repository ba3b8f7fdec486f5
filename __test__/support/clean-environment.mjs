// Takes every variable that evertoken reads out of this process, so that tests see only what they set.

const variables = [
  'EXTERNAL_AUTH_URL',
  'OAUTH_ISSUER',
  'EXTERNAL_API_EMAIL',
  'EXTERNAL_API_USERNAME',
  'EXTERNAL_API_PASSWORD',
  'OAUTH_CLIENT_ID',
  'OAUTH_CLIENT_SECRET',
  'OAUTH_PRIVATE_KEY',
  'OAUTH_SCOPE',
  'OAUTH_AUDIENCE',
  'OAUTH_PARAMETERS',
  'EXTERNAL_API_TOKEN',
  'EXTERNAL_API_HEADER',
  'TOKEN_ENCRYPTION_KEY',
  'EVERTOKEN_STORAGE',
  'EVERTOKEN_ADMIN_SECRET',
  'LOG_LEVEL',
  'LOG_FORMAT',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
]

export function cleanEnvironment() {
  for (const name of variables) delete process.env[name]
  // What test runners set: the token routes are open only in development and in tests.
  process.env.NODE_ENV = 'test'
  // Warnings about failures that tests provoke must not appear in the terminal.
  process.env.LOG_LEVEL = 'error'
}

cleanEnvironment()
