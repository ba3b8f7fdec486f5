// The tables of the docs, made of the tables in ts/support: which document has which, and how a row reads.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../support/root.mjs'

const load = (name) => import(pathToFileURL(join(root, 'lib', 'support', name)))
const code = (text) => `\`${text}\``
const row = (...cells) => `|${cells.map((cell) => (cell === '' ? ' |' : ` ${cell} |`)).join('')}`
const optionalCode = (text) => (text === null ? '' : code(text))

async function environment() {
  const { envTable } = (await load('env-table.js')).default
  return [
    '| variable | configuration field | default | |',
    '|---|---|---|---|',
    ...envTable.map((each) =>
      row(code(each.name), optionalCode(each.field), optionalCode(each.default), each.description),
    ),
  ]
}

async function files() {
  const { envTable, fileVariable } = (await load('env-table.js')).default
  return [
    '| variable | configuration field | the file contains |',
    '|---|---|---|',
    ...envTable
      .filter(({ hasFile }) => hasFile)
      .map(({ name, field }) =>
        row(
          code(fileVariable(name)),
          field === null ? '' : code(`${field}: { path }`),
          `the value of ${code(name)}`,
        ),
      ),
  ]
}

async function errors(nameOf) {
  const { errorTable } = (await load('error-table.js')).default
  return [
    '| code | what happened |',
    '|---|---|',
    ...Object.entries(errorTable).map(([name, { meaning }]) => row(nameOf(name), meaning)),
  ]
}

/** The lines of each table, by document and by the name in its marks. */
const tables = {
  'docs/configuration.md': { files },
  'README.md': { environment, errors: () => errors(code) },
  'docs/troubleshooting.md': { errors: () => errors((name) => `[${code(name)}](errors/${name}.md)`) },
}

/** The documents that have tables. */
export const documents = Object.keys(tables)

/** The document's text with each of its tables as it should be. */
export async function withTables(document, text) {
  let result = text
  for (const [name, render] of Object.entries(tables[document])) {
    const [begin, end] = [`<!-- table: ${name} -->\n`, '<!-- /table -->']
    const from = result.indexOf(begin)
    const to = result.indexOf(end, from)
    if (from === -1 || to === -1)
      throw new Error(`${document} has no marks of the table ${name}: ${begin.trim()} … ${end}`)
    // The blank lines let Markdown see the table.
    result = `${result.slice(0, from)}${begin}\n${(await render()).join('\n')}\n\n${result.slice(to)}`
  }
  return result
}

/** The first line that differs from what it should be, in words; undefined where none does. */
export async function findDifference(document, text) {
  const [is, should] = [text, await withTables(document, text)].map((each) => each.split('\n'))
  const at = should.findIndex((line, index) => line !== is[index])
  if (at === -1 && is.length === should.length) return undefined
  return `${document}:${at + 1}\n  is        ${is[at] ?? '(nothing)'}\n  should be ${should[at] ?? '(nothing)'}`
}
