import type { Logger } from '../index'
import { configFromEnv, withEnvironment } from './env'
import { configError } from './errors'
import { assertObject, toPlain, toPlainObject, type Json, type JsonObject } from './plain'
import { hasFunctions, isPrismaClient, isTokenStore, storageFromDatabase } from './storage'

/** A configuration, parted into what crosses to the core and what stays on this side. */
export interface Split {
  /** Plain data, completed from the environment. The core checks whatever plain data can get wrong. */
  plain: JsonObject
  logger: Logger | undefined
}

/**
 * Parts the arguments of `initializeTokenService`.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the field that is no plain data.
 */
export function splitConfig(config: unknown, useDatabase: unknown, database: unknown): Split {
  if (config !== undefined) assertObject(config, 'config')
  if (useDatabase !== undefined && typeof useDatabase !== 'boolean') {
    throw configError('useDatabase', 'must be true or false')
  }
  const { logger, storage, ...rest } = config ?? {}
  const chosen = plainStorage(useDatabase === true ? storageFromDatabase(database) : storage)
  const code = toPlainObject(rest)
  if (chosen !== undefined) code['storage'] = chosen
  // A storage that the code names makes the environment's irrelevant, even where it cannot be understood.
  const env = chosen === undefined ? process.env : { ...process.env, EVERTOKEN_STORAGE: undefined }
  return { plain: withEnvironment(code, configFromEnv(env)) as JsonObject, logger: checkedLogger(logger) }
}

/** The storage without what only this side can call. */
function plainStorage(storage: unknown): Json | undefined {
  if (storage === undefined) return undefined
  assertObject(storage, 'storage')
  if (storage['kind'] === 'prisma') {
    const { client, ...rest } = storage
    if (!isPrismaClient(client)) {
      throw configError(
        'storage.client',
        'must be a Prisma client with a tokenCache model (findUnique, upsert, deleteMany)',
      )
    }
    return toPlain(rest, 'storage')
  }
  if (storage['kind'] === 'custom') {
    const { store, ...rest } = storage
    if (!isTokenStore(store))
      throw configError('storage.store', 'must have the functions get, set and delete')
    return toPlain(rest, 'storage')
  }
  return toPlain(storage, 'storage')
}

function checkedLogger(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined
  if (!hasFunctions(logger, ['debug', 'info', 'warn', 'error'])) {
    throw configError('logger', 'must have the functions debug, info, warn and error')
  }
  return logger as Logger
}
