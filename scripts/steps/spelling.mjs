// American spelling, by cspell.json and the words in scripts/words/dictionary.txt.
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { mustRun, npm, run } from '../support/run.mjs'
import { isStale } from '../support/stale.mjs'
import { settle } from '../support/steps.mjs'

const tools = join(root, 'scripts', 'words')

export const spelling = {
  name: 'spelling',
  async run() {
    if (
      await isStale(join(tools, 'node_modules', '.package-lock.json'), [join(tools, 'package-lock.json')])
    ) {
      await mustRun(...npm('ci'), { cwd: tools })
    }
    const cspell = join(tools, 'node_modules', 'cspell', 'bin.mjs')
    return settle(
      await run(process.execPath, [cspell, 'lint', '--no-progress', '--show-suggestions']),
      'cspell',
    )
  },
}
