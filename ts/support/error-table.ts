import type { TokenErrorCode } from '../../index'

/** What there is to know about an error code. */
export interface ErrorRow {
  /** What has happened, in Markdown. */
  readonly meaning: string
  /** What to do for someone who tries out a configuration, as `doctor` does. */
  readonly advice: string
  /** What to do for someone who looks at a running app, on the monitor. */
  readonly runningAdvice: string
  /** The HTTP status with which the routes report the error. */
  readonly routeStatus: 429 | 500 | 502 | 503
}

/** All error codes. `doctor`, the monitor, the routes, and the tables in README.md and the docs come from here. */
export const errorTable: Readonly<Record<TokenErrorCode, ErrorRow>> = {
  ERR_TOKEN_CONFIG: {
    meaning: 'a configuration value is invalid; `field` names it',
    advice: 'Correct the value that the message names.',
    runningAdvice: 'Correct the value that the message names, then restart the app.',
    routeStatus: 500,
  },
  ERR_TOKEN_CREDENTIALS: {
    meaning: 'the server rejected the password, the secret or the client',
    advice: 'Check the client ID and the client secret, or the username and the password.',
    runningAdvice:
      'Check the credentials in the configuration, then press Refresh now. evertoken waits before it tries again by itself.',
    routeStatus: 502,
  },
  ERR_TOKEN_CONSENT: {
    meaning: 'there is no refresh token, or the server refused it: someone has to sign in (again)',
    advice: 'Have someone sign in, and pass the new refresh token to `adopt()`, or set OAUTH_REFRESH_TOKEN.',
    runningAdvice:
      'Someone has to sign in again. The app passes the new refresh token to adopt(), or you set OAUTH_REFRESH_TOKEN and restart it.',
    routeStatus: 502,
  },
  ERR_TOKEN_ENDPOINT: {
    meaning: 'there is no token or login endpoint at this URL, or it redirects to another origin',
    advice: 'Set EXTERNAL_AUTH_URL to the URL of the token or login endpoint, as in the server’s manual.',
    runningAdvice: 'Check the URL: there is no token or login endpoint at this address.',
    routeStatus: 502,
  },
  ERR_TOKEN_RESPONSE: {
    meaning: 'the response contains no usable token, or the server failed',
    advice:
      'Check the path of the URL and the credential, or set where the token is in the response (`login.tokenPath`).',
    runningAdvice: 'Retrying automatically. If this persists, check the URL and the response format.',
    routeStatus: 502,
  },
  ERR_TOKEN_RATE_LIMITED: {
    meaning: 'the server or the configured `rateLimit` is limiting requests; see `retryAfterSeconds`',
    advice: 'The server is limiting requests: wait, then try again.',
    runningAdvice: 'No action needed; retrying automatically.',
    routeStatus: 429,
  },
  ERR_TOKEN_TIMEOUT: {
    meaning: 'no complete response arrived within `timeoutMs`',
    advice: 'Check that a token or login endpoint responds at this address.',
    runningAdvice: 'Retrying automatically. If this persists, the token server is slow or unreachable.',
    routeStatus: 502,
  },
  ERR_TOKEN_NETWORK: {
    meaning: 'the connection failed or was interrupted',
    advice: 'Check that a token or login endpoint responds at this address.',
    runningAdvice:
      'Retrying automatically. If this persists, check the host name, the port and the firewall.',
    routeStatus: 502,
  },
  ERR_TOKEN_TLS: {
    meaning: "the server's certificate was not accepted",
    advice:
      'Pass the certificate of the server’s authority as `ca`, or put it in the file that NODE_EXTRA_CA_CERTS names.',
    runningAdvice:
      'Pass the certificate of the server’s authority to the service (`ca` or NODE_EXTRA_CA_CERTS).',
    routeStatus: 502,
  },
  ERR_TOKEN_STORAGE: {
    meaning: 'the store cannot be read or written',
    advice: 'Give the user that runs this process write access to the store, or set EVERTOKEN_STORAGE.',
    runningAdvice:
      'The token is kept in memory for now. The log of the app says why. Check the file and its permissions, or the database.',
    routeStatus: 503,
  },
  ERR_TOKEN_DECRYPT: {
    meaning: 'a stored record cannot be decrypted with any configured key',
    advice:
      'Add the key that encrypted it (TOKEN_ENCRYPTION_KEY=new,old), or let the next login replace the record.',
    runningAdvice:
      'Give every process the same TOKEN_ENCRYPTION_KEY. The next login replaces the record that could not be decrypted.',
    routeStatus: 500,
  },
  ERR_TOKEN_SHUTDOWN: {
    meaning: 'the service was shut down',
    advice: 'Initialize the service again.',
    runningAdvice: 'The service was shut down. Restart the app, or initialize the service again.',
    routeStatus: 503,
  },
  ERR_TOKEN_INTERNAL: {
    meaning: 'the addon could not be loaded, or evertoken has a bug',
    advice: 'Run `npm install` again on this platform, with optional dependencies.',
    runningAdvice:
      'Read the log of the app. If the addon is installed correctly, please report this as a bug.',
    routeStatus: 500,
  },
}

/** The `error` values of RFC 6749 §5.2 and RFC 8707 that are about the configuration, not about the secret. */
const configurationErrors: Readonly<Record<string, string>> = {
  invalid_scope: 'Check OAUTH_SCOPE: the server does not allow one of the scopes.',
  invalid_target: 'Check OAUTH_AUDIENCE (or `resource`): the server does not know this API.',
  unauthorized_client: 'Allow this grant for the client on the server, or set `grant`.',
}

/** What to do about this error. */
export function adviceFor({
  code,
  serverError,
}: {
  code: TokenErrorCode
  serverError?: { error?: string }
}): string {
  const error = serverError?.error ?? ''
  return Object.hasOwn(configurationErrors, error) ? configurationErrors[error]! : errorTable[code].advice
}
