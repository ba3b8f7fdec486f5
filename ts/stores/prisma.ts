import type { PrismaTokenClient, StoredToken } from '../../index'
import { settle } from '../support/user-code'
import { answerWith, type Provider, type StoreCallbacks } from './callbacks'
import { plainRecord } from './record'

/** Listed, because a client may omit secret columns by default. */
const columns = {
  token: true,
  refreshToken: true,
  tokenType: true,
  expiresAt: true,
  createdAt: true,
  lastUsed: true,
} as const

/** The rows of a Prisma client's `TokenCache` model. */
export function prismaStore(client: PrismaTokenClient): Provider {
  const { updateMany, findMany } = client.tokenCache
  const comparesAndSets = typeof updateMany === 'function' && typeof findMany === 'function'
  return { answer: answerWith(prismaRows(client)), comparesAndSets, client }
}

/**
 * What is done with them, each in one statement: Prisma wraps more in a transaction, and SQLite's block each other. An
 * insert that violates the unique constraint can keep a lock, too.
 */
function prismaRows(client: PrismaTokenClient): StoreCallbacks {
  const tokenOf = async (service: string): Promise<unknown> => {
    const where = { service }
    const row = await retryWhileBusy(() => client.tokenCache.findUnique({ where, select: { token: true } }))
    return (row as Partial<StoredToken> | null)?.token
  }
  return {
    async get(service) {
      return plainRecord(
        await retryWhileBusy(() => client.tokenCache.findUnique({ where: { service }, select: columns })),
      )
    },

    async set(service, record, replaced) {
      const { token, refreshToken, tokenType } = record
      const data = {
        token,
        refreshToken,
        tokenType,
        expiresAt: new Date(record.expiresAt),
        createdAt: new Date(record.createdAt),
        lastUsed: new Date(record.lastUsed),
      }
      if (typeof replaced === 'string' && client.tokenCache.updateMany) {
        const where = { service, token: replaced }
        const { count } = await retryWhileBusy(() => client.tokenCache.updateMany!({ where, data }))
        // A call that was repeated may have worked the first time.
        return count > 0 || (await tokenOf(service)) === token ? 'stored' : 'conflict'
      }
      // For a row that another process has inserted meanwhile, this changes nothing, and returns it.
      const update = replaced === null ? { service } : data
      const create = { service, ...data }
      const where = { service }
      try {
        const row = await retryWhileBusy(() =>
          client.tokenCache.upsert({ where, create, update, select: { token: true } }),
        )
        return (row as Partial<StoredToken> | undefined)?.token === token ? 'stored' : 'conflict'
      } catch (error) {
        // Databases without such a statement: another process has inserted a row meanwhile.
        if (codeOf(error) === 'P2002') return 'conflict'
        throw error
      }
    },

    async delete(service, replaced) {
      const where = replaced === undefined ? { service } : { service, token: replaced }
      const deleted = (await retryWhileBusy(() => client.tokenCache.deleteMany({ where }))) as
        | { count?: unknown }
        | undefined
      return replaced === undefined || Number(deleted?.count) > 0 ? 'stored' : 'conflict'
    },

    async marks(services) {
      const found: unknown = await retryWhileBusy(() =>
        client.tokenCache.findMany!({
          where: { service: { in: services } },
          select: { service: true, expiresAt: true, lastUsed: true },
        }),
      )
      const marks = new Map<unknown, string>()
      for (const { service, expiresAt, lastUsed } of found as Iterable<Record<string, unknown>>) {
        marks.set(service, `${Number(expiresAt)} ${Number(lastUsed)}`)
      }
      return services.map((service) => marks.get(service) ?? null)
    },
  }
}

/** Another process is writing, and the same call works a moment later: a lock of SQLite, a transaction conflict. */
const busy: ReadonlySet<unknown> = new Set(['P1008', 'P2034', 'SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT'])

/** Less than the core's timeout, so that nothing is stored after the core has given up. */
const persistenceMs = 3_000

/** Calls until the database is not busy. */
async function retryWhileBusy<T>(call: () => PromiseLike<T>): Promise<Awaited<T>> {
  const end = performance.now() + persistenceMs
  for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, 200)) {
    try {
      return await settle(call())
    } catch (error) {
      if (!busy.has(codeOf(error)) || performance.now() + 2 * pauseMs > end) throw error
    }
    // A caller that waits for a token keeps the process alive; this timer does not.
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())).unref())
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code
}
