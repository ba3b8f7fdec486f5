import type { RedisClient } from '../../index'
import type { Json } from '../support/json'
import { hasFunctions, settle } from '../support/user-code'
import type { Answer, Provider } from './callbacks'

interface EvalRequest {
  operation: 'eval'
  script: string
  keys: string[]
  arguments: string[]
}

/** How a client runs a script, and whether it can now. */
interface Driver {
  eval(request: EvalRequest): unknown
  state(): 'ready' | 'connecting' | 'closed' | 'subscriber'
}

/** A Redis client's server. */
export function redisStore(client: RedisClient): Provider {
  const driver = driverOf(client)!
  return { answer: answerScripts(driver), comparesAndSets: true, client }
}

/** Whether it is a client that can be used here. */
export function isRedisClient(value: unknown): value is RedisClient {
  return driverOf(value) !== undefined
}

/**
 * Tells clients apart, the surest sign first: ioredis has `call`, and `sendCommand` as well; node-redis has `sendCommand`
 * and, from version 4 on, `isOpen`. An older one takes a callback, and would never answer. What has neither of the two is
 * called as Upstash's is, which makes an HTTP request for each script.
 */
function driverOf(client: unknown): Driver | undefined {
  if (!hasFunctions(client, ['eval'])) return undefined
  if (hasFunctions(client, ['call'])) return ioredis(client as never)
  if (typeof (client as { isOpen?: unknown }).isOpen === 'boolean') return nodeRedis(client as never)
  return hasFunctions(client, ['sendCommand']) ? undefined : upstash(client as never)
}

function ioredis(client: {
  eval(script: string, keys: number, ...texts: string[]): unknown
  status?: string
  mode?: string
}): Driver {
  return {
    eval: ({ script, keys, arguments: texts }) => client.eval(script, keys.length, ...keys, ...texts),
    state() {
      if (client.mode === 'subscriber' || client.mode === 'monitor') return 'subscriber'
      if (client.status === 'end') return 'closed'
      // The first command of one that waits connects it.
      return client.status === undefined || client.status === 'ready' || client.status === 'wait'
        ? 'ready'
        : 'connecting'
    },
  }
}

function nodeRedis(client: {
  eval(script: string, given: { keys: string[]; arguments: string[] }): unknown
  isOpen: boolean
  isReady?: boolean
  isPubSubActive?: boolean
  options?: { RESP?: number }
}): Driver {
  return {
    eval: ({ script, keys, arguments: texts }) => client.eval(script, { keys, arguments: texts }),
    state() {
      if (!client.isOpen) return 'closed'
      if (client.isPubSubActive === true && client.options?.RESP !== 3) return 'subscriber'
      return client.isReady === false ? 'connecting' : 'ready'
    },
  }
}

function upstash(client: { eval(script: string, keys: string[], texts: string[]): unknown }): Driver {
  return {
    eval: ({ script, keys, arguments: texts }) => client.eval(script, keys, texts),
    state: () => 'ready',
  }
}

/** Less than the core's timeout, so that nothing is sent after the core has given up. */
const connectPatienceMs = 2_000

const faults = {
  closed: 'it is not connected; connect it before the first token is needed, and do not close it',
  connecting: 'it is not connected at present',
  subscriber: 'it is in subscriber mode; pass a client of its own',
} as const

/** The core knows what these words mean, and reads no other text of a server: it may repeat what it was sent. */
function answerScripts(driver: Driver): Answer {
  return async (request: EvalRequest) => {
    const state = await settledState(driver, performance.now() + connectPatienceMs)
    if (state !== 'ready') return { unavailable: faults[state] }
    try {
      return plain(await settle(driver.eval(request)))
    } catch (error) {
      const refused = refusalOf(error)
      if (refused === undefined) throw error
      return { refused }
    }
  }
}

/** A client that connects is waited for here: it would keep what it gets until it is connected, however long. */
async function settledState(driver: Driver, end: number): Promise<ReturnType<Driver['state']>> {
  while (driver.state() === 'connecting' && performance.now() < end) await pause(20)
  return driver.state()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** The texts of an answer. The core reports what is none. */
function plain(found: unknown): Json {
  if (!Array.isArray(found)) return false
  return found.map((text: unknown) => {
    if (text == null) return null
    if (typeof text === 'string') return text
    return Buffer.isBuffer(text) ? text.toString('utf8') : false
  })
}

/** Words that older servers put into the text of an error of a script. */
const innerWord =
  /\b(READONLY|OOM|NOPERM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|CROSSSLOT|LOADING|WRONGTYPE|NOAUTH)\b/

/** The first word of a server's refusal: `READONLY You can't write against a read only replica.` */
function refusalOf(error: unknown): string | undefined {
  const message: unknown = (error as { message?: unknown } | null | undefined)?.message
  if (typeof message !== 'string') return undefined
  const word = /^-?([A-Z][A-Z0-9]{1,19})(?= )/.exec(message)?.[1]
  return word === 'ERR' ? (innerWord.exec(message)?.[1] ?? word) : word
}
