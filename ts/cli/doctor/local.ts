import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP } from 'node:net'
import type { TokenServiceConfig, TokenStatus } from '../../../index'
import { configFromEnv } from '../../config/env'
import { variableOf } from '../../support/env-table'
import { adviceFor } from '../../support/error-table'
import { TokenError } from '../../support/errors'
import { native, unwrap } from '../../binding/native'
import { networkVariables } from '../../binding/network-variables'
import { settledStatus, type TokenService } from '../../service/token-service'
import { initializeTokenService } from '../../service/registry'
import type { Dotenv } from '../dotenv'
import { formatDuration } from '../terminal'
import { fail, pass, skip, storageFinding, warn, type Finding } from './finding'

/** How far two clocks may be apart: tokens and signed requests are refused from about here on. */
const clockTolerance = 60
const connectMs = 5000

/**
 * Goes from what everything else rests on to what rests on everything else, so that the first failure is the cause.
 */
export async function* checkLocal({ files, expanded }: Dotenv): AsyncGenerator<Finding, void> {
  for (const each of expanded) yield expansion(each)
  const begun = begin()
  if (begun instanceof TokenError) return yield initializationFinding(begun)
  const { config, service, storeFaults, remarks } = begun
  try {
    yield pass('environment', `complete; read ${['the environment', ...files].join(', ')}`)
    // What is remarked of the values is logged by then.
    await settledStatus(service)
    yield* reportRemarks(remarks)
    const place = config.authUrl ?? config.issuer
    if (place === undefined) {
      yield warn(
        'credential',
        'a manual token and nothing to refresh it with',
        'Set EXTERNAL_AUTH_URL and a credential.',
      )
    } else if (yield* reach(new URL(place))) {
      yield* logIn(service, new URL(place))
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
  /** What the log said of the store. */
  storeFaults: string[]
  /** Warnings that belong to no check: of values that are allowed, and most likely not meant. */
  remarks: string[]
}

function* reportRemarks(remarks: string[]): Generator<Finding, void> {
  for (const remark of remarks.splice(0)) yield warn('values', remark, 'Check the variable where it is set.')
}

function expansion({ variable, file }: { variable: string; file: string }): Finding {
  const detail = `${variable} has a $ in ${file}, and Next.js replaced what follows it`
  return warn('values', detail, 'Write \\$ for each $ (docs/configuration.md has the rules of each loader).')
}

function begin(): Begun | TokenError {
  const storeFaults: string[] = []
  const remarks: string[] = []
  const note = (line: string, { code }: { code?: string } = {}): void => {
    const message = line.replace(/^evertoken\[[^\]]*\] /, '')
    if (code === 'ERR_TOKEN_STORAGE') storeFaults.push(message)
    // Clear text has a check of its own.
    else if (code === undefined && !message.includes('in clear text')) remarks.push(message)
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

function initializationFinding(error: TokenError): Finding {
  if (error.code !== 'ERR_TOKEN_CONFIG') return fail('addon', error.message, adviceFor(error), error)
  return fail('environment', error.message, configurationAdvice(error), error)
}

/** What to do about a value that is wrong: where to set it. */
function configurationAdvice({ field }: TokenError): string {
  const variable = field === undefined ? undefined : variableOf(field.split('.')[0]!)
  const where = variable ?? field ?? 'the configuration'
  return `Set ${where} in the environment or in a .env file of this folder.`
}

/** The way to the server, up to the first step that fails; whether there was none. */
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
    yield pass('name', isIP(host) ? `${what} is an address` : `${what} is ${address}`)
  } catch (error) {
    yield fail(
      'name',
      `${what} cannot be found: ${codeOf(error)}`,
      `Check the host name in ${proxy?.variable ?? addressOf(url)}.`,
    )
    return false
  }
  const error = await connectionFault(host, port)
  if (error === undefined) {
    yield pass('connection', `${what} answers on port ${port}`)
    return true
  }
  const remedy = 'Check the port, that the server runs, and that no firewall is between.'
  yield fail('connection', `${what} does not answer on port ${port}: ${error}`, remedy)
  return false
}

/** Without the query, which may hold a key. */
const addressOf = ({ origin, pathname }: URL): string => `${origin}${pathname}`

const ports: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80 }

