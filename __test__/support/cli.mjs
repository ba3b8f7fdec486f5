// Runs `npx evertoken` as a user does: in a folder of its own, with an environment of its own.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const manifest = require('evertoken/package.json')
export const bin = join(dirname(require.resolve('evertoken/package.json')), manifest.bin.evertoken)

/** A folder that is gone with the test. */
export function folderFor(t) {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Resolves with `{ status, stdout, stderr }`, for every exit code. */
export function evertoken(args, { folder, env = {} }) {
  const { PATH, HOME } = process.env
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH, HOME, ...env }, timeout: 60_000 }
    execFile(process.execPath, [bin, ...args], options, (error, stdout, stderr) =>
      resolve({ status: error ? error.code : 0, stdout, stderr }),
    )
  })
}
