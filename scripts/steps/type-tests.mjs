// The published types, held against what the documentation promises: __test__/types compiles, or it does not.
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const typeTests = {
  name: 'types',
  needs: ['build'],
  async run() {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    return settle(
      await run(process.execPath, [tsc, '--project', '__test__/types']),
      'tsc --project __test__/types',
    )
  },
}
