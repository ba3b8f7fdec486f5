// A project like a user's own: an empty folder into which the packed tarballs are installed.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { tarballName } from '../../scripts/support/pack.mjs'
import { thisPlatform } from '../../scripts/support/platforms.mjs'
import { readManifest, root } from '../../scripts/support/root.mjs'
import { mustRun, npm } from '../../scripts/support/run.mjs'

const manifest = readManifest()

/** The tarballs of the package and of this machine's addon, packed again if anything has changed. */
export async function packedTarballs() {
  await mustRun(process.execPath, ['scripts/pack-local.mjs'], { quiet: true })
  return [manifest.name, thisPlatform(manifest).packageName].map((name) =>
    join(root, 'dist', tarballName({ name, version: manifest.version })),
  )
}

/**
 * Makes a project in a temporary folder and installs what `packages` names into it, with these npm options.
 * It has `folder`, `write(files)`, `node(args, env)`, `npm(...args)` and `remove()`.
 */
export async function createProject(packages, options = []) {
  const folder = await mkdtemp(join(tmpdir(), 'evertoken-project-'))
  const project = {
    folder,
    async write(files) {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
    },
    node: (args, env = {}) => node(folder, args, env),
    npm: (...args) =>
      mustRun(...npm(...args, '--no-audit', '--no-fund', '--loglevel=error'), { cwd: folder, quiet: true }),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  }
  await project.write({ 'package.json': '{ "name": "project", "version": "1.0.0", "private": true }\n' })
  try {
    await project.npm('install', ...options, ...packages)
  } catch (error) {
    await project.remove()
    throw error
  }
  return project
}

/** Runs Node in the project and resolves with `{ code, stdout, stderr }`; more than two minutes is a failure. */
function node(cwd, args, env) {
  return new Promise((resolve) => {
    // A package that finds itself inside another test runner changes its ways, so nothing of ours is passed on.
    const { NODE_TEST_CONTEXT, NODE_OPTIONS, NODE_PATH, ...clean } = process.env
    execFile(
      process.execPath,
      args,
      { cwd, env: { ...clean, ...env }, timeout: 120_000, maxBuffer: 1 << 26 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr }),
    )
  })
}

/** The files in a folder, as sorted paths with forward slashes, what lies in node_modules left out. */
export async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((path) => !path.startsWith('node_modules/'))
    .sort()
}
