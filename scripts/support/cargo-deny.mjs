// Where cargo-deny is: on the path, or in target/tools, where it is installed when first needed.
import { join } from 'node:path'
import { root } from './root.mjs'
import { mustRun, run } from './run.mjs'

/** `deny.toml` is written for this version; another patch of it does as well. */
const version = '0.20.2'
const folder = join(root, 'target', 'tools')

/** The program to run. Throws if it can be neither found nor installed. */
export async function cargoDeny() {
  const own = join(folder, 'bin', process.platform === 'win32' ? 'cargo-deny.exe' : 'cargo-deny')
  for (const program of ['cargo-deny', own]) if (await isUsable(program)) return program
  console.log(
    `cargo-deny ${version} is not installed; it is built into target/tools, which takes some minutes`,
  )
  await mustRun('cargo', ['install', 'cargo-deny', '--version', version, '--locked', '--root', folder], {
    limitMs: 30 * 60_000,
  })
  return own
}

async function isUsable(program) {
  const { code, output } = await run(program, ['--version'], { quiet: true })
  return code === 0 && output.startsWith(`cargo-deny ${version.replace(/\d+$/, '')}`)
}
