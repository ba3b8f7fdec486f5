// A PgBouncer of the tests' own, in transaction mode: each transaction of a client may be in another connection.

import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Engine, opened } from './engine.mjs'
import { EngineProcess, engineFolder, engineUser, freePort } from './process.mjs'
import { programsOf, run } from './programs.mjs'

/** Resolves with a {@link PgBouncer} in front of this server or, if there is none, with `{ reason }` in a sentence. */
export async function startPgBouncer(postgres) {
  if (postgres.reason) return { reason: postgres.reason }
  const programs = await programsOf('PgBouncer')
  if (programs.reason) return programs
  return opened(new PgBouncer(programs, postgres))
}

class PgBouncer extends Engine {
  name = 'PgBouncer'
  #programs
  #postgres

  constructor(programs, postgres) {
    super()
    this.#programs = programs
    this.#postgres = postgres
  }

  async open() {
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
    const command = [this.#programs.pgbouncer, configuration]
    this.process = new EngineProcess({ folder, command, user, isReady, stopSignal: 'SIGTERM' })
    await this.process.start()
  }

  /** The address of a database behind it. */
  urlOf(options = {}) {
    return this.#postgres.urlOf({ ...options, port: this.port })
  }

  get url() {
    return this.urlOf()
  }
}
