// A PgBouncer of the tests' own, in transaction mode: each transaction of a client may be in another connection.

import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineProcess, engineFolder, engineUser, freePort } from './process.mjs'
import { lastLine, programsOf, run } from './programs.mjs'

/** Resolves with a {@link PgBouncer} in front of this server or, if there is none, with `{ reason }` in a sentence. */
export async function startPgBouncer(postgres) {
  if (postgres.reason) return { reason: postgres.reason }
  const programs = await programsOf('PgBouncer')
  if (programs.reason) return programs
  const pooler = new PgBouncer(postgres)
  try {
    await pooler.open(programs)
    return pooler
  } catch (error) {
    await pooler.close()
    return { reason: `PgBouncer cannot be started: ${lastLine(error)}` }
  }
}

class PgBouncer {
  name = 'PgBouncer'
  #postgres
  #process

  constructor(postgres) {
    this.#postgres = postgres
  }

  async open(programs) {
    const { host, port, user: name, password } = this.#postgres
    const user = await engineUser()
    const folder = await engineFolder('pgbouncer', user)
    this.port = await freePort()
    const configuration = join(folder, 'pgbouncer.ini')
    const users = join(folder, 'users')
    await writeFile(users, `"${name}" "${password}"\n`)
    await writeFile(
      configuration,
      `[databases]
* = host=${host} port=${port}
[pgbouncer]
listen_addr = ${host}
listen_port = ${this.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
server_login_retry = 1
`,
    )
    if (user !== undefined) await chown(users, user.uid, user.gid)
    const { pg_isready } = await programsOf('PostgreSQL')
    const isReady = () => run(pg_isready, ['-q', '-h', host, '-p', String(this.port)])
    const command = [programs.pgbouncer, configuration]
    this.#process = new EngineProcess({ folder, command, user, isReady, stopSignal: 'SIGTERM' })
    await this.#process.start()
  }

  /** The address of a database behind it. */
  urlOf(options = {}) {
    return this.#postgres.urlOf({ ...options, port: this.port })
  }

  get url() {
    return this.urlOf()
  }

  stop = () => this.#process.stop()
  kill = () => this.#process.kill()
  freeze = () => this.#process.freeze()
  thaw = () => this.#process.thaw()
  start = () => this.#process.start()
  restart = () => this.#process.restart()
  log = () => this.#process.log()

  async close() {
    await this.#process?.close()
  }
}
