import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP } from 'node:net'
import type { TokenServiceConfig, TokenStatus } from '../../../index'
import { configFromEnv } from '../../config/env'
import { fileVariable, variableNames, variableOf } from '../../support/env-table'
import { adviceFor } from '../../support/error-table'
import { TokenError } from '../../support/errors'
import { native, unwrap } from '../../binding/native'
import { networkVariables } from '../../binding/network-variables'
import { settledStatus, type TokenService } from '../../service/token-service'
import { initializeTokenService } from '../../service/registry'
import type { Dotenv } from '../dotenv'
import { formatDuration } from '../terminal'
import { fail, pass, skip, storageFinding, warn, type Finding } from './finding'

/** The largest difference between the clocks, in seconds: beyond it, servers refuse tokens and signed requests. */
const clockTolerance = 60
const connectMs = 5000

/**
 * Checks each thing before what depends on it, so that the first failure is the cause.
 */
export async function* checkLocal({ files, expanded }: Dotenv): AsyncGenerator<Finding, void> {
  for (const each of expanded) yield expansion(each)
  const begun = begin()
  if (begun instanceof TokenError) return yield initializationFinding(begun)
  const { config, service, storeFaults, remarks } = begun
  try {
    yield pass('environment', `complete; read from ${['the environment', ...files].join(', ')}`)
    // Warnings about the values have been logged at this point.
    await settledStatus(service)
    yield* reportRemarks(remarks)
    const place = config.authUrl ?? config.issuer
    if (place === undefined && config.privateKey !== undefined) {
      yield* logInWithAccount(service)
    } else if (place === undefined) {
      yield warn(
        'credential',
        'a manual token, and no credential to refresh it',
        'Set EXTERNAL_AUTH_URL and a credential.',
      )
    } else if (yield* reach(new URL(place))) {
      // A login under another name would spend it, and its successor would be lost with that name's record.
      const needsConsent = config.refreshToken !== undefined || config.grant === 'refresh_token'
      if (!needsConsent) yield* logIn(service, new URL(place))
      else yield skip('credential', 'a refresh token is not tried: npx evertoken refresh uses the stored one')
    }
    yield storageFinding(await settledStatus(service), storeFaults)
    yield await key(config)
    yield* reportRemarks(remarks)
  } finally {
    await service.clear().catch(() => {})
    await service.shutdown()
  }
}

interface Begun {
  config: TokenServiceConfig
  service: TokenService
  /** The errors of the store. */
  storeFaults: string[]
  /** Warnings that belong to no other check, about values that are allowed but probably wrong. */
  remarks: string[]
}

function* reportRemarks(remarks: string[]): Generator<Finding, void> {
  for (const remark of remarks.splice(0)) yield warn('values', remark, 'Check the value of the variable.')
}

function expansion({ variable, file }: { variable: string; file: string }): Finding {
  const detail = `${variable} contains a $ in ${file}, and Next.js replaced the name after it with the value of a variable`
  return warn(
    'values',
    detail,
    'Write \\$ for each $ (see docs/configuration.md for the rules of each loader).',
  )
}

function begin(): Begun | TokenError {
  const storeFaults: string[] = []
  const remarks: string[] = []
  const note = (line: string, { code }: { code?: string } = {}): void => {
    const message = line.replace(/^evertoken\[[^\]]*\] /, '')
    // Without what comes before the error: what evertoken does meanwhile.
    if (code === 'ERR_TOKEN_STORAGE') storeFaults.push(message.replace(/^[^:]*: /, ''))
    else if (code === undefined && isRemark(message)) remarks.push(message)
  }
  try {
    const config = configFromEnv()
    const service = initializeTokenService({
      service: 'evertoken_doctor',
      onFailure: 'throw',
      retry: { attempts: 1 },
      logger: { debug() {}, info() {}, warn: note, error: note },
    })
    return { config, service, storeFaults, remarks }
  } catch (error) {
    if (error instanceof TokenError) return error
    throw error
  }
}

/** Whether a warning is about a value: clear text is a check of its own, and an outage that has ended is not one. */
function isRemark(message: string): boolean {
  return !message.includes('in clear text') && !['the store works again', 'recovered'].includes(message)
}

