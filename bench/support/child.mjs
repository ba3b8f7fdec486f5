// Runs a case in its own processes: a library that hangs, leaks or holds timers does not affect other measurements.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const runner = fileURLToPath(new URL('../cases/run-in-child.mjs', import.meta.url))
const LIMIT_MS = 90_000

/**
 * Runs `caseName` for one contender and resolves with what it measured. `store` are the environment variables that lead
 * to where it may store. `more` goes to the case, `node` to Node; it may take `limitMs`.
 */
export function runInChild(caseName, contender, tokenUrl, store, { more = [], node = [], limitMs } = {}) {
  const args = [caseName, contender, tokenUrl, ...more]
  return withChildren(1, args, store, ([child]) => child.message(), { node, limitMs })
}

/**
 * Runs `caseName` in `count` processes and resolves with what each measured. Each says when it is ready, and when
 * all are, all continue at the same time.
 */
export function runTogether(count, caseName, contender, tokenUrl, store) {
  return withChildren(count, [caseName, contender, tokenUrl], store, async (children) => {
    await Promise.all(children.map((child) => child.message()))
    const results = Promise.all(children.map((child) => child.message()))
    for (const child of children) child.goOn()
    return results
  })
}

/** Lends `count` processes to `work`. They are killed when it has ended, none before, or after `limitMs`. */
async function withChildren(count, args, store, work, { node = [], limitMs = LIMIT_MS } = {}) {
  const children = Array.from({ length: count }, () => start(args, store, node))
  let timer
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${limitMs / 1000} s`)), limitMs)
  })
  try {
    return await Promise.race([work(children), tooLate])
  } finally {
    clearTimeout(timer)
    // The next measurement and the removal of their folder wait for their end.
    await Promise.all(children.map((child) => child.end()))
  }
}

function start(args, store, node) {
  const child = fork(runner, args, {
    execArgv: node,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, LOG_LEVEL: 'error', ...store },
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += chunk))
  const closed = once(child, 'close')
  const died = closed.then(([code, signal]) => {
    throw new Error(`ended with ${signal ?? code} before it answered\n${errors.slice(-2000)}`)
  })
  // Only a caller that waits for a message needs to know that the process ended.
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
