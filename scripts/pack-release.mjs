// `node scripts/pack-release.mjs <folder of addons>`: packs the package and all its addon packages into dist/, for
// publishing. The folder holds the addons that CI built, at any depth. It fails when one is missing.
import { mkdir, readdir } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { ensureLib } from './support/build.mjs'
import { packMain, packPlatform } from './support/pack.mjs'
import { allPlatforms } from './support/platforms.mjs'
import { root } from './support/root.mjs'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node scripts/pack-release.mjs <folder of addons>')

const found = new Map(
  (await readdir(resolve(folder), { recursive: true }))
    .filter((path) => path.endsWith('.node'))
    .map((path) => [basename(path), join(resolve(folder), path)]),
)
const platforms = allPlatforms()
const missing = platforms.filter(({ addon }) => !found.has(addon))
if (missing.length > 0) throw new Error(`no addon for ${missing.map(({ platform }) => platform).join(', ')}`)

const dist = join(root, 'dist')
const repository = process.env.GITHUB_REPOSITORY
await ensureLib()
await mkdir(dist, { recursive: true })
for (const platform of platforms) {
  const tarball = await packPlatform(dist, platform, found.get(platform.addon), repository)
  console.log(relative(root, tarball))
}
console.log(relative(root, await packMain(dist, platforms, repository)))
