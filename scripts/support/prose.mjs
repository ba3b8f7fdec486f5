// The files whose English is checked: cspell.json lists them, for its own check and for the others.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './root.mjs'
import { mustRun } from './run.mjs'

const BINARY = /\.(png|ico|gz|der|p12|node)$/

/** Their paths from the root, tracked and new ones, without those that Git ignores. */
export async function proseFiles() {
  const { files, ignorePaths } = JSON.parse(await readFile(join(root, 'cspell.json'), 'utf8'))
  const wanted = files.map((pattern) => `:(glob)${pattern}`)
  const unwanted = ignorePaths.map((pattern) => `:(exclude${pattern.includes('*') ? ',glob' : ''})${pattern}`)
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...wanted, ...unwanted]
  const { output } = await mustRun('git', list, { quiet: true })
  return output
    .split('\n')
    .filter((name) => name !== '' && !BINARY.test(name))
    .sort()
}
