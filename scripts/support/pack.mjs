// Tarballs as they are published: the same code makes the local ones and those of a release.
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { noticesFile, noticesFor } from './notices.mjs'
import { readManifest, root } from './root.mjs'
import { mustRun, npm } from './run.mjs'

export const tarballName = ({ name, version }) => `${name}-${version}.tgz`

/**
 * The package.json that is published: the repository's, without what only a developer needs, and with the addon
 * packages of `platforms` as optional dependencies of the same version.
 *
 * They are added here and not kept in the repository's own package.json, as napi-rs does it (`napi pre-publish`):
 * at the time of a commit the addons of its version are not on the registry yet. `npm install` leaves an optional
 * package that does not exist out of the lock file, and `npm ci` then refuses the lock for lacking it; and a name
 * that is not taken yet, asked for at every `npm ci`, is an invitation to take it.
 */
export function publishedManifest(manifest, platforms, repository) {
  const { scripts, devDependencies, overrides, napi, ...rest } = manifest
  const addons = platforms.map(({ packageName }) => [packageName, manifest.version]).sort()
  return { ...rest, ...repositoryField(repository), optionalDependencies: Object.fromEntries(addons) }
}

/** npm checks the provenance of a package against this field. `repository` is `owner/name` on GitHub. */
const repositoryField = (repository) =>
  repository === undefined
    ? {}
    : { repository: { type: 'git', url: `git+https://github.com/${repository}.git` } }

/** The files npm would publish from the repository, by its own rules and package.json's `files`. */
export async function filesToPublish() {
  const { output } = await mustRun(
    ...npm('pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'),
    { quiet: true },
  )
  const listing = JSON.parse(output.slice(output.search(/^[[{]/m)))
  const [entry] = Array.isArray(listing) ? listing : Object.values(listing)
  return entry.files.map(({ path }) => path)
}

/** Packs the main package into `folder` and resolves with the tarball's path. */
export async function packMain(folder, platforms, repository) {
  const manifest = publishedManifest(readManifest(), platforms, repository)
  const sources = (await filesToPublish()).filter((path) => path !== 'package.json')
  return packStaged(
    folder,
    manifest,
    sources.map((path) => [join(root, path), path]),
  )
}

/** Packs the addon package of one platform, with the addon found at `addonPath`. */
export async function packPlatform(folder, platform, addonPath, repository) {
  const home = join(root, 'npm', platform.platform)
  const manifest = {
    ...JSON.parse(await readFile(join(home, 'package.json'), 'utf8')),
    ...repositoryField(repository),
  }
  const notices = { [noticesFile]: await noticesFor(platform.target) }
  return packStaged(
    folder,
    manifest,
    [
      [addonPath, platform.addon],
      [join(home, 'README.md'), 'README.md'],
      [join(root, 'LICENSE'), 'LICENSE'],
    ],
    notices,
  )
}

/** Packs copies of `files` and what is in `texts`, by name. */
async function packStaged(folder, manifest, files, texts = {}) {
  const stage = await mkdtemp(join(tmpdir(), 'evertoken-pack-'))
  try {
    for (const [from, to] of files) {
      await mkdir(dirname(join(stage, to)), { recursive: true })
      await copyFile(from, join(stage, to))
    }
    for (const [name, text] of Object.entries({
      ...texts,
      'package.json': `${JSON.stringify(manifest, null, 2)}\n`,
    })) {
      await writeFile(join(stage, name), text)
    }
    // Next to its destination, so that the tarball appears there whole, by a rename.
    const out = join(folder, `.packing-${process.pid}`)
    await mkdir(out, { recursive: true })
    await mustRun(...npm('pack', stage, '--pack-destination', out, '--ignore-scripts', '--loglevel=error'), {
      quiet: true,
    })
    const tarball = join(folder, tarballName(manifest))
    await rename(join(out, tarballName(manifest)), tarball)
    await rm(out, { recursive: true })
    return tarball
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}
