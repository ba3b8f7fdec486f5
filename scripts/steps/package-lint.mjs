// What publint and "are the types wrong" find in the packed package, read from the tarball as npm would publish it.
import { join } from 'node:path'
import { tarballName } from '../support/pack.mjs'
import { readManifest, root } from '../support/root.mjs'
import { mustRun, npm, run } from '../support/run.mjs'
import { isStale } from '../support/stale.mjs'
import { settle } from '../support/steps.mjs'

const tools = join(root, 'scripts', 'package-lint')
const bin = (...path) => join(tools, 'node_modules', ...path)

export const packageLint = {
  name: 'package lint',
  needs: ['build'],
  async run() {
    if (await isStale(bin('.package-lock.json'), [join(tools, 'package-lock.json')])) {
      await mustRun(...npm('ci'), { cwd: tools })
    }
    await mustRun(process.execPath, ['scripts/pack-local.mjs'])
    const tarball = join('dist', tarballName(readManifest()))
    const publint = [bin('publint', 'src', 'cli.js'), 'run', tarball, '--strict']
    settle(await run(process.execPath, publint), 'publint')
    // Only module resolution that knows `exports`, as every Node this package runs on does.
    const attw = [bin('@arethetypeswrong', 'cli', 'dist', 'index.js'), tarball, '--profile', 'node16']
    settle(await run(process.execPath, attw), 'attw')
  },
}
