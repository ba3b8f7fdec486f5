// `node scripts/publish-release.mjs`: publishes the tarballs that pack-release.mjs left in dist/, the addons before
// the package that names them. What is published already is passed over, so that a release that broke off half-way
// is finished by running it again. `--dry-run` publishes nothing.
import { join } from 'node:path'
import { tarballName } from './support/pack.mjs'
import { allPlatforms } from './support/platforms.mjs'
import { readManifest, root } from './support/root.mjs'
import { mustRun, npm, run } from './support/run.mjs'

const dryRun = process.argv.includes('--dry-run')
const { name, version } = readManifest()
const tag = version.includes('-') ? 'next' : 'latest'

for (const packageName of [...allPlatforms().map((platform) => platform.packageName), name]) {
  if (await isPublished(packageName)) {
    console.log(`${packageName}@${version} is published already`)
    continue
  }
  const tarball = join(root, 'dist', tarballName({ name: packageName, version }))
  const proof = dryRun ? ['--dry-run'] : ['--provenance']
  await mustRun(...npm('publish', tarball, '--access', 'public', '--tag', tag, ...proof))
}

async function isPublished(packageName) {
  const { code, output } = await run(
    ...npm('view', `${packageName}@${version}`, 'version', '--loglevel=error'),
    { quiet: true },
  )
  return code === 0 && output.trim().endsWith(version)
}
