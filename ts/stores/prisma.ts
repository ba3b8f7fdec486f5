import type { PrismaTokenClient, StoredToken } from '../../index'
import type { Provider, Seen } from './provider'
import { plainRecord } from './record'

/** Named, so that a client that omits secrets by default gives them here. */
const columns = {
  token: true, refreshToken: true, tokenType: true, expiresAt: true, createdAt: true, lastUsed: true,
} as const

/**
 * The rows of a Prisma client's `TokenCache` model.
 *
 * The model has no column for the state: it is written behind the sealed token, after a `~`, which no envelope
 * holds. A token that a person put there has none.
 */
export function prismaProvider(client: PrismaTokenClient): Provider {
  return {
    async get(service) {
      const row = await client.tokenCache.findUnique({ where: { service }, select: columns })
      return plainRecord(unfolded(row))
    },

    async set(service, record, replaced) {
      const token = folded(record)
      const data = {
        token,
        refreshToken: record.refreshToken,
        tokenType: record.tokenType,
        expiresAt: new Date(record.expiresAt),
        createdAt: new Date(record.createdAt),
        lastUsed: new Date(record.lastUsed),
      }
      const whole = { where: { service }, create: { service, ...data }, select: columns }
      try {
        if (replaced === null) {
          // Leaves a row alone that another process has put there meanwhile, and gives it back.
          const row = await client.tokenCache.upsert({ ...whole, update: {} })
          return (row as Partial<StoredToken> | undefined)?.token === token ? 'stored' : 'conflict'
        }
        if (replaced !== undefined && client.tokenCache.updateMany) {
          const { count } = await client.tokenCache.updateMany({ where: { service, token: folded(replaced) }, data })
          return count > 0 ? 'stored' : 'conflict'
        }
        await client.tokenCache.upsert({ ...whole, update: data })
        return 'stored'
      } catch (error) {
        // The unique constraint: Prisma looks first and inserts then, where its database has no upsert.
        if ((error as { code?: unknown } | null)?.code === 'P2002') return 'conflict'
        throw error
      }
    },

    async delete(service) {
      await client.tokenCache.deleteMany({ where: { service } })
    },
  }
}

function folded({ token, state }: Seen): string {
  return state === null ? token : `${token}~${Buffer.from(state).toString('base64url')}`
}

function unfolded(row: unknown): unknown {
  const { token } = (row ?? {}) as { token?: unknown }
  // Only behind an envelope: a plain token may hold a `~` of its own.
  const parts = typeof token === 'string' ? /^(et\d+\.[^~]*)~([\w-]*)$/.exec(token) : null
  if (!parts) return row
  return { ...(row as object), token: parts[1], state: Buffer.from(parts[2]!, 'base64url').toString() }
}
