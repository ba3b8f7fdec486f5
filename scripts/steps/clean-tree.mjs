// What is generated and committed, the addon's loader and types, must be what the build makes of the sources.
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const cleanTree = {
  name: 'clean tree',
  needs: ['build'],
  run: async () =>
    settle(await run('git', ['--no-pager', 'diff', '--exit-code', '--stat']), 'git diff --exit-code'),
}
