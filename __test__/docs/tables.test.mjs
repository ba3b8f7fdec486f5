// What the docs say of environment variables and error codes, held against the tables in ts/support.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { documents, findDifference, withTables } from '../../scripts/docs-tables/tables.mjs'
import { root } from '../../scripts/support/root.mjs'

const require = createRequire(import.meta.url)
const { envTable, variableNames } = require('../../lib/support/env-table.js')
const { errorTable } = require('../../lib/support/error-table.js')
const read = (...path) => readFileSync(join(root, ...path), 'utf8')

for (const document of documents) {
  test(`the generated tables of ${document} are current`, async () => {
    assert.equal(await findDifference(document, read(document)), undefined, 'npm run docs:tables writes them')
  })
}

test('a line that differs is named, and written again', async () => {
  const document = 'README.md'
  const text = read(document)
  const changed = text.replace('| `OAUTH_ISSUER` | `issuer` |', '| `OAUTH_ISSUER` | `authUrl` |')
  assert.match(
    await findDifference(document, changed),
    /^README\.md:\d+\n {2}is +\| `OAUTH_ISSUER` \| `authUrl` .*\n {2}should be \| `OAUTH_ISSUER` \| `issuer` /,
  )
  assert.equal(await withTables(document, changed), text)
})

/** The names between backticks in a cell of a table; `_USERNAME` continues the name before it. */
function namesIn(cell) {
  const names = []
  for (const [, name] of cell.matchAll(/`([A-Za-z_]+)`/g)) {
    const [previous = ''] = names.slice(-1)
    names.push(name.startsWith('_') ? previous.slice(0, previous.lastIndexOf('_')) + name : name)
  }
  return names
}

/** The pairs of field and variable in the rows of tables whose two cells these are. */
function pairsIn(text, fieldCell, variableCell) {
  return text
    .split('\n')
    .filter((line) => /^( \*)? *\| `/.test(line))
    .flatMap((line) => {
      const cells = line.split('|').slice(1)
      const fields = namesIn(cells[fieldCell] ?? '')
      return namesIn(cells[variableCell] ?? '')
        .filter((name) => /^[A-Z]+_[A-Z_]+$/.test(name))
        .map((variable, index) => [fields[index], variable])
    })
}

const configured = envTable
  .filter(({ field }) => field !== null)
  .map(({ field, name }) => [field, name])
  .sort()
const known = new Set(variableNames())

test('docs/configuration.md names the variable of each field', () => {
  const others = new Set(['ca', 'logger'])
  const pairs = pairsIn(read('docs', 'configuration.md'), 0, 1).filter(
    ([field]) => field !== undefined && !others.has(field),
  )
  assert.deepEqual(pairs.filter(([, name]) => known.has(name)).sort(), configured)
})

test('index.d.ts names the variable of each field', () => {
  const types = read('index.d.ts')
  const [, table] = /((?: \* \|.*\n)*? \* \| `EXTERNAL_AUTH_URL`(?:.*\n \* \|)*.*\n)/.exec(types)
  assert.deepEqual(pairsIn(table, 1, 0).sort(), configured)
})

test('no document names a variable that does not exist', () => {
  const pages = [
    'README.md',
    'SECURITY.md',
    'index.d.ts',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ]
  for (const page of [...pages, join('examples', 'nextjs', '.env.example')]) {
    const names = read(page).match(/(?<![A-Z_])(?:EXTERNAL|OAUTH|TOKEN|EVERTOKEN|LOG)_[A-Z_]*[A-Z]/g) ?? []
    assert.deepEqual(
      [...new Set(names)].filter((name) => !known.has(name)),
      [],
      page,
    )
  }
})

test('every error code has a page and a row in index.d.ts', () => {
  const codes = Object.keys(errorTable)
  const types = read('index.d.ts')
  assert.deepEqual(
    [...types.matchAll(/^ \* \| `(ERR_TOKEN_\w+)` \|/gm)].map(([, code]) => code),
    codes,
  )
  assert.deepEqual(
    [
      ...types
        .slice(types.indexOf('export type TokenErrorCode'))
        .split('\n\n')[0]
        .matchAll(/'(\w+)'/g),
    ].map(([, code]) => code),
    codes,
  )
  for (const code of codes) assert.ok(existsSync(join(root, 'docs', 'errors', `${code}.md`)), code)
})