function placeOf({ protocol, port, hostname }: URL): [host: string, port: number] {
  // What is neither is a SOCKS proxy.
  return [hostname.replace(/^\[|\]$/g, ''), port === '' ? (ports[protocol] ?? 1080) : Number(port)]
}

/** The proxy that requests to this URL go through, as the core has it; its error for one that cannot be used. */
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
        throw new Error(`no answer within ${connectMs / 1000} s`)
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

/** One login, told as the steps it is made of. */
async function* logIn(service: TokenService, url: URL): AsyncGenerator<Finding, void> {
  await settledStatus(service)
  const outcome = await service.refresh().catch((error: unknown) => error)
  const error = outcome instanceof TokenError ? outcome : undefined
  if (error === undefined && outcome instanceof Error) throw outcome
  const isTls = url.protocol === 'https:'
  if (error?.code === 'ERR_TOKEN_TLS') return yield fail('tls', error.message, adviceFor(error), error)
  yield isTls
    ? pass('tls', 'the certificate is accepted')
    : warn('tls', 'http: credentials cross in clear text', 'Use https beyond this machine.')
  yield await clock(url)
  if (error?.code === 'ERR_TOKEN_CONFIG') {
    return yield fail('credential', error.message, configurationAdvice(error), error)
  }
  if (error && error.code !== 'ERR_TOKEN_CREDENTIALS') {
    return yield fail('endpoint', error.message, adviceFor(error), error)
  }
  if (error) {
    yield pass('endpoint', `${addressOf(url)} answers as one`)
    return yield fail('credential', error.message, adviceFor(error), error)
  }
  const { strategy, expiresInSeconds } = outcome as TokenStatus
  yield pass('endpoint', strategy?.endpoint ?? addressOf(url))
  const life = `a token for ${formatDuration(expiresInSeconds ?? 0)}, by ${strategy?.grant} (${strategy?.format})`
  yield strategy?.grant === 'password'
    ? warn(
        'credential',
        life,
        'RFC 9700 §2.4 rules the password grant out for new servers: prefer client credentials.',
      )
    : pass('credential', life)
}

/** Compares the clocks by the `Date` of any answer of the server (RFC 9110 §6.6.1). */
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
    return skip('clock', 'the server cannot be asked for its time')
  }
  const theirs = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(theirs)) return skip('clock', 'the server does not tell its time')
  const behind = (theirs - Date.now()) / 1000
  if (Math.abs(behind) <= clockTolerance) return pass('clock', 'agrees with the server’s')
  const how = `${formatDuration(Math.abs(behind))} ${behind > 0 ? 'behind' : 'ahead of'} the server’s`
  return fail(
    'clock',
    `this machine’s clock is ${how}`,
    'Set one of the two right (NTP): signed requests and tokens depend on it.',
  )
}

async function key({ encryptionKey, storage }: TokenServiceConfig): Promise<Finding> {
  if (storage?.kind === 'memory') return skip('key', 'nothing is stored')
  const error = await faultOfTheStored()
  if (error) {
    const decryptError = new TokenError('ERR_TOKEN_DECRYPT', error)
    return fail('key', error, adviceFor(decryptError), decryptError)
  }
  if (encryptionKey === undefined) {
    return warn(
      'key',
      'derived from the credential',
      'Set TOKEN_ENCRYPTION_KEY (`npx evertoken keygen`): a changed password then costs no login.',
    )
  }
  const count = Array.isArray(encryptionKey) ? encryptionKey.length : 1
  return pass(
    'key',
    count === 1 ? 'TOKEN_ENCRYPTION_KEY' : `TOKEN_ENCRYPTION_KEY, ${count} keys: the first seals`,
  )
}

/** Why the token that is stored under the configured service's name does not open; looked at, and left as it is. */
async function faultOfTheStored(): Promise<string | undefined> {
  let error: string | undefined
  const note = (message: string, { code }: { code?: string } = {}): void => {
    if (code === 'ERR_TOKEN_DECRYPT') error = message.replace(/^evertoken\[[^\]]*\] /, '')
  }
  const stored = initializeTokenService({ logger: { debug() {}, info() {}, warn: note, error() {} } })
  await settledStatus(stored)
  await stored.shutdown()
  return error
}
