// Builds the addon and the JavaScript, each only when it is missing or older than its sources.
import { utimes } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { thisPlatform } from './platforms.mjs'
import { readManifest, root } from './root.mjs'
import { mustRun, npm } from './run.mjs'
import { isStale } from './stale.mjs'

const paths = (...names) => names.map((name) => join(root, name))

/** Sees to an addon for this platform in `native/`, and resolves with its path. */
export async function ensureAddon() {
  const addon = join(root, 'native', thisPlatform().addon)
  if (await isStale(addon, paths('src', 'addon', 'Cargo.toml', 'Cargo.lock', 'build.rs', '.cargo'))) {
    await mustRun(...npm('run', 'build:native'))
    await touch(addon)
  }
  return addon
}

/** Sees to the compiled JavaScript in `lib/`, everything there that package.json points to. */
export async function ensureLib() {
  const { exports } = readManifest()
  const entries = [...new Set([...pathsIn(exports), './lib/index.js'])].filter((path) =>
    path.startsWith('./lib/'),
  )
  const inputs = paths(
    'ts',
    'index.d.ts',
    'scripts/build-ts.mjs',
    'tsconfig.base.json',
    'tsconfig.node.json',
    'tsconfig.react.json',
  )
  const stale = await Promise.all(paths(...entries).map((entry) => isStale(entry, inputs)))
  if (stale.includes(true)) {
    await mustRun(...npm('run', 'build:ts'))
    await Promise.all(paths(...entries).map(touch))
  }
}

const pathsIn = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(pathsIn))

/** A build that finds nothing to do leaves its output old; without this it would be asked again each time. */
async function touch(path) {
  const now = new Date()
  await utimes(path, now, now).catch(() => {
    throw new Error(`the build did not make ${relative(root, path)}`)
  })
}
