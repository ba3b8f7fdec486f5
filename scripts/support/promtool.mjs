// promtool, which knows Prometheus's rules for metrics: found, or taken out of the Debian package without installing it.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, onPath } from './on-path.mjs'
import { root } from './root.mjs'
import { run } from './run.mjs'

const folder = join(root, 'target', 'promtool')
const unpacked = join(folder, 'usr', 'bin', 'promtool')

/** Resolves with `{ path }` or, if there is none, with `{ reason }` in a sentence. */
export async function promtool() {
  const found = (await onPath('promtool')) ?? ((await exists(unpacked)) ? unpacked : null)
  if (found !== null) return { path: found }
  if ((await onPath('apt-get')) === null)
    return { reason: 'no promtool is installed, and apt-get does not exist' }
  await mkdir(folder, { recursive: true })
  const quietly = { cwd: folder, quiet: true, limitMs: 5 * 60_000 }
  if (process.getuid() === 0) await run('apt-get', ['update', '-qq'], quietly)
  const { output } = await run('apt-get', ['download', '-qq', 'prometheus'], quietly)
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (archive !== undefined) await run('dpkg-deb', ['--extract', archive, '.'], quietly)
  if (await exists(unpacked)) return { path: unpacked }
  return {
    reason: `no promtool is installed, and apt-get could not fetch one: ${output.trim().split('\n').at(-1)}`,
  }
}
