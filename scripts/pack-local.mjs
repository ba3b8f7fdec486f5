// `npm run pack:local`: builds what is missing or stale and puts two tarballs into dist/, the package and the addon
// for this machine. `npm install <here>/dist/*.tgz` then works in any project, with no registry.
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ensureAddon, ensureLib } from './support/build.mjs'
import { filesToPublish, packMain, packPlatform, tarballName } from './support/pack.mjs'
import { thisPlatform } from './support/platforms.mjs'
import { readManifest, root } from './support/root.mjs'
import { isStale } from './support/stale.mjs'

const manifest = readManifest()
const platform = thisPlatform(manifest)
const dist = join(root, 'dist')
const addon = await ensureAddon()
await ensureLib()

const inRoot = (...paths) => paths.map((path) => join(root, path))
const packing = inRoot('scripts/support/pack.mjs', 'package.json', 'LICENSE')
const notices = inRoot('scripts/support/notices.mjs', 'scripts/support/notices', 'Cargo.lock')
const jobs = [
  {
    tarball: join(dist, tarballName(manifest)),
    inputs: [...packing, ...inRoot(...(await filesToPublish()))],
    // Only the addon next to it. The other platforms' packages need not exist anywhere yet, and a project
    // whose lock file lacks a package that is asked for cannot `npm ci`.
    pack: () => packMain(dist, [platform]),
  },
  {
    tarball: join(dist, tarballName({ name: platform.packageName, version: manifest.version })),
    inputs: [...packing, ...notices, addon, join(root, 'npm', platform.platform)],
    pack: () => packPlatform(dist, platform, addon),
  },
]

await mkdir(dist, { recursive: true })
const wanted = new Set(jobs.map(({ tarball }) => tarball))
for (const name of await readdir(dist)) {
  // Another version's tarball would be installed along by `dist/*.tgz`.
  if (name.endsWith('.tgz') && !wanted.has(join(dist, name))) await rm(join(dist, name))
}
for (const { tarball, inputs, pack } of jobs) {
  const stale = await isStale(tarball, inputs)
  if (stale) await pack()
  console.log(`${relative(root, tarball)} ${stale ? 'packed' : 'is up to date'}`)
}
