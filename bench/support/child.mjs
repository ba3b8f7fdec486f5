// Runs a case in processes of its own: a library that hangs, leaks or holds timers harms no other measurement.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const runner = fileURLToPath(new URL('../cases/run-in-child.mjs', import.meta.url))
const LIMIT_MS = 90_000

/** Runs `caseName` for one contender and resolves with what it measured. */
export function runInChild(caseName, contender, tokenUrl, folder) {
  return withChildren(1, [caseName, contender, tokenUrl], folder, ([child]) => child.message())
}

/**
 * Runs `caseName` in `count` processes and resolves with what each measured. Each says when it is ready, and when
 * all are, they are told to go on, all at once.
 */
export function runTogether(count, caseName, contender, tokenUrl, folder) {
  return withChildren(count, [caseName, contender, tokenUrl], folder, async (children) => {
    await Promise.all(children.map((child) => child.message()))
    const results = Promise.all(children.map((child) => child.message()))
    for (const child of children) child.goOn()
    return results
  })
}

/** Lends `count` processes to `work`. They are killed when it has ended, none before, or after `LIMIT_MS`. */
async function withChildren(count, args, folder, work) {
  const children = Array.from({ length: count }, () => start(args, folder))
  let timer
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  })
  try {
    return await Promise.race([work(children), tooLate])
  } finally {
    clearTimeout(timer)
    // The next measurement waits for their end, and so does whoever removes their folder.
    await Promise.all(children.map((child) => child.end()))
  }
}

function start(args, folder) {
  const child = fork(runner, args, {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, LOG_LEVEL: 'error', EVERTOKEN_BENCH_FOLDER: folder },
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += chunk))
  const closed = once(child, 'close')
  const died = closed.then(([code, signal]) => {
    throw new Error(`ended with ${signal ?? code} before it answered\n${errors.slice(-2000)}`)
  })
  // Whoever waits for a message hears of it; an end that nobody waits for is no news.
  died.catch(() => {})
  return {
    message: () => Promise.race([once(child, 'message').then(([message]) => message), died]),
    goOn: () => child.send('go on'),
    end: () => {
      child.kill('SIGKILL')
      return closed.catch(() => {})
    },
  }
}
