import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP } from 'node:net'
import type { TokenServiceConfig, TokenStatus } from '../../index'
import { configFromEnv, variableOf } from '../env'
import { TokenError } from '../errors'
import { native, unwrap } from '../native'
import { networkEnvironment } from '../network'
import { settled, type TokenService } from '../service'
import { initializeTokenService } from '../services'
import type { Dotenv } from './dotenv'
import { inWords, serverWords } from './terminal'

/** What came of one check. */
export interface Finding {
  readonly check: string
  readonly outcome: 'passed' | 'warned' | 'failed' | 'skipped'
  readonly detail: string
  /** What to do about it. */
  readonly remedy?: string
  /** The token server's own words. */
  readonly said?: string
  /** The page that explains it. */
  readonly help?: string
}

/** How far two clocks may be apart: tokens and signed requests are refused from about here on. */
const clockTolerance = 60
const connectMs = 5000

export const passed = (check: string, detail: string): Finding => ({ check, outcome: 'passed', detail })
export const warned = (check: string, detail: string, remedy: string): Finding => ({ check, outcome: 'warned', detail, remedy })
export const failed = (check: string, detail: string, remedy: string, fault?: TokenError): Finding =>
  ({ check, outcome: 'failed', detail, remedy, ...(fault && { ...wordsOf(fault), help: fault.help }) })
const wordsOf = (fault: TokenError): { said?: string } => {
  const said = serverWords(fault)
  return said === undefined ? {} : { said }
}
const skipped = (check: string, detail: string): Finding => ({ check, outcome: 'skipped', detail })

/**
 * Goes from what everything else rests on to what rests on everything else, so that the first failure is the cause.
 */
