// What the tests of stores of the user's own have in common.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initializeTokenService } from 'evertoken'
import { configAt } from './service.mjs'

/** A service over this store, which ends with the test. */
export function serviceOver(t, server, store, config) {
  const service = initializeTokenService(configAt(server, config), true, store)
  t.after(() => service.shutdown())
  return service
}

export function storeFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-stores-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Waits until `condition` is true, for what no event announces. */
export async function until(condition) {
  for (
    const end = Date.now() + 10_000;
    !condition();
    await new Promise((resolve) => setTimeout(resolve, 10))
  ) {
    assert.ok(Date.now() < end, 'it did not happen within 10 s')
  }
}

/** A logger at every level, and the lines it was given. */
export function recordingLogger() {
  process.env.LOG_LEVEL = 'debug'
  const lines = []
  const log = (...line) => lines.push(JSON.stringify(line))
  return { lines, logger: { debug: log, info: log, warn: log, error: log } }
}

/** A record with a plain token, as another program would write it. */
export const plainRecord = (token) => ({ token, expiresAt: new Date(Date.now() + 3_600_000) })
