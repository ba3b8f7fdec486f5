import type { Logger } from '../../index'
import type { RefusedBy } from '../support/global-state'
import { configWithout, variablesOf, withEnvironment } from './env'
import { collectFunctions, isFunction, type UserFunctions } from './functions'
import { configError } from '../support/errors'
import { assertObject, toPlain, toPlainObject, type Json, type JsonObject } from '../support/json'
import { hasFunctions } from '../support/user-code'
import { customStore } from '../stores/custom'
import { postgresClient } from '../stores/postgres'
import { prismaStore } from '../stores/prisma'
import { isRedisClient, redisStore } from '../stores/redis'
import type { Provider } from '../stores/callbacks'
import { isCustomStore, isPostgresClient, isPrismaClient, storageFromDatabase } from './storage'

/** A configuration, split into what crosses to the core and what stays on this side. */
export interface ResolvedConfig {
  /** Plain data, completed from the environment. The core validates it. */
  plain: JsonObject
  /** The environment variables that fields of `plain` come from, by field, for error messages. */
  variables: Record<string, string>
  logger: Logger | undefined
  refusedBy: RefusedBy | undefined
  /** The functions that `plain` holds markers of. */
  functions: UserFunctions
  /** A storage that only this side can reach. */
  provider: Provider | undefined
}

/**
 * Splits the arguments of `initializeTokenService`.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the field that is not plain data.
 */
export function resolveConfig(config: unknown, useDatabase: unknown, database: unknown): ResolvedConfig {
  if (config !== undefined) assertObject(config, 'config')
  if (useDatabase !== undefined && typeof useDatabase !== 'boolean') {
    throw configError('useDatabase', 'must be true or false')
  }
  const { logger, refusedBy, storage, ...rest } = config ?? {}
  const isDatabase = useDatabase === true
  const { plain: chosen, provider } = splitStorage(isDatabase ? storageFromDatabase(database) : storage)
  const functions: UserFunctions = new Map()
  const code = toPlainObject(rest, collectFunctions(functions))
  if (chosen !== undefined) code['storage'] = chosen
  // A value in code makes the variable irrelevant, even if its text is invalid.
  const irrelevant = [
    ...(chosen === undefined ? [] : ['EVERTOKEN_STORAGE']),
    ...(code['parameters'] === undefined && !isFunction(code['login']) ? [] : ['OAUTH_PARAMETERS']),
  ]
  const env = configWithout(irrelevant)
  const plain = withEnvironment(code, env) as JsonObject
  return {
    plain,
    variables: { ...variablesOf(plain, env), ...(isDatabase && { storage: 'database' }) },
    logger: checkLogger(logger),
    refusedBy: checkRefusedBy(refusedBy),
    functions,
    provider,
  }
}

/** What a URL leads to, by the kind of storage. */
const servers = new Map<unknown, string>([
  ['postgres', 'PostgreSQL database'],
  ['redis', 'Redis server'],
])

/** The storage as plain data, and the callbacks of a store on this side. */
function splitStorage(storage: unknown): { plain?: Json; provider?: Provider } {
  if (storage === undefined) return {}
  assertObject(storage, 'storage')
  if (storage['kind'] === 'prisma') {
    const { client, ...rest } = storage
    if (!isPrismaClient(client)) {
      throw configError(
        'storage.client',
        'must be a Prisma client with a tokenCache model (findUnique, upsert, deleteMany)',
      )
    }
    return { plain: toPlain(rest, 'storage'), provider: prismaStore(client) }
  }
  if (storage['kind'] === 'custom') {
    const { store, ...rest } = storage
    if (!isCustomStore(store)) {
      throw configError(
        'storage.store',
        'must have the functions read and compareAndSet, or else get, set and delete',
      )
    }
    return { plain: toPlain(rest, 'storage'), provider: customStore(store) }
  }
  if (storage['kind'] === 'postgres' && storage['client'] !== undefined) {
    const { client, ...rest } = storage
    if (rest['url'] !== undefined) throw configError('storage.client', 'cannot be combined with storage.url')
    if (!isPostgresClient(client)) {
      throw configError(
        'storage.client',
        'must be a client of a PostgreSQL database with the function query(text, values), such as a Pool of pg; or ' +
          'set storage.url',
      )
    }
    return { plain: toPlain(rest, 'storage'), provider: postgresClient(client) }
  }
  if (storage['kind'] === 'redis' && storage['client'] !== undefined) {
    const { client, ...rest } = storage
    if (rest['url'] !== undefined) throw configError('storage.client', 'cannot be combined with storage.url')
    if (!isRedisClient(client)) {
      throw configError(
        'storage.client',
        'must be a client of node-redis (4 or later), ioredis or @upstash/redis, or have a function eval',
      )
    }
    return { plain: toPlain(rest, 'storage'), provider: redisStore(client) }
  }
  const server = servers.get(storage['kind'])
  if (server !== undefined && storage['url'] === undefined) {
    const fault = 'url' in storage ? 'is undefined, but must be' : 'must be'
    throw configError('storage.url', `${fault} the URL of a ${server}, unless storage.client is set`)
  }
  return { plain: toPlain(storage, 'storage') }
}

function checkLogger(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined
  if (!hasFunctions(logger, ['debug', 'info', 'warn', 'error'])) {
    throw configError('logger', 'must have the functions debug, info, warn and error')
  }
  return logger as Logger
}

function checkRefusedBy(refusedBy: unknown): RefusedBy | undefined {
  if (refusedBy === undefined) return undefined
  if (typeof refusedBy !== 'function')
    throw configError('refusedBy', 'must be a function that takes a Response')
  return refusedBy as RefusedBy
}
