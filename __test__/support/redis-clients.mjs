// The Redis clients that programs have.
import ioredis from 'ioredis'
import ioredis5 from 'ioredis-5'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis-5'

/** For each client, one that is open. */
export const redisClients = {
  'node-redis': (url) => openNodeRedis(createClient, url),
  'node-redis with RESP3': (url) => openNodeRedis(createClient, url, { RESP: 3 }),
  'node-redis 5': (url) => openNodeRedis(createClient5, url),
  ioredis: (url) => openIoredis(ioredis, url),
  'ioredis 5': (url) => openIoredis(ioredis5, url),
  'a client like that of Upstash': openLikeUpstash,
}

async function openNodeRedis(create, url, options) {
  const client = create({ url, ...options })
  client.on('error', () => {})
  await client.connect()
  return { client, close: () => client.isOpen && client.destroy() }
}

function openIoredis(Redis, url) {
  const client = new Redis(url)
  client.on('error', () => {})
  return { client, close: () => client.disconnect() }
}

/** It reads answers as JSON where they are, and sends its texts as JSON. */
async function openLikeUpstash(url) {
  const { client, close } = await openNodeRedis(createClient, url)
  const parse = (value) => {
    if (Array.isArray(value)) return value.map(parse)
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }
  const like = {
    async eval(script, keys, texts) {
      const sent = JSON.parse(JSON.stringify({ keys, arguments: texts }))
      return parse(await client.eval(script, sent))
    },
  }
  return { client: like, close }
}
