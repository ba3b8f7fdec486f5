import type {
  PostgresClient,
  PrismaTokenClient,
  SharedTokenStore,
  StorageOptions,
  TokenStore,
} from '../../index'
import { fileURLToPath } from 'node:url'
import { defaultDatabasePath } from '../support/defaults'
import { isSharedStore } from '../stores/custom'
import { configError } from '../support/errors'
import { hasFunctions, isObject } from '../support/user-code'

/** The storage that `EVERTOKEN_STORAGE` names. */
export function storageFromText(text: string, field: string): StorageOptions {
  if (text === 'memory') return { kind: 'memory' }
  if (text === 'file') return { kind: 'file' }
  const scheme = schemeOf(text)
  if (scheme === 'file') {
    const path = pathOf(text, scheme, field)
    return /\.(db|sqlite|sqlite3)$/i.test(path) ? { kind: 'sqlite', path } : { kind: 'file', path }
  }
  return (
    fromUrl(text, scheme, field) ??
    refuse(
      field,
      'must be memory, file, file:PATH, sqlite:PATH, or a URL that begins with postgres: or redis:',
    )
  )
}

/** The storage that `useDatabase` and `database` name. */
export function storageFromDatabase(database: unknown): StorageOptions {
  if (database === undefined) return { kind: 'sqlite', path: defaultDatabasePath }
  if (typeof database === 'string') {
    if (database.trim() === '') refuse('database', 'must not be empty: pass a path or a URL, or leave it out')
    const scheme = schemeOf(database)
    if (scheme === undefined) return { kind: 'sqlite', path: database }
    if (scheme === 'file') return { kind: 'sqlite', path: pathOf(database, scheme, 'database') }
    return (
      fromUrl(database, scheme, 'database') ??
      refuse(
        'database',
        `starts with ${scheme}:, but must be a path, or start with sqlite:, file:, postgres: or redis:`,
      )
    )
  }
  if (isPrismaClient(database)) return { kind: 'prisma', client: database }
  if (isCustomStore(database)) return { kind: 'custom', store: database }
  return refuse(
    'database',
    'must be a path, a URL, a Prisma client with a tokenCache model (findUnique, upsert, deleteMany) or a store ' +
      'with get, set and delete, or with read and compareAndSet',
  )
}

/** Whether it has the functions of a Prisma client that are used here. */
export function isPrismaClient(value: unknown): value is PrismaTokenClient {
  return isObject(value) && hasFunctions(value['tokenCache'], ['findUnique', 'upsert', 'deleteMany'])
}

/** Whether it has the function of a PostgreSQL client that is used here. */
export function isPostgresClient(value: unknown): value is PostgresClient {
  return hasFunctions(value, ['query'])
}

/** Whether it has the functions of a custom store. */
export function isCustomStore(value: unknown): value is TokenStore | SharedTokenStore {
  return isSharedStore(value) || (hasFunctions(value, ['get', 'set', 'delete']) && !hasHalf(value))
}

/** Without `read`, a comparison would have nothing to expect. */
function hasHalf(value: object): boolean {
  return 'compareAndSet' in value && value.compareAndSet !== undefined
}

// Two letters at least: `C:\data` is a path.
function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase()
}

function fromUrl(text: string, scheme: string | undefined, field: string): StorageOptions | undefined {
  switch (scheme) {
    case 'sqlite':
      return { kind: 'sqlite', path: pathOf(text, scheme, field) }
    case 'postgres':
    case 'postgresql':
      return { kind: 'postgres', url: text }
    case 'redis':
    case 'rediss':
    case 'redis+unix':
    case 'valkey':
    case 'valkeys':
      return { kind: 'redis', url: text }
    default:
      return undefined
  }
}

/**
 * The path in `sqlite:./a.db`, `sqlite:/a.db`, `sqlite://a.db`, `sqlite:///a.db` or the like with `file:`.
 * Parameters after `?`, which belong to other libraries, are dropped.
 */
function pathOf(text: string, scheme: string, field: string): string {
  const rest = text.slice(scheme.length + 1).split('?', 1)[0]!
  if (scheme === 'file' && /^\/\/\//.test(rest)) return fileUrlPath(`file:${rest}`, field)
  const path = rest.replace(/^\/\//, '')
  if (path === '') refuse(field, `must name a path after ${scheme}:`)
  return path
}

function fileUrlPath(url: string, field: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return refuse(field, 'must be a file: URL that is valid on this platform')
  }
}

function refuse(field: string, fault: string): never {
  throw configError(field, fault)
}
