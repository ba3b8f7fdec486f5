// What the tests at servers that others wrote have in common.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { initializeTokenService } from 'evertoken'
import { freshName } from './service.mjs'

const worker = fileURLToPath(new URL('./processes-worker.cjs', import.meta.url))

/** A limit that no test reaches; the servers' own count here. */
const rateLimit = { attempts: 1000, perSeconds: 1 }

/** A service in memory that throws and ends with the test. */
export function serviceFor(context, config) {
  const storage = { kind: 'memory' }
  const service = initializeTokenService({
    service: freshName(),
    storage,
    onFailure: 'throw',
    rateLimit,
    ...config,
  })
  context.after(() => service.shutdown())
  return service
}

/** A file for a store, gone with the test. */
export function fileStorage(context) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-shared-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return { kind: 'file', path: join(folder, 'token-cache.json') }
}

/** What two processes with this configuration and a file that they share answer to a message. */
export async function answersOfTwo(context, config, message) {
  const shared = { ...config, rateLimit, storage: fileStorage(context) }
  const env = { ...process.env, EVERTOKEN_TEST_CONFIG: JSON.stringify(shared) }
  const children = [fork(worker, { env }), fork(worker, { env })]
  context.after(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  await Promise.all(children.map((child) => once(child, 'message')))
  const answered = children.map((child) => once(child, 'message'))
  for (const child of children) child.send(message)
  return (await Promise.all(answered)).map(([answer]) => answer)
}

/** Accepts an error with this code and HTTP status. */
export const failure = (code, status) => (error) => {
  assert.deepEqual([error.code, error.status], [code, status])
  return true
}
