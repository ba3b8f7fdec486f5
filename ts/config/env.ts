import type { TokenServiceConfig } from '../../index'
import { envTable, variableOf, type EnvVariable } from '../support/env-table'
import { configError } from '../support/errors'
import { isFunction } from './functions'
import { storageFromText } from './storage'

/**
 * The variables that the fields of a configuration come from, by field: those that the code does not set, and
 * those for which the code passes on the text of the variable.
 */
export function variablesOf(config: Fields, env: TokenServiceConfig): Record<string, string> {
  const names: Record<string, string> = {}
  for (const [field, value] of Object.entries(env)) {
    const variable = variableOf(field)
    if (variable !== undefined && config[field] === value) names[field] = variable
  }
  return names
}

type Environment = Record<string, string | undefined>

/** A configuration from the environment; documented in `index.d.ts`. */
export function configFromEnv(env: Environment = process.env): TokenServiceConfig {
  return configWithout([], env)
}

/** The same, but these variables count as unset, so that even an invalid text of them has no effect. */
export function configWithout(
  ignored: readonly string[],
  env: Environment = process.env,
): TokenServiceConfig {
  const config: Record<string, unknown> = {}
  for (const { name, field, kind } of envTable) {
    if (field === null || ignored.includes(name)) continue
    // One by one: a copy of `process.env` costs as much as all variables of the process.
    const text = read(env, name)
    const value = text === undefined ? undefined : parse(text, kind, name)
    if (value !== undefined) config[field] = value
  }
  return config as TokenServiceConfig
}

/** The value that this text of a variable stands for; `undefined` where it holds none. */
function parse(text: string, kind: EnvVariable['kind'], name: string): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'trimmed':
    case 'word':
      return text.trim()
    case 'form':
      return parametersFromText(text, name)
    case 'storage':
      return storageFromText(text.trim(), name)
    case 'list': {
      const items = text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
      return items.length > 1 ? items : items[0]
    }
  }
}

/**
 * The parameters in form text; a repeated name has a list.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable, without its text, which may contain a secret.
 */
function parametersFromText(text: string, name: string): Record<string, string | string[]> {
  const pairs = text
    .trim()
    .split('&')
    .filter((pair) => pair !== '')
  if (/^[{["'`]/.test(text.trim()) || pairs.some((pair) => pair.indexOf('=') < 1)) {
    throw configError(
      name,
      'must be form-encoded, without quotes around it, such as account_id=7&tenant=blue',
    )
  }
  const form = new URLSearchParams(pairs.join('&'))
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name)
      return [name, values.length === 1 ? values[0]! : values]
    }),
  )
}

/** The variable's text; one that is empty or blank counts as unset. */
function read(env: Environment, variable: string): string | undefined {
  const text = env[variable]
  return text === undefined || text.trim() === '' ? undefined : text
}

type Fields = Readonly<Record<string, unknown>>

/** The fields of a token request that a variable can set. A function as `login` makes its own request. */
const requestFields = [
  'authUrl',
  'issuer',
  'clientId',
  'clientSecret',
  'privateKey',
  'scope',
  'audience',
  'parameters',
  'email',
  'username',
  'password',
] as const satisfies readonly (keyof TokenServiceConfig)[]

/**
 * Each field from the code, else from the environment, which never completes the code with something that contradicts
 * it. The rules are documented at `configFromEnv` in `index.d.ts`.
 */
export function withEnvironment(code: Fields, env: TokenServiceConfig): Record<string, unknown> {
  const says = (...fields: string[]): boolean => fields.some((field) => code[field] !== undefined)
  const leftOut = new Set<string>()
  const leaveOut = (...fields: (keyof TokenServiceConfig)[]): void => {
    for (const field of fields) leftOut.add(field)
  }

  if (says('authUrl', 'issuer')) leaveOut('authUrl', 'issuer')
  if (says('email', 'username')) leaveOut('email', 'username')
  const saysProof = says('clientSecret', 'privateKey', 'clientCertificate')
  if (saysProof || code['clientAuthentication'] === 'none') leaveOut('clientSecret', 'privateKey')
  if (code['dpop'] === true) leaveOut('header')
  if (isFunction(code['login'])) leaveOut(...requestFields)
  const isClient = says('clientId') && saysProof
  const isLogin = says('email', 'username') && says('password')
  if (!says('grant')) {
    // Parameters, too, may contain secrets of the service in the environment.
    if (isClient && !says('email', 'username', 'password')) {
      leaveOut('email', 'username', 'password', 'parameters')
    }
    if (isLogin && !says('clientId') && !saysProof) {
      leaveOut('clientId', 'clientSecret', 'privateKey', 'parameters')
    }
  }
  // Without a prototype, so that every key is an ordinary one, even `__proto__`.
  const fields = Object.create(null) as Record<string, unknown>
  for (const [field, value] of Object.entries(env)) if (!leftOut.has(field)) fields[field] = value
  for (const [field, value] of Object.entries(code)) if (value !== undefined) fields[field] = value
  return fields
}
