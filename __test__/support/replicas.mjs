// Replicas of a service: processes that share a store, and the stores that they may share.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startMockTokenServer } from 'evertoken/testing'
import { startPgBouncer, startPostgres, startRedis } from './engines.mjs'
import { serveTexts } from './text-store.mjs'
import { migrations, prismaClient, prismaProject } from './prisma.mjs'

const setpriv = '/usr/bin/setpriv'
const worker = fileURLToPath(new URL('./processes-worker.cjs', import.meta.url))

/**
 * Starts the engines that a test file uses, and resolves with the stores that replicas may share. `noticesDeath` is
 * whether the operating system tells the others that a process has died, `pushes` whether the engine tells them of
 * changes. A store whose engine is missing has a `reason`.
 */
export async function startStores(engineOptions = {}) {
  const [postgres, redis, project, texts] = await Promise.all([
    startPostgres(engineOptions.postgres),
    startRedis(engineOptions.redis),
    prismaProject(),
    serveTexts(),
  ])
  const pgbouncer = await startPgBouncer(postgres)
  const own = mkdtempSync(join(tmpdir(), 'evertoken-replicas-'))
  const native = postgres.reason ? undefined : await postgres.createDatabase('native')
  const throughPrisma = postgres.reason || project.reason ? undefined : await prismaDatabase(postgres)
  const sqliteOfPrisma = project.reason ? undefined : await prismaFile(join(own, 'prisma.db'))
  const pooled = native && !pgbouncer.reason && pgbouncer.urlOf({ database: 'native' })
  return {
    stores: [
      { name: 'a file', storage: { kind: 'file', path: join(own, 'tokens.json') }, noticesDeath: true },
      { name: 'SQLite', storage: { kind: 'sqlite', path: join(own, 'tokens.db') }, noticesDeath: true },
      {
        name: 'PostgreSQL',
        storage: { kind: 'postgres', url: native },
        engine: postgres,
        reason: postgres.reason,
        pushes: true,
      },
      {
        name: 'PostgreSQL behind PgBouncer',
        storage: { kind: 'postgres', url: pooled },
        engine: pgbouncer,
        reason: pgbouncer.reason,
      },
      {
        name: 'a Pool of pg',
        storage: { through: 'pool', url: native },
        engine: postgres,
        reason: postgres.reason,
      },
      {
        name: 'Redis',
        storage: { kind: 'redis', url: redis.url },
        engine: redis,
        reason: redis.reason,
        pushes: true,
      },
      {
        name: 'a client of node-redis',
        storage: { through: 'nodeRedis', url: redis.url },
        engine: redis,
        reason: redis.reason,
      },
      {
        name: 'a client of ioredis',
        storage: { through: 'ioredis', url: redis.url },
        engine: redis,
        reason: redis.reason,
      },
      {
        name: 'Prisma over PostgreSQL',
        storage: { through: 'prisma', provider: 'postgresql', url: throughPrisma },
        engine: postgres,
        reason: project.reason ?? postgres.reason,
      },
      {
        name: 'Prisma over SQLite',
        storage: { through: 'prisma', provider: 'sqlite', url: sqliteOfPrisma },
        reason: project.reason,
      },
      { name: "a store of the user's own", storage: { through: 'texts', url: texts.url }, engine: texts },
    ],
    postgres,
    pgbouncer,
    redis,
    async close() {
      await Promise.all([pgbouncer, postgres, redis, texts].map((engine) => engine.close?.()))
      rmSync(own, { recursive: true, force: true })
    },
  }
}

async function prismaDatabase(postgres) {
  const url = await postgres.createDatabase('prisma')
  for (const statement of migrations.postgresql) await postgres.sql(statement, { database: 'prisma' })
  return url
}

async function prismaFile(path) {
  const url = `file:${path}`
  const prisma = await prismaClient('sqlite', url)
  for (const statement of migrations.sqlite) await prisma.$executeRawUnsafe(statement)
  await prisma.$disconnect()
  return url
}

let count = 0

/**
 * A service of its own in this store, its token server, and a way to start replicas, all gone with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} storage see {@link startStores}
 * @param {object} [serverOptions] see `startMockTokenServer`
 * @param {object} [configuration] of the service
 * @param {object} [env] of the processes
 */
export async function setUpReplicas(t, storage, serverOptions = {}, configuration = {}, env = {}) {
  const server = await startMockTokenServer({ refreshTokens: 'rotating', delayMs: 20, ...serverOptions })
  const replicas = []
  t.after(async () => {
    for (const replica of replicas) replica.kill()
    await server.close()
  })
  const config = {
    service: `replicated-${process.pid}-${(count += 1)}`,
    authUrl: server.tokenUrl,
    clientId: 'app',
    clientSecret: 'a client secret',
    clientAuthentication: 'client_secret_basic',
    storage,
    ...configuration,
  }
  const begin = async (changes = {}) => {
    const replica = new Replica({ ...config, ...changes }, env)
    replicas.push(replica)
    await replica.isReady
    return replica
  }
  return {
    server,
    config,
    begin,
    beginAll: (number) => Promise.all(Array.from({ length: number }, () => begin())),
  }
}

/** A process with one service: see `processes-worker.cjs` for what it is told. */
export class Replica {
  /** What it has written. */
  output = ''
  #child
  /** Answers come in the order of the questions. */
  #waiting = []

  constructor(config, env) {
    // A frozen one does not notice that its test has ended.
    const mortal = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : []
    const [program, ...args] = [...mortal, process.execPath, worker]
    this.#child = spawn(program, args, {
      env: { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(config), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text
      })
    }
    this.#child.on('message', (message) => this.#waiting.shift()?.resolve(message))
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting) reject(new Error(`a replica ended: ${this.output}`))
    })
    this.isReady = this.#message()
    this.isReady.catch(() => {})
  }

  /** Tells it something, and resolves with its answer. */
  ask(message) {
    const answered = this.#message()
    this.#child.send(message)
    return answered
  }

  /** Tells it something that has no answer. */
  tell(message) {
    this.#child.send(message)
  }

  #message() {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  kill = () => this.#child.kill('SIGKILL')
  freeze = () => this.#child.kill('SIGSTOP')
  thaw = () => this.#child.kill('SIGCONT')
}

/** Resolves with the milliseconds until `condition` holds, or throws after so many. */
export async function timeUntil(condition, limitMs, what) {
  const began = performance.now()
  while (!(await condition())) {
    if (performance.now() - began > limitMs) throw new Error(`it took longer than ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - began
}
