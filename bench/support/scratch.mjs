// Folders for what is stored, gone when the measurement is.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Resolves with what `work` makes of a new, empty folder, which is removed after it. */
export async function withFolder(work) {
  const folder = await mkdtemp(join(tmpdir(), 'evertoken-bench-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A new, empty folder inside of `parent`. */
export const folderIn = (parent) => mkdtemp(join(parent, 'store-'))
