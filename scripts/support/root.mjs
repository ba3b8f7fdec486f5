// Where the repository is, and what its manifest says.
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The repository's package.json, read at each call. */
export const readManifest = () =>
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
