// The clients through which a program reaches its own database or Redis, made in the process that uses them.

import { prismaClient } from './prisma.mjs'
import { textStore } from './text-store.mjs'

const clients = {
  async pool({ url }) {
    const { default: pg } = await import('pg')
    return { kind: 'postgres', client: failingQuietly(new pg.Pool({ connectionString: url, max: 2 })) }
  },
  async nodeRedis({ url }) {
    const { createClient } = await import('redis')
    const client = failingQuietly(createClient({ url }))
    await client.connect()
    return { kind: 'redis', client }
  },
  async ioredis({ url }) {
    const { Redis } = await import('ioredis')
    return { kind: 'redis', client: failingQuietly(new Redis(url)) }
  },
  prisma: async ({ provider, url }) => ({ kind: 'prisma', client: await prismaClient(provider, url) }),
  texts: async ({ url }) => ({ kind: 'custom', store: textStore(url) }),
}

/** The `storage` of a configuration: as it is, or with the client that `through` names. */
export async function storageOf({ through, ...storage }) {
  return through === undefined ? storage : clients[through](storage)
}

/** Without a listener, an error of a connection would end the process. */
function failingQuietly(client) {
  client.on('error', () => {})
  return client
}