function initializationFinding(error: TokenError): Finding {
  if (error.code !== 'ERR_TOKEN_CONFIG') return fail('addon', error.message, adviceFor(error), error)
  return fail('environment', error.message, configurationAdvice(error), error)
}

/** What to do about a value that is wrong: where to set it. */
function configurationAdvice({ field }: TokenError): string {
  if (field !== undefined && isOfFile(field)) return `Correct ${field}, or the file that it names.`
  const variable = field === undefined ? undefined : variableOf(field.split('.')[0]!)
  const where = variable ?? field ?? 'the configuration'
  return `Set ${where} in the environment or in a .env file of this folder.`
}

/** Whether it is the variable of a file. */
function isOfFile(field: string): boolean {
  return field.endsWith(fileVariable('')) && variableNames().includes(field)
}

/** Checks the way to the server up to the first failure; returns whether there was none. */
async function* reach(url: URL): AsyncGenerator<Finding, boolean> {
  const proxy = proxyFor(url)
  if (proxy instanceof TokenError) {
    yield fail('name', proxy.message, `Correct ${proxy.field}, or exempt the host with NO_PROXY.`, proxy)
    return false
  }
  const [host, port] = placeOf(proxy ? new URL(proxy.url) : url)
  const what = proxy ? `the proxy ${host} (${proxy.variable})` : host
  try {
    const address = isIP(host) ? host : (await lookup(host)).address
    yield pass('name', isIP(host) ? `${what} is an IP address` : `${what} resolves to ${address}`)
  } catch (error) {
    yield fail(
      'name',
      `${what} cannot be resolved: ${codeOf(error)}`,
      `Check the host name in ${proxy?.variable ?? addressOf(url)}.`,
    )
    return false
  }
  const error = await connectionFault(host, port)
  if (error === undefined) {
    yield pass('connection', `${what} accepts connections on port ${port}`)
    return true
  }
  const remedy =
    'Check the port, whether the server is running, and whether a firewall blocks the connection.'
  yield fail('connection', `${what} does not accept connections on port ${port}: ${error}`, remedy)
  return false
}

/** Without the query, which may contain a key. */
const addressOf = ({ origin, pathname }: URL): string => `${origin}${pathname}`

const ports: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80 }

function placeOf({ protocol, port, hostname }: URL): [host: string, port: number] {
  // The other protocols are those of SOCKS proxies.
  return [hostname.replace(/^\[|\]$/g, ''), port === '' ? (ports[protocol] ?? 1080) : Number(port)]
}

/** The proxy that the core uses for this URL, or the error if it cannot be used. */
function proxyFor({ href }: URL): { variable: string; url: string } | null | TokenError {
  try {
    return unwrap(native().proxy(JSON.stringify({ url: href, environment: networkVariables() })))
  } catch (error) {
    if (error instanceof TokenError) return error
    throw error
  }
}

async function connectionFault(host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port, timeout: connectMs })
  try {
    await Promise.race([
      once(socket, 'connect'),
      once(socket, 'timeout').then(() => {
        throw new Error(`no connection within ${connectMs / 1000} s`)
      }),
    ])
    return undefined
  } catch (error) {
    return codeOf(error)
  } finally {
    socket.destroy()
  }
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** One login, reported as its steps. */
async function* logIn(service: TokenService, url: URL): AsyncGenerator<Finding, void> {
  await settledStatus(service)
  const outcome = await service.refresh().catch((error: unknown) => error)
  const error = outcome instanceof TokenError ? outcome : undefined
  if (error === undefined && outcome instanceof Error) throw outcome
  const isTls = url.protocol === 'https:'
  if (error?.code === 'ERR_TOKEN_TLS') return yield fail('tls', error.message, adviceFor(error), error)
  yield isTls
    ? pass('tls', 'the certificate is accepted')
    : warn('tls', 'http: credentials are sent in clear text', 'Use https except on this machine.')
  yield await clock(url)
  if (error?.code === 'ERR_TOKEN_CONFIG') {
    const check = error.field === fileVariable('TOKEN_ENCRYPTION_KEY') ? 'key' : 'credential'
    return yield fail(check, error.message, configurationAdvice(error), error)
  }
  if (error && error.code !== 'ERR_TOKEN_CREDENTIALS') {
    return yield fail('endpoint', error.message, adviceFor(error), error)
  }
  if (error) {
    yield pass('endpoint', `${addressOf(url)} is a token or login endpoint`)
    return yield fail('credential', error.message, adviceFor(error), error)
  }
  const status = outcome as TokenStatus
  yield pass('endpoint', status.strategy?.endpoint ?? addressOf(url))
  yield obtained(status)
}

