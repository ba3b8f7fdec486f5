import type { TokenServiceConfig } from '../../index'
import { configError } from '../support/errors'
import { storageFromText } from './storage'

const variables = {
  authUrl: 'EXTERNAL_AUTH_URL',
  issuer: 'OAUTH_ISSUER',
  email: 'EXTERNAL_API_EMAIL',
  username: 'EXTERNAL_API_USERNAME',
  password: 'EXTERNAL_API_PASSWORD',
  clientId: 'OAUTH_CLIENT_ID',
  clientSecret: 'OAUTH_CLIENT_SECRET',
  privateKey: 'OAUTH_PRIVATE_KEY',
  scope: 'OAUTH_SCOPE',
  audience: 'OAUTH_AUDIENCE',
  token: 'EXTERNAL_API_TOKEN',
  header: 'EXTERNAL_API_HEADER',
} as const satisfies Partial<Record<keyof TokenServiceConfig, string>>

/** All that may be in a `.env` file for evertoken and hold a secret or an address. */
export const variableNames = (): string[] => [...Object.values(allVariables), 'EVERTOKEN_ADMIN_SECRET']

/** The variable of a field of the configuration, where it has one. */
export function variableOf(field: string): string | undefined {
  return Object.hasOwn(allVariables, field) ? allVariables[field] : undefined
}

const allVariables: Readonly<Record<string, string>> = {
  ...variables,
  parameters: 'OAUTH_PARAMETERS',
  encryptionKey: 'TOKEN_ENCRYPTION_KEY',
  storage: 'EVERTOKEN_STORAGE',
}

/**
 * The variables that the fields of a configuration come from, by field: those that nothing in the code says, and
 * those where the code hands on the text of the variable.
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
  const config: TokenServiceConfig = {}
  for (const [field, variable] of Object.entries(variables) as [keyof typeof variables, string][]) {
    const text = read(env, variable)
    if (text !== undefined) config[field] = field === 'header' ? text.trim() : text
  }
  const parameters = read(env, 'OAUTH_PARAMETERS')
  if (parameters !== undefined) config.parameters = parametersFromText(parameters)
  const keys = read(env, 'TOKEN_ENCRYPTION_KEY')
    ?.split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
  if (keys !== undefined && keys.length > 0) config.encryptionKey = keys.length === 1 ? keys[0]! : keys
  const storage = read(env, 'EVERTOKEN_STORAGE')
  if (storage !== undefined) config.storage = storageFromText(storage.trim(), 'EVERTOKEN_STORAGE')
  return config
}

/**
 * The parameters in form text; a name that is repeated has a list.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable, and without its text, which may hold a secret.
 */
function parametersFromText(text: string): Record<string, string | string[]> {
  const pairs = text.trim().split('&').filter((pair) => pair !== '')
  if (/^[{["'`]/.test(text.trim()) || pairs.some((pair) => pair.indexOf('=') < 1)) {
    throw configError('OAUTH_PARAMETERS', 'must be form text without quotes around it, such as account_id=7&tenant=blue')
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

/**
 * Each field from the code, else from the environment, which never completes what the code says with something
 * that contradicts it. The rules are told where users read them, at `configFromEnv` in `index.d.ts`.
 */
export function withEnvironment(code: Fields, env: TokenServiceConfig): Record<string, unknown> {
  const says = (...fields: string[]): boolean => fields.some((field) => code[field] !== undefined)
  const kept: Record<string, unknown> = { ...env }
  const leaveOut = (...fields: (keyof TokenServiceConfig)[]): void =>
    fields.forEach((field) => delete kept[field])

  if (says('authUrl', 'issuer')) leaveOut('authUrl', 'issuer')
  if (says('email', 'username')) leaveOut('email', 'username')
  const saysProof = says('clientSecret', 'privateKey', 'clientCertificate')
  if (saysProof || code['clientAuthentication'] === 'none') leaveOut('clientSecret', 'privateKey')
  if (code['dpop'] === true) leaveOut('header')
  const isClient = says('clientId') && saysProof
  const isLogin = says('email', 'username') && says('password')
  if (!says('grant')) {
    // Parameters may hold secrets of the environment's service, too.
    if (isClient && !says('email', 'username', 'password')) {
      leaveOut('email', 'username', 'password', 'parameters')
    }
    if (isLogin && !says('clientId') && !saysProof) {
      leaveOut('clientId', 'clientSecret', 'privateKey', 'parameters')
    }
  }
  const given = Object.entries(code).filter(([, value]) => value !== undefined)
  return { ...kept, ...Object.fromEntries(given) }
}
