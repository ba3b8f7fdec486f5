// The process of an engine: in a temporary folder, on a port of its own, and gone with the process that started it,
// however that ends.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isRoot, run } from './programs.mjs'

/**
 * Starts a program and exits with its code. If standard input ends meanwhile, the process that started it is gone: the
 * program is killed, and its folder is removed. So not even a killed test runner leaves a server behind.
 */
const launcher = `
folder=$1; shift
exec 3<&0
"$@" </dev/null >>"$folder/log" 2>&1 3<&- &
engine=$!
echo "$engine"
( read -r _ <&3 || { : >"$folder/orphan"; kill -KILL "$engine"; } ) >/dev/null 2>&1 &
watcher=$!
wait "$engine"
code=$?
kill "$watcher" 2>/dev/null
if [ -e "$folder/orphan" ]; then
  sleep 1
  umount -l "$folder/disk" 2>/dev/null
  rm -rf "$folder"
fi
exit "$code"
`

/** How long an engine may take to start, or to end. */
const patience = 20_000

/** The user as whom engines run: PostgreSQL and PgBouncer refuse to run as root. */
export async function engineUser() {
  if (!isRoot) return undefined
  const { stdout } = await run('id', ['-u', 'postgres']).catch(() => run('id', ['-u', 'nobody']))
  const uid = Number(stdout)
  return { uid, gid: Number((await run('id', ['-g', String(uid)])).stdout) }
}

/** A temporary folder of the user as whom engines run. */
export async function engineFolder(name, user) {
  const folder = await mkdtemp(join(tmpdir(), `evertoken-${name}-`))
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  return folder
}

/**
 * A free port that stays free while its engine is down: one that no system gives to outgoing connections, as others
 * would get it before a restart.
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await new Promise((resolve) => {
      server.once('listening', () => resolve(true))
      server.once('error', () => resolve(false))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** One engine, which can be stopped, killed, frozen and started again on its port. */
export class EngineProcess {
  #options
  #child
  #pid

  /**
   * @param {object} options
   * @param {string} options.folder
   * @param {string[]} options.command the program and its arguments
   * @param {{ uid: number, gid: number }} [options.user] as whom it runs
   * @param {NodeJS.Signals} options.stopSignal ends it in good order, also while clients are connected
   * @param {() => Promise<unknown>} options.isReady resolves once it answers
   */
  constructor(options) {
    this.#options = options
  }

  /** Whether its process exists, frozen or not. */
  get isRunning() {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  async start() {
    if (this.isRunning) return
    const { folder, command, user } = this.#options
    const asUser = user ? ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : []
    for (const end = Date.now() + patience; ; ) {
      // A group of its own, so that it outlives the group of the test runner, and hears of its end.
      this.#child = spawn('/bin/sh', ['-c', launcher, 'launcher', folder, ...asUser, ...command], {
        cwd: folder,
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      })
      // The watcher ends with its program, or this process does.
      this.#child.stdin.on('error', () => {})
      const [line] = await once(this.#child.stdout, 'data')
      this.#pid = Number(line)
      this.#child.stdout.destroy()
      this.#child.unref()
      if (await this.#becomesReady(end)) return
      // Of one that was killed, helpers may hold the port or the memory for a moment longer.
      if (this.isRunning || Date.now() > end) {
        await this.kill()
        throw new Error((await this.log()).trim().split('\n').at(-1) || `${command[0]} does not start`)
      }
      await pause(200)
    }
  }

  async #becomesReady(end) {
    while (this.isRunning && Date.now() < end) {
      const ready = await this.#options.isReady().then(
        () => true,
        () => false,
      )
      // What answers may be another process, on whose port this one could not start.
      if (ready && this.isRunning) return true
      await pause(20)
    }
    return false
  }

  /** Ends it in good order; connections are refused from then on. */
  stop() {
    return this.#end(this.#options.stopSignal)
  }

  /** Ends it as a power cut would: with SIGKILL, and all of its processes. */
  kill() {
    return this.#end('SIGKILL', processesOf(this.#pid))
  }

  async #end(signal, pids = [this.#pid]) {
    if (!this.isRunning) return
    const ended = once(this.#child, 'exit')
    signalAll(pids, signal)
    const timer = setTimeout(() => signalAll(processesOf(this.#pid), 'SIGKILL'), patience)
    await ended
    clearTimeout(timer)
  }

  /** Stops all of its processes with SIGSTOP: connections are accepted, and nothing answers. */
  freeze() {
    signalAll(processesOf(this.#pid), 'SIGSTOP')
  }

  /** Lets it go on after {@link EngineProcess.freeze}. */
  thaw() {
    signalAll(processesOf(this.#pid).reverse(), 'SIGCONT')
  }

  /** Stops it, and starts it again on the same port. */
  async restart() {
    await this.stop()
    await this.start()
  }

  /** What it has written. */
  log() {
    return readFile(join(this.#options.folder, 'log'), 'utf8').catch(() => '')
  }

  /** Ends it and removes its folder. */
  async close() {
    await this.kill()
    const disk = join(this.#options.folder, 'disk')
    if (isRoot) await run('umount', ['-l', disk]).catch(() => {})
    // Helpers of PostgreSQL end on their own after its main process, and may write until then.
    await rm(this.#options.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

/** A process and those that it started, itself first. */
function processesOf(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
    return [pid, ...children.flatMap((child) => processesOf(Number(child)))]
  } catch {
    return [pid]
  }
}

function signalAll(pids, signal) {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}
