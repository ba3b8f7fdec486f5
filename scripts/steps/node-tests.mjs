// Everything in __test__ that needs neither a tarball nor a browser; those have steps of their own.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

const PACKAGE = /^package-.*\.test\.mjs$/
const BROWSER = /^(browser|e2e)-.*\.test\.mjs$/

export const nodeTests = {
  name: 'node',
  needs: ['build'],
  run: () => runTestFiles((name) => !PACKAGE.test(name) && !BROWSER.test(name))
}

export const packageTests = {
  name: 'package',
  needs: ['build'],
  run: () => runTestFiles((name) => PACKAGE.test(name))
}

/** Whether a test file drives a browser. */
export const isBrowserTest = (name) => BROWSER.test(name)

/**
 * Runs the test files whose names are wanted. Node 20 takes no glob after `--test`, so they are listed; finding none
 * is a failure, for a step that tests nothing proves nothing.
 */
export async function runTestFiles(wanted, env = {}) {
  const folder = join(root, '__test__')
  const files = (await readdir(folder)).filter((name) => name.endsWith('.test.mjs') && wanted(name)).sort()
  if (files.length === 0) throw new Error('no test file was found')
  const args = ['--test', '--test-reporter', 'spec', ...files.map((name) => join('__test__', name))]
  const result = await run(process.execPath, args, { env, limitMs: 20 * 60_000 })
  return settle(result, 'node --test', closingLines(result.output))
}

/** The runner's own count on one line: `tests 12, pass 12, fail 0` and so on. */
function closingLines(output) {
  const counts = output.split('\n').filter((line) => /^ℹ (tests|pass|fail|cancelled|skipped|todo) \d+\s*$/.test(line))
  return counts.length === 0 ? [] : [counts.map((line) => line.slice(2).trim()).join(', ')]
}
