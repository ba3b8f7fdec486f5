import { optionsOf, UsageError } from '../command'
import type { Parameters } from './authorization'
import { loopbackRedirect, type LoopbackRedirect } from './redirect-uri'

/** How long a login may take, if neither `--timeout` nor the server says otherwise. */
export const defaultTimeoutSeconds = 300

/** The longest `--timeout`: a day. */
const longestTimeoutSeconds = 86_400

const options = {
  device: { type: 'boolean', default: false },
  'no-browser': { type: 'boolean', default: false },
  port: { type: 'string' },
  'redirect-uri': { type: 'string' },
  scope: { type: 'string' },
  param: { type: 'string', multiple: true },
  service: { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** Parameters that evertoken writes itself, and secrets, which must not be in a URL or in the history of a shell. */
const reserved: readonly string[] = [
  'response_type',
  'response_mode',
  'client_id',
  'redirect_uri',
  'state',
  'scope',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'code',
  'device_code',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'refresh_token',
  'password',
]

/** The options of `evertoken login`. */
export interface LoginOptions {
  /** Where the browser comes back to; `undefined` for the device grant. */
  readonly redirect: LoopbackRedirect | undefined
  readonly opensBrowser: boolean
  readonly scope: string | undefined
  readonly parameters: Parameters
  readonly service: string | undefined
  /** `undefined` without `--timeout`. */
  readonly timeoutSeconds: number | undefined
  readonly json: boolean
}

/** @throws UsageError naming the option that is wrong. */
export function loginOptions(args: readonly string[]): LoginOptions {
  const given = optionsOf('login', args, options)
  const { device, port, 'redirect-uri': redirectUri, scope } = given
  const loopbackOnly = [
    ['--port', port !== undefined],
    ['--redirect-uri', redirectUri !== undefined],
    ['--no-browser', given['no-browser']],
  ] as const
  const unused = loopbackOnly.find(([, isSet]) => device && isSet)
  if (unused) throw new UsageError(`login: ${unused[0]} cannot be combined with --device`)
  if (scope !== undefined && !/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope)) {
    throw new UsageError('login: --scope must be words separated by single spaces')
  }
  const portNumber = port === undefined ? undefined : wholeNumber('--port', port, 65_535)
  return {
    redirect: device ? undefined : loopbackRedirect(redirectUri, portNumber),
    opensBrowser: !given['no-browser'],
    scope,
    parameters: (given.param ?? []).map(parameter),
    service: given.service,
    timeoutSeconds:
      given.timeout === undefined
        ? undefined
        : wholeNumber('--timeout', given.timeout, longestTimeoutSeconds),
    json: given.json,
  }
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > most) {
    throw new UsageError(`login: ${option} must be a whole number from 1 to ${most}`)
  }
  return value
}

function parameter(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=')
  const name = text.slice(0, at)
  if (at < 1 || !/^[\w.:/-]+$/.test(name)) {
    throw new UsageError('login: --param must be NAME=VALUE, such as prompt=consent')
  }
  if (reserved.includes(name)) {
    const instead = name === 'scope' ? ': use --scope' : ', which evertoken sends itself or which is a secret'
    throw new UsageError(`login: --param must not be ${name}${instead}`)
  }
  return [name, text.slice(at + 1)]
}
