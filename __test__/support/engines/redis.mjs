// A Redis server of the tests' own.

import { randomBytes } from 'node:crypto'
import { makeCertificate } from './certificate.mjs'
import { Engine, opened } from './engine.mjs'
import { EngineProcess, engineFolder, engineUser, freePort } from './process.mjs'
import { programsOf, run } from './programs.mjs'

/**
 * Resolves with a {@link RedisServer} or, if there is none, with `{ reason }` in a sentence.
 *
 * @param {object} [options]
 * @param {boolean} [options.tls] whether it accepts TLS on a second port; `rootCertificate` is its certificate's path
 */
export async function startRedis(options = {}) {
  const programs = await programsOf('Redis')
  if (programs.reason) return programs
  return opened(new RedisServer(programs, options))
}

class RedisServer extends Engine {
  name = 'Redis'
  /** No test may find it in anything that is written. */
  password = `redis-password-${randomBytes(9).toString('hex')}`
  #programs
  #options

  constructor(programs, options) {
    super()
    this.#programs = programs
    this.#options = options
  }

  async open() {
    const user = await engineUser()
    const folder = await engineFolder('redis', user)
    this.port = await freePort()
    const settings = {
      port: this.port,
      bind: this.host,
      dir: folder,
      requirepass: this.password,
      save: '',
      // What was answered has been given to the system: a killed server loses nothing.
      appendonly: 'yes',
      appendfsync: 'no',
    }
    if (this.#options.tls) {
      const { key, certificate } = await makeCertificate(folder, user, 'IP:127.0.0.1')
      this.rootCertificate = certificate
      this.tlsPort = await freePort()
      Object.assign(settings, {
        'tls-port': this.tlsPort,
        'tls-key-file': key,
        'tls-cert-file': certificate,
        'tls-ca-cert-file': certificate,
        'tls-auth-clients': 'no',
      })
    }
    const command = [
      this.#programs['redis-server'],
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ]
    const isReady = async () => {
      if ((await this.command('PING')) !== 'PONG') throw new Error('it is loading')
    }
    this.process = new EngineProcess({ folder, command, user, isReady, stopSignal: 'SIGTERM' })
    await this.process.start()
  }

  /** The address of a database by its number. */
  urlOf({ database = 0, user = '', password = this.password } = {}) {
    return `redis://${user}:${password}@${this.host}:${this.port}/${database}`
  }

  get url() {
    return this.urlOf()
  }

  /** The same with TLS. */
  get tlsUrl() {
    return `rediss://:${this.password}@${this.host}:${this.tlsPort}/0`
  }

  /** Runs a command, and resolves with the answer as text. */
  async command(...words) {
    const { stdout } = await run(
      this.#programs['redis-cli'],
      ['-h', this.host, '-p', String(this.port), ...words],
      {
        env: { REDISCLI_AUTH: this.password },
      },
    )
    return stdout.trim()
  }

  async #must(...words) {
    const answer = await this.command(...words)
    if (answer !== 'OK') throw new Error(`${words.join(' ')}: ${answer}`)
  }

  /** Whether it may only be read, as a replica of a primary that is away. */
  async setReadOnly(readOnly) {
    await this.#must('REPLICAOF', ...(readOnly ? [this.host, '9'] : ['NO', 'ONE']))
  }

  /** Ends every connection of clients. */
  async disconnectAll() {
    for (const type of ['normal', 'pubsub'])
      await this.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
  }

  /** Refuses each write for want of memory. */
  fill = () => this.#must('CONFIG', 'SET', 'maxmemory', '1')
  /** Has memory again. */
  clear = () => this.#must('CONFIG', 'SET', 'maxmemory', '0')
}
