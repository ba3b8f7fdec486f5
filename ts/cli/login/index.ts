import type { TokenStatus } from '../../../index'
import type { ExchangedTokens } from '../../binding/native'
import { configFromEnv } from '../../config/env'
import type { CodeExchange } from '../../service/code-exchange'
import { initializeTokenService } from '../../service/registry'
import { codeExchangeOf, settledStatus, type TokenService } from '../../service/token-service'
import { configError, TokenError } from '../../support/errors'
import { defaultServiceName } from '../../support/defaults'
import type { Command } from '../command'
import { loadDotenv } from '../dotenv'
import { settings } from '../target'
import { print, printError, printNote, sanitize, sanitizeJson, withSpinner } from '../terminal'
import { obtainByBrowser } from './code-flow'
import { obtainByDevice } from './device-flow'
import { Interruption } from './interruption'
import { defaultTimeoutSeconds, loginOptions, type LoginOptions } from './options'

/** The exit code of a program that Ctrl-C ends. */
const canceledCode = 130

export const login: Command = {
  summary: 'obtain the first refresh token, by signing in with a browser',
  usage: '[--device] [options]',
  help: `Asks for your consent at the authorization server and stores the tokens, so that apps with the same configuration
use and renew them. No token is printed. By default, a browser opens, and the server sends it back to this machine
(authorization code with PKCE: RFC 6749, RFC 7636, RFC 8252). The client comes from OAUTH_CLIENT_ID, the endpoints from
OAUTH_ISSUER, or from EXTERNAL_AUTH_URL (the token endpoint) and OAUTH_AUTHORIZATION_URL or OAUTH_DEVICE_URL.

Options:
  --device              shows a code to enter on any device instead (RFC 8628)
  --port N              the port of the redirect URI (default: a free one)
  --redirect-uri URI    the redirect URI, if the provider compares it exactly: http://127.0.0.1:PORT/PATH or
                        http://localhost:PORT/PATH (default: http://127.0.0.1/callback with a free port)
  --no-browser          prints the URL, and opens no browser
  --scope SCOPE         the scope to ask for (default: OAUTH_SCOPE); many servers need offline_access in it
  --param NAME=VALUE    an additional parameter of the request; can be repeated. For Google: --param access_type=offline
                        --param prompt=consent
  --service NAME        the service with this name (default: ${defaultServiceName})
  --timeout SECONDS     how long you have (default: ${defaultTimeoutSeconds}; with --device, until the code expires)
  --json                prints the status as JSON

The tokens go to the configured storage (EVERTOKEN_STORAGE: a file, SQLite, PostgreSQL or Redis). If the app uses a
Prisma client or a store of its own, call service.adopt() in the app instead.

The configuration comes from the environment and the .env files of this folder, as Next.js reads them.`,
  async run(args) {
    const options = loginOptions(args)
    loadDotenv(process.cwd())
    const service = startService(options)
    const interruption = new Interruption()
    try {
      await requireStore(service)
      const tokens = await interruption.race(
        obtainTokens(codeExchangeOf(service), options, interruption.signal),
      )
      interruption.end()
      const status = await withSpinner('storing the tokens', keepTokens(service, tokens))
      report(status, tokens, options)
      return 0
    } catch (error) {
      if (!interruption.signal.aborted) throw error
      printNote('The login was canceled. Nothing was stored.')
      return canceledCode
    } finally {
      interruption.end()
      await service.shutdown()
    }
  },
}

/** The service that the app will use: the consent is its only way to a token. */
function startService({ service }: LoginOptions): TokenService {
  const { storage, grant = 'refresh_token' } = configFromEnv()
  if (storage?.kind === 'memory') {
    throw configError(
      'storage',
      'is memory, in which no other process finds the tokens: set EVERTOKEN_STORAGE to file, sqlite:PATH, or the URL of ' +
        'PostgreSQL or Redis, in the app, too. With a Prisma client or a store of its own, call service.adopt() in the app',
    )
  }
  if (grant !== 'refresh_token') {
    throw configError(
      'grant',
      `is ${sanitize(grant)}: set OAUTH_GRANT to refresh_token to act for the user who signs in here`,
    )
  }
  return initializeTokenService({ ...settings, grant, ...(service !== undefined && { service }) })
}

/** Looks whether the tokens can be stored, before anyone signs in. */
async function requireStore(service: TokenService): Promise<void> {
  const { storage } = await withSpinner('reading the store', settledStatus(service))
  if (storage.healthy) return
  const message = `${storage.kind} at ${storage.location} cannot be used, so the tokens could not be stored`
  throw new TokenError('ERR_TOKEN_STORAGE', message)
}

async function obtainTokens(
  exchange: CodeExchange,
  options: LoginOptions,
  signal: AbortSignal,
): Promise<ExchangedTokens> {
  const given = {
    authorizationUrl: variable('OAUTH_AUTHORIZATION_URL'),
    deviceUrl: variable('OAUTH_DEVICE_URL'),
  }
  const endpoints = await withSpinner('looking up the endpoints', exchange.endpoints(given))
  const scope = options.scope ?? endpoints.scope ?? undefined
  return options.redirect === undefined
    ? obtainByDevice(exchange, endpoints, { ...options, scope }, signal)
    : obtainByBrowser(exchange, endpoints, { ...options, scope }, options.redirect, signal)
}

function variable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined
}

/** Hands the tokens over to the service, which stores them. */
async function keepTokens(service: TokenService, tokens: ExchangedTokens): Promise<TokenStatus> {
  const { withheld: _, ...adopted } = tokens
  if (adopted.accessToken === null && adopted.refreshToken === null) {
    throw new TokenError('ERR_TOKEN_RESPONSE', `the server issued no refresh token: ${whatIsMissing}`)
  }
  return service.adopt({ ...adopted })
}

const whatIsMissing =
  'most servers issue one only for the scope offline_access (--scope), with prompt=consent (--param prompt=consent), or, ' +
  'like Google, with access_type=offline (--param access_type=offline)'

function report(
  status: TokenStatus,
  { refreshToken, withheld }: ExchangedTokens,
  { json }: LoginOptions,
): void {
  if (withheld.length > 0) printError(`the server did not grant the scope ${withheld.join(' ')}`)
  if (refreshToken === null) {
    printError(
      `the server issued no refresh token, so the login ends with the access token: ${whatIsMissing}`,
    )
  }
  const { grant, refreshToken: seed } = configFromEnv()
  if (grant === undefined && seed === undefined) {
    printNote(
      "Set OAUTH_GRANT=refresh_token (or grant: 'refresh_token' in code) for the app and for other commands.",
    )
  }
  const { kind, location } = status.storage
  if (json) print(sanitizeJson(status))
  else print(`${sanitize(status.service)}: the tokens are stored (${kind}, ${sanitize(location)}).`)
}