export async function* examine({ files, expanded }: Dotenv): AsyncGenerator<Finding, void> {
  for (const each of expanded) yield expansion(each)
  const begun = begin()
  if (begun instanceof TokenError) return yield environmentFault(begun)
  const { config, service, storeFaults, remarks } = begun
  try {
    yield passed('environment', `complete; read ${['the environment', ...files].join(', ')}`)
    // What is remarked of the values is logged by then.
    await settled(service)
    yield* told(remarks)
    const place = config.authUrl ?? config.issuer
    if (place === undefined) {
      yield warned('credential', 'a manual token and nothing to refresh it with', 'Set EXTERNAL_AUTH_URL and a credential.')
    } else if (yield* reach(new URL(place))) {
      yield* logIn(service, new URL(place))
    }
    yield storage(await settled(service), storeFaults)
    yield await key(config)
    yield* told(remarks)
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

function* told(remarks: string[]): Generator<Finding, void> {
  for (const remark of remarks.splice(0)) yield warned('values', remark, 'Check the variable where it is set.')
}

function expansion({ variable, file }: { variable: string; file: string }): Finding {
  const detail = `${variable} has a $ in ${file}, and Next.js replaced what follows it`
  return warned('values', detail, 'Write \\$ for each $ (docs/configuration.md has the rules of each loader).')
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

function environmentFault(fault: TokenError): Finding {
  const { code, message, field } = fault
  if (code !== 'ERR_TOKEN_CONFIG') {
    return failed('addon', message, 'Run `npm install` again on this platform, with optional dependencies.', fault)
  }
  const variable = field === undefined ? undefined : variableOf(field.split('.')[0]!)
  const where = variable ?? field ?? 'the configuration'
  return failed('environment', message, `Set ${where} in the environment or in a .env file of this folder.`, fault)
}

/** The way to the server, up to the first step that fails; whether there was none. */
async function* reach(url: URL): AsyncGenerator<Finding, boolean> {
  const proxy = proxyFor(url)
  if (proxy instanceof TokenError) {
    yield failed('name', proxy.message, `Correct ${proxy.field}, or exempt the host with NO_PROXY.`, proxy)
    return false
  }
  const [host, port] = placeOf(proxy ? new URL(proxy.url) : url)
  const what = proxy ? `the proxy ${host} (${proxy.variable})` : host
  try {
    const address = isIP(host) ? host : (await lookup(host)).address
    yield passed('name', isIP(host) ? `${what} is an address` : `${what} is ${address}`)
  } catch (error) {
    yield failed('name', `${what} cannot be found: ${codeOf(error)}`, `Check the host name in ${proxy?.variable ?? addressOf(url)}.`)
    return false
  }
  const fault = await connectionFault(host, port)
  if (fault === undefined) {
    yield passed('connection', `${what} answers on port ${port}`)
    return true
  }
  const remedy = 'Check the port, that the server runs, and that no firewall is between.'
  yield failed('connection', `${what} does not answer on port ${port}: ${fault}`, remedy)
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
    return unwrap(native().proxy(JSON.stringify({ url: href, environment: networkEnvironment() })))
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
  await settled(service)
  const outcome = await service.refresh().catch((error: unknown) => error)
  const fault = outcome instanceof TokenError ? outcome : undefined
  if (fault === undefined && outcome instanceof Error) throw outcome
  const isTls = url.protocol === 'https:'
  if (fault?.code === 'ERR_TOKEN_TLS') return yield failed('tls', fault.message, tlsRemedy, fault)
  yield isTls ? passed('tls', 'the certificate is accepted') : warned('tls', 'http: credentials cross in clear text', 'Use https beyond this machine.')
  yield await clock(url)
  if (fault?.code === 'ERR_TOKEN_NETWORK' || fault?.code === 'ERR_TOKEN_TIMEOUT') {
    return yield failed('endpoint', fault.message, 'Check that a token or login endpoint answers there.', fault)
  }
  if (fault && fault.code !== 'ERR_TOKEN_CREDENTIALS') {
    return yield failed('endpoint', fault.message, endpointRemedies[fault.code] ?? 'Check EXTERNAL_AUTH_URL.', fault)
  }
  if (fault) {
    yield passed('endpoint', `${addressOf(url)} answers as one`)
    return yield failed('credential', fault.message, 'Check the password or the client secret.', fault)
  }
  const { strategy, expiresInSeconds } = outcome as TokenStatus
  yield passed('endpoint', strategy?.endpoint ?? addressOf(url))
  const left = expiresInSeconds === null ? 'without an end' : `for ${inWords(expiresInSeconds)}`
  const life = `a token ${left}, by ${strategy?.grant} (${strategy?.format})`
  yield strategy?.grant === 'password'
    ? warned('credential', life, 'RFC 9700 §2.4 rules the password grant out for new servers: prefer client credentials.')
    : passed('credential', life)
}

const tlsRemedy =
  'Give the server’s certificate authority in `ca`, or in the file that NODE_EXTRA_CA_CERTS names.'

const endpointRemedies: Readonly<Record<string, string>> = {
  ERR_TOKEN_ENDPOINT: 'Set EXTERNAL_AUTH_URL to the address of the token or login endpoint, as the server’s manual has it.',
  ERR_TOKEN_RESPONSE: 'Something answers there without a token: check the path and the credential, or set where the token is (`login.tokenPath`).',
  ERR_TOKEN_RATE_LIMITED: 'The server limits requests: wait, and try again.',
}

/** Compares the clocks by the `Date` of any answer of the server (RFC 9110 §6.6.1). */
async function clock(url: URL): Promise<Finding> {
  let date: string | null = null
  try {
    const response = await fetch(url.origin, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(connectMs) })
    date = response.headers.get('date')
  } catch {
    return skipped('clock', 'the server cannot be asked for its time')
  }
  const theirs = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(theirs)) return skipped('clock', 'the server does not tell its time')
  const behind = (theirs - Date.now()) / 1000
  if (Math.abs(behind) <= clockTolerance) return passed('clock', 'agrees with the server’s')
  const how = `${inWords(Math.abs(behind))} ${behind > 0 ? 'behind' : 'ahead of'} the server’s`
  return failed('clock', `this machine’s clock is ${how}`, 'Set one of the two right (NTP): signed requests and tokens depend on it.')
}

export function storage({ storage: { kind, location, encrypted, healthy } }: TokenStatus, faults: readonly string[]): Finding {
  if (!healthy || faults.length > 0) {
    const detail = faults.at(-1) ?? `${location} cannot be used`
    return failed('storage', detail, 'Give the user of this process the right to write there, or set EVERTOKEN_STORAGE.')
  }
  if (kind === 'memory') {
    return warned('storage', 'memory: each process and each restart logs in anew', 'Set EVERTOKEN_STORAGE to share the token.')
  }
  return passed('storage', `${kind}, ${location}, ${encrypted ? 'sealed' : 'not sealed'}`)
}

async function key({ encryptionKey, storage }: TokenServiceConfig): Promise<Finding> {
  if (storage?.kind === 'memory') return skipped('key', 'nothing is stored')
  const fault = await faultOfTheStored()
  if (fault) {
    const remedy = 'Give the key that it was sealed with, too (TOKEN_ENCRYPTION_KEY=new,old), or let the next login replace it.'
    return failed('key', fault, remedy, new TokenError('ERR_TOKEN_DECRYPT', fault))
  }
  if (encryptionKey === undefined) {
    return warned('key', 'derived from the credential', 'Set TOKEN_ENCRYPTION_KEY (`npx evertoken keygen`): a changed password then costs no login.')
  }
  const count = Array.isArray(encryptionKey) ? encryptionKey.length : 1
  return passed('key', count === 1 ? 'TOKEN_ENCRYPTION_KEY' : `TOKEN_ENCRYPTION_KEY, ${count} keys: the first seals`)
}

/** Why the token that is stored under the configured service's name does not open; looked at, and left as it is. */
async function faultOfTheStored(): Promise<string | undefined> {
  let fault: string | undefined
  const note = (message: string, { code }: { code?: string } = {}): void => {
    if (code === 'ERR_TOKEN_DECRYPT') fault = message.replace(/^evertoken\[[^\]]*\] /, '')
  }
  const stored = initializeTokenService({ logger: { debug() {}, info() {}, warn: note, error() {} } })
  await settled(stored)
  await stored.shutdown()
  return fault
}
