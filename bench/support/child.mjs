// Runs a case in a process of its own: a library that hangs, leaks or holds timers harms no other measurement.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const runner = fileURLToPath(new URL('../cases/run-in-child.mjs', import.meta.url))

/**
 * Runs `caseName` for one contender and resolves with what it measured. The process is killed after `limitMs`,
 * and as soon as it has answered.
 */
export function runInChild(caseName, contender, tokenUrl, limitMs = 90_000) {
  return new Promise((resolve, reject) => {
    const child = fork(runner, [caseName, contender, tokenUrl], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: { ...process.env, LOG_LEVEL: 'error' }
    })
    let errors = ''
    child.stderr.on('data', (chunk) => (errors += chunk))
    const timer = setTimeout(() => finish(reject, new Error(`no result within ${limitMs / 1000} s`)), limitMs)
    const finish = (settle, value) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      settle(value)
    }
    child.once('message', (result) => finish(resolve, result))
    child.once('error', (error) => finish(reject, error))
    child.once('exit', (code, signal) =>
      finish(reject, new Error(`ended with ${signal ?? code} before it answered\n${errors.slice(-2000)}`)))
  })
}
