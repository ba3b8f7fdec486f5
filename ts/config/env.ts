import type { TokenServiceConfig } from '../../index'
import { envTable, fileVariable, variableOf, type EnvVariable } from '../support/env-table'
import { configError } from '../support/errors'
import { isObject } from '../support/user-code'
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
    if (variable === undefined || !isSame(config[field], value)) continue
    names[field] = pathIn(value) === undefined ? variable : fileVariable(variable)
  }
  return names
}

function isSame(value: unknown, ofVariable: unknown): boolean {
  const path = pathIn(ofVariable)
  return value === ofVariable || (path !== undefined && pathIn(value) === path)
}

/** The path of a secret in a file. A storage has a path, too, but also a kind. */
function pathIn(value: unknown): unknown {
  return isObject(value) && Object.keys(value).join() === 'path' ? value['path'] : undefined
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
  for (const row of envTable as readonly EnvVariable[]) {
    const { name, field, kind } = row
    if (field === null || ignored.includes(name)) continue
    // One by one: a copy of `process.env` costs as much as all variables of the process.
    const text = read(env, name)
    const path = pathFrom(env, row)
    const value = path !== undefined ? { path } : text === undefined ? undefined : parse(text, kind, name)
    if (value !== undefined) config[field] = value
  }
  return config as TokenServiceConfig
}

/**
 * The path of the file with the secret of a variable, if the environment names one.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable of the file if the other one is set, too.
 */
export function pathFrom(env: Environment, row: EnvVariable): string | undefined {
  const { name, hasFile } = row
  if (isContradictory(env, row))
    throw configError(fileVariable(name), `cannot be combined with ${name}: set only one of them`)
  return hasFile ? read(env, fileVariable(name))?.trim() : undefined
}

function isContradictory(env: Environment, { name, hasFile }: EnvVariable): boolean {
  return hasFile === true && read(env, name) !== undefined && read(env, fileVariable(name)) !== undefined
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
    case 'path':
      return { path: text.trim() }
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
  'clientAssertion',
  'scope',
  'audience',
  'parameters',
  'email',
  'username',
  'password',
] as const satisfies readonly (keyof TokenServiceConfig)[]

/** Each field from the code, else from the environment, except what {@link leftOutBy} names. */
export function withEnvironment(code: Fields, env: TokenServiceConfig): Record<string, unknown> {
  const leftOut = leftOutBy(code)
  // Without a prototype, so that every key is an ordinary one, even `__proto__`.
  const fields = Object.create(null) as Record<string, unknown>
  for (const [field, value] of Object.entries(env)) if (!leftOut.has(field)) fields[field] = value
  for (const [field, value] of Object.entries(code)) if (value !== undefined) fields[field] = value
  return fields
}

/**
 * The fields that the environment does not complete the code with, because they would contradict it. The rules are
 * documented at `configFromEnv` in `index.d.ts`.
 */
function leftOutBy(code: Fields): ReadonlySet<string> {
  const says = (...fields: string[]): boolean => fields.some((field) => code[field] !== undefined)
  const leftOut = new Set<string>()
  const leaveOut = (...fields: (keyof TokenServiceConfig)[]): void => {
    for (const field of fields) leftOut.add(field)
  }

  if (says('authUrl', 'issuer')) leaveOut('authUrl', 'issuer')
  if (says('email', 'username')) leaveOut('email', 'username')
  const saysProof = says('clientSecret', 'privateKey', 'clientCertificate', 'clientAssertion')
  if (saysProof || code['clientAuthentication'] === 'none') {
    leaveOut('clientSecret', 'privateKey', 'clientAssertion')
  }
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
      leaveOut('clientId', 'clientSecret', 'privateKey', 'clientAssertion', 'parameters')
    }
    // The grant of the environment is the one for its credentials.
    if (isClient || says('password', 'refreshToken')) leaveOut('grant')
    if (says('refreshToken')) leaveOut('email', 'username', 'password')
    else if (isClient || says('password')) leaveOut('refreshToken')
  } else if (code['grant'] !== 'refresh_token') {
    leaveOut('refreshToken')
  }
  return leftOut
}

/** The variables that are invalid, or may be, and have no effect next to this code. */
export function irrelevantVariables(code: Fields, env: Environment = process.env): string[] {
  const leftOut = leftOutBy(code)
  const rows = (envTable as readonly EnvVariable[]).filter((row) => {
    const { field, kind } = row
    const isUnused = field !== null && (code[field] !== undefined || leftOut.has(field))
    return isUnused && (kind === 'form' || kind === 'storage' || isContradictory(env, row))
  })
  return rows.map(({ name }) => name)
}
