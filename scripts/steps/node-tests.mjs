// The tests in __test__, by folder: those in package/ need a tarball and those in browser/ a browser, so that each of
// the two is a step of its own.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

const tests = join(root, '__test__')
const ownSteps = ['package', 'browser']

export const nodeTests = {
  name: 'node',
  needs: ['build'],
  async run() {
    const folders = (await readdir(tests, { withFileTypes: true })).filter((entry) => entry.isDirectory())
    return runTestFolders(folders.map(({ name }) => name).filter((name) => !ownSteps.includes(name)))
  },
}

export const packageTests = {
  name: 'package',
  needs: ['build'],
  run: () => runTestFolders(['package']),
}

/**
 * Runs the test files in these folders of __test__. Node 20 takes no glob after `--test`, so they are listed. No file
 * at all is a failure: a step that tests nothing proves nothing.
 */
export async function runTestFolders(folders, env = {}) {
  const listings = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(tests, folder))).map((name) => join('__test__', folder, name)),
    ),
  )
  const files = listings
    .flat()
    .filter((path) => path.endsWith('.test.mjs'))
    .sort()
  if (files.length === 0) throw new Error(`no test file was found in ${folders.join(', ')}`)
  const result = await run(process.execPath, ['--test', '--test-reporter', 'spec', ...files], {
    env,
    limitMs: 20 * 60_000,
  })
  return settle(result, 'node --test', closingLines(result.output))
}

/** The runner's own count on one line: `tests 12, pass 12, fail 0` and so on. */
function closingLines(output) {
  const counts = output
    .split('\n')
    .filter((line) => /^ℹ (tests|pass|fail|cancelled|skipped|todo) \d+\s*$/.test(line))
  return counts.length === 0 ? [] : [counts.map((line) => line.slice(2).trim()).join(', ')]
}
