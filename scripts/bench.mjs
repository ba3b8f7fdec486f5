// `npm run bench`: installs the libraries to compare with, builds what is missing or stale, and measures.
// Options go on to bench/run.mjs: `npm run bench -- --check --only cold-callers`.
import { join } from 'node:path'
import { ensureAddon, ensureLib } from './support/build.mjs'
import { root } from './support/root.mjs'
import { mustRun, npm, run } from './support/run.mjs'
import { isStale } from './support/stale.mjs'

const bench = join(root, 'bench')
// npm writes this file at the end of an installation.
if (await isStale(join(bench, 'node_modules', '.package-lock.json'), [join(bench, 'package-lock.json')])) {
  await mustRun(...npm('ci'), { cwd: bench })
}
await ensureAddon()
await ensureLib()
const { code } = await run(process.execPath, [join(bench, 'run.mjs'), ...process.argv.slice(2)])
process.exitCode = code ?? 1
