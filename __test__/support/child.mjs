// Runs a script in a process of its own.

import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * Runs an ES module, from text, in the package's folder.
 *
 * @param {string} source
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] variables besides the path and an in-memory store
 * @param {string[]} [options.args] arguments for Node
 * @param {number} [options.timeoutMs] after which the process is killed, and `signal` says so
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string, ms: number }>}
 */
export async function runScript(source, { env = {}, args = [], timeoutMs = 20_000 } = {}) {
  const began = performance.now()
  const child = spawn(process.execPath, [...args, '--input-type=module', '--eval', source], {
    cwd: root,
    env: { PATH: process.env.PATH, EVERTOKEN_STORAGE: 'memory', LOG_LEVEL: 'error', ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const texts = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (texts.stdout += chunk))
  child.stderr.on('data', (chunk) => (texts.stderr += chunk))
  const [code, signal] = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...ended) => resolve(ended))
  })
  return { code, signal, ...texts, ms: performance.now() - began }
}

/** The variables with which a child logs in at this token server. */
export function clientEnvironment(server) {
  return {
    EXTERNAL_AUTH_URL: server.tokenUrl,
    OAUTH_CLIENT_ID: 'child',
    OAUTH_CLIENT_SECRET: 'the-child-secret',
  }
}
