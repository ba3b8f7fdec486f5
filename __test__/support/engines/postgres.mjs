// A PostgreSQL server of the tests' own.

import { randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificate } from './certificate.mjs'
import { Engine, opened } from './engine.mjs'
import { EngineProcess, engineFolder, engineUser, freePort } from './process.mjs'
import { isRoot, programsOf, run } from './programs.mjs'

const superuser = 'evertoken'

/**
 * Resolves with a {@link PostgresServer} or, if there is none, with `{ reason }` in a sentence.
 *
 * @param {object} [options]
 * @param {boolean} [options.tls] whether it also accepts TLS, as `localhost`; `rootCertificate` is then its certificate's path
 * @param {number} [options.diskMegabytes] the size of a disk of its own for its tables (needs root)
 */
export async function startPostgres(options = {}) {
  const programs = await programsOf('PostgreSQL')
  if (programs.reason) return programs
  return opened(new PostgresServer(programs, options))
}

class PostgresServer extends Engine {
  name = 'PostgreSQL'
  user = superuser
  /** No test may find it in anything that is written. */
  password = `postgres-password-${randomBytes(9).toString('hex')}`
  #programs
  #options
  #folder
  #snapshots = []

  constructor(programs, options) {
    super()
    this.#programs = programs
    this.#options = options
  }

  async open() {
    const user = await engineUser()
    this.port = await freePort()
    const folder = (this.#folder = await engineFolder('postgres', user))
    const settings = {
      port: this.port,
      listen_addresses: this.host,
      unix_socket_directories: '',
      fsync: 'off',
      max_connections: 300,
    }
    if (this.#options.tls) {
      const { key, certificate } = await makeCertificate(folder, user, 'DNS:localhost')
      this.rootCertificate = certificate
      Object.assign(settings, { ssl: 'on', ssl_key_file: key, ssl_cert_file: certificate })
    }
    const data = join(folder, 'data')
    const command = [
      ...[this.#programs.postgres, '-D', data],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const isReady = () => run(this.#programs.pg_isready, ['-q', '-h', this.host, '-p', String(this.port)])
    this.process = new EngineProcess({ folder, command, user, isReady, stopSignal: 'SIGINT' })
    await this.#initialize(data, user)
    await this.process.start()
    if (this.#options.diskMegabytes) await this.#mountDisk(user)
  }

  async #initialize(data, user) {
    const passwordFile = join(this.#folder, 'password')
    await writeFile(passwordFile, this.password, { mode: 0o600 })
    if (user !== undefined) await chown(passwordFile, user.uid, user.gid)
    const options = ['-D', data, '-U', superuser, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`]
    await run(this.#programs.initdb, [...options, '-N', '-E', 'UTF8', '--no-locale'], {
      ...user,
      cwd: this.#folder,
    })
    await rm(passwordFile)
  }

  /** The address of a database, for the superuser or another role. */
  urlOf({ database = 'postgres', user = this.user, password = this.password, port = this.port } = {}) {
    return `postgresql://${user}:${password}@${this.host}:${port}/${database}`
  }

  get url() {
    return this.urlOf()
  }

  /** Runs SQL as the superuser, and resolves with the rows as text: columns parted by `|`. */
  async sql(text, { database = 'postgres', settings = '' } = {}) {
    const { stdout } = await run(this.#programs.psql, [...psqlOptions, '-c', text], {
      env: this.#clientEnvironment(database, settings),
    })
    return stdout.trim()
  }

  #clientEnvironment(database, settings = '') {
    return {
      PGHOST: this.host,
      PGPORT: String(this.port),
      PGUSER: superuser,
      PGPASSWORD: this.password,
      PGDATABASE: database,
      PGOPTIONS: settings,
    }
  }

  /** Creates an empty database, and resolves with its address. */
  async createDatabase(name) {
    await this.sql(`CREATE DATABASE ${quoted(name)}`)
    return this.urlOf({ database: name })
  }

  /**
   * Creates a role that may read and write tables and not create any, and resolves with its address. Tables of the
   * database that exist or that the superuser creates later are open to it.
   */
  async createLimitedRole(name, { database = 'postgres' } = {}) {
    const password = `role-password-${randomBytes(9).toString('hex')}`
    const rights = 'SELECT, INSERT, UPDATE, DELETE ON TABLES'
    await this.sql(
      [
        `CREATE ROLE ${quoted(name)} LOGIN PASSWORD '${password}'`,
        'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
        `GRANT ${rights.replace('ON TABLES', 'ON ALL TABLES')} IN SCHEMA public TO ${quoted(name)}`,
        `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ${rights} TO ${quoted(name)}`,
      ].join('; '),
      { database },
    )
    return { user: name, password, url: this.urlOf({ database, user: name, password }) }
  }

  /** Whether transactions may only read, from now on, in connections that are open as well. */
  async setReadOnly(readOnly) {
    const settings = '-c default_transaction_read_only=off'
    await this.sql(`ALTER SYSTEM SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`, {
      settings,
    })
    await this.sql('SELECT pg_reload_conf()', { settings })
  }

  /** Ends every connection of clients, as an administrator or a failover does. */
  async disconnectAll() {
    await this.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
  }

  async #mountDisk(user) {
    if (!isRoot) throw new Error('only root may mount a disk')
    const disk = this.#disk
    await mkdir(disk)
    await run('mount', ['-t', 'tmpfs', '-o', `size=${this.#options.diskMegabytes}m`, 'tmpfs', disk])
    await chown(disk, user.uid, user.gid)
    await this.sql(`CREATE TABLESPACE disk LOCATION '${disk}'`)
    await this.sql('ALTER SYSTEM SET default_tablespace = disk')
    await this.sql('SELECT pg_reload_conf()')
  }

  get #disk() {
    return join(this.#folder, 'disk')
  }

  /**
   * Fills the disk of the tables. The next changes of a table find room in what it has already: a transaction that
   * stays open keeps the server from reusing it, and an update that needs a new page fails soon.
   */
  async fillDisk({ database = 'postgres' } = {}) {
    const psql = spawn(this.#programs.psql, psqlOptions, {
      env: this.#clientEnvironment(database),
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#snapshots.push(psql)
    psql.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'open';\n")
    await once(psql.stdout, 'data')
    await run('dd', ['if=/dev/zero', `of=${join(this.#disk, 'ballast')}`, 'bs=4096']).catch(() => {})
  }

  /** Makes room again. */
  async clearDisk() {
    for (const psql of this.#snapshots.splice(0)) psql.stdin.end()
    await rm(join(this.#disk, 'ballast'), { force: true })
  }

  async close() {
    for (const psql of this.#snapshots) psql.kill()
    await super.close()
  }
}

const psqlOptions = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1']
const quoted = (name) => `"${name.replaceAll('"', '""')}"`
