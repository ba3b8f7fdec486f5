// PostgreSQL and Redis for the contenders that store their tokens there. Each starts when a contender needs it.
import { startPostgres, startRedis } from '../../__test__/support/engines.mjs'
import { migrations, prismaProject } from '../../__test__/support/prisma.mjs'
import { contender } from '../plan.mjs'

/** Why a contender cannot be measured on this machine, in a sentence. */
export class Unavailable extends Error {}

/** What contenders name as their `store`: how an empty one is made, and which variables lead to it. */
const stores = {
  postgres: async (engines, database) => {
    const postgres = await engines.postgres()
    return { EVERTOKEN_BENCH_URL: await postgres.createDatabase(database) }
  },
  redis: async (engines, _database, number) => {
    const redis = await engines.redis()
    return { EVERTOKEN_BENCH_URL: redis.urlOf({ database: number }) }
  },
  prisma: async (engines, database) => {
    const [postgres, { folder }] = [await engines.postgres(), await engines.prisma()]
    const url = await postgres.createDatabase(database)
    for (const statement of migrations.postgresql) await postgres.sql(statement, { database })
    return { EVERTOKEN_BENCH_URL: url, EVERTOKEN_BENCH_PRISMA: folder }
  },
}

/** The engines of one run. */
export class Engines {
  #started = new Map()
  #counts = {}

  postgres = () => this.#once('postgres', startPostgres)
  redis = () => this.#once('redis', startRedis)
  prisma = () => this.#once('prisma', prismaProject)

  /**
   * Resolves with the environment variables that lead a contender to its store: this folder, and an empty database of
   * its own if it needs one. Rejects with {@link Unavailable} if it cannot have one here.
   */
  async storeOf(name, folder) {
    const { store } = contender(name)
    const common = { EVERTOKEN_BENCH_FOLDER: folder }
    if (store === undefined) return common
    const number = this.#counts[store] ?? 0
    this.#counts[store] = number + 1
    return { ...common, ...(await stores[store](this, `${store}_${number}`, number)) }
  }

  /** What `start` resolves with at its first call, or the reason why there is none. */
  async #once(name, start) {
    if (!this.#started.has(name)) this.#started.set(name, await start())
    const engine = this.#started.get(name)
    if (engine.reason) throw new Unavailable(engine.reason)
    return engine
  }

  async close() {
    for (const engine of this.#started.values()) await engine.close?.()
  }
}