/** One login with the key file of a service account, which names the server. */
async function* logInWithAccount(service: TokenService): AsyncGenerator<Finding, void> {
  const outcome = await service.refresh().catch((error: unknown) => error)
  if (outcome instanceof TokenError) {
    const advice = outcome.code === 'ERR_TOKEN_CONFIG' ? configurationAdvice(outcome) : adviceFor(outcome)
    return yield fail('credential', outcome.message, advice, outcome)
  }
  if (outcome instanceof Error) throw outcome
  const status = outcome as TokenStatus
  yield pass('endpoint', status.strategy?.endpoint ?? 'named by the key file')
  yield obtained(status)
}

function obtained({ strategy, expiresInSeconds }: TokenStatus): Finding {
  const left =
    expiresInSeconds === null ? 'without an expiry' : `that is valid for ${formatDuration(expiresInSeconds)}`
  const life = `obtained a token ${left}, with ${strategy?.grant} (${strategy?.format})`
  return strategy?.grant === 'password'
    ? warn(
        'credential',
        life,
        'RFC 9700 §2.4 forbids the password grant for new servers: prefer client credentials.',
      )
    : pass('credential', life)
}

/** Compares the clocks by the `Date` header of any response of the server (RFC 9110 §6.6.1). */
async function clock(url: URL): Promise<Finding> {
  let date: string | null = null
  try {
    const response = await fetch(url.origin, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(connectMs),
    })
    date = response.headers.get('date')
  } catch {
    return skip('clock', 'the server did not respond to a request for its time')
  }
  const theirs = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(theirs)) return skip('clock', 'the server does not send its time')
  const behind = (theirs - Date.now()) / 1000
  if (Math.abs(behind) <= clockTolerance) return pass('clock', 'matches the server’s clock')
  const how = `${formatDuration(Math.abs(behind))} ${behind > 0 ? 'behind' : 'ahead of'} the server’s`
  return fail(
    'clock',
    `this machine’s clock is ${how}`,
    'Correct the clock that is wrong (NTP): tokens and signed requests depend on the time.',
  )
}

async function key({ encryptionKey, storage }: TokenServiceConfig): Promise<Finding> {
  if (storage?.kind === 'memory') return skip('key', 'nothing is stored')
  const error = await readDecryptError()
  if (error) {
    const decryptError = new TokenError('ERR_TOKEN_DECRYPT', error)
    return fail('key', error, adviceFor(decryptError), decryptError)
  }
  if (encryptionKey === undefined) {
    return warn(
      'key',
      'derived from the credential',
      'Set TOKEN_ENCRYPTION_KEY (`npx evertoken keygen`), so that stored tokens can still be decrypted after the credential changes.',
    )
  }
  if (typeof encryptionKey === 'object' && 'path' in encryptionKey)
    return pass('key', fileVariable('TOKEN_ENCRYPTION_KEY'))
  const count = Array.isArray(encryptionKey) ? encryptionKey.length : 1
  return pass(
    'key',
    count === 1 ? 'TOKEN_ENCRYPTION_KEY' : `TOKEN_ENCRYPTION_KEY, ${count} keys: the first encrypts`,
  )
}

/** Why the token stored under the configured service's name cannot be decrypted; it is only read. */
async function readDecryptError(): Promise<string | undefined> {
  let error: string | undefined
  const note = (message: string, { code }: { code?: string } = {}): void => {
    if (code === 'ERR_TOKEN_DECRYPT') error = message.replace(/^evertoken\[[^\]]*\] /, '')
  }
  const stored = initializeTokenService({ logger: { debug() {}, info() {}, warn: note, error() {} } })
  await settledStatus(stored)
  await stored.shutdown()
  return error
}
