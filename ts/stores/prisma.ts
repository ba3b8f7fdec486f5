import type { PrismaTokenClient, StoredToken } from '../../index'
import { settle } from '../support/user-code'
import { answerWith, type Answer, type Provider } from './callbacks'
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
  const { createMany, updateMany, findMany } = client.tokenCache
  const comparesAndSets = [createMany, updateMany, findMany].every((each) => typeof each === 'function')
  return { answer: answerRows(client), comparesAndSets, client }
}

function answerRows(client: PrismaTokenClient): Answer {
  return answerWith({
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
      const whole = { where: { service }, create: { service, ...data }, select: columns }
      try {
        const { createMany, updateMany } = client.tokenCache
        // One statement each: Prisma wraps an upsert in a transaction, and SQLite's block each other.
        if (replaced === null && createMany) {
          await retryWhileBusy(() => createMany.call(client.tokenCache, { data: [{ service, ...data }] }))
          return 'stored'
        }
        if (replaced === null) {
          // Leaves a row that another process has inserted meanwhile unchanged, and returns it.
          const row = await retryWhileBusy(() => client.tokenCache.upsert({ ...whole, update: {} }))
          return (row as Partial<StoredToken> | undefined)?.token === token ? 'stored' : 'conflict'
        }
        if (replaced !== undefined && updateMany) {
          const where = { service, token: replaced }
          const { count } = await retryWhileBusy(() => updateMany.call(client.tokenCache, { where, data }))
          return count > 0 ? 'stored' : 'conflict'
        }
        await retryWhileBusy(() => client.tokenCache.upsert({ ...whole, update: data }))
        return 'stored'
      } catch (error) {
        // The unique constraint: another process has inserted a row meanwhile.
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
  })
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
