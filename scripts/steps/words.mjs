// Phrases that read like a translation: each has a plainer one, in scripts/words/phrases.json.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { proseFiles } from '../support/prose.mjs'
import { root } from '../support/root.mjs'

export const phrases = {
  name: 'phrases',
  async run() {
    const list = JSON.parse(await readFile(join(root, 'scripts', 'words', 'phrases.json'), 'utf8'))
    const rules = list.map(({ phrase, say }) => ({ pattern: new RegExp(`\\b(${phrase})\\b`, 'gi'), say }))
    const files = await proseFiles()
    const findings = (await Promise.all(files.map((file) => findingsIn(file, rules)))).flat()
    for (const finding of findings) console.log(finding)
    const total = `${findings.length} in ${files.length} files`
    if (findings.length > 0) throw new Error(`phrases to replace: ${total}`)
    return { closing: [`phrases to replace: ${total}`] }
  },
}

async function findingsIn(file, rules) {
  const prose = asProse(await readFile(join(root, file), 'utf8'))
  return rules.flatMap(({ pattern, say }) =>
    [...prose.text.matchAll(pattern)].map(
      ({ 0: phrase, index }) => `${file}:${prose.lineOf(index)}: "${phrase}": say "${say}"`,
    ),
  )
}

/** One line of text in which a name's `_` is a space, and so is the end of a line with the beginning of a comment. */
function asProse(source) {
  const lines = source
    .split('\n')
    .map((line) => line.replace(/^\s*(\/\/[/!]?|\*|#+|>)?\s*/, '').replaceAll('_', ' '))
  const starts = []
  let length = 0
  for (const line of lines) {
    starts.push(length)
    length += line.length + 1
  }
  return { text: lines.join(' '), lineOf: (index) => starts.findLastIndex((start) => start <= index) + 1 }
}
