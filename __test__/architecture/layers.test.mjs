// The layers of ts/: a folder imports only from the folders below it, and no files import each other in a circle.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ts = fileURLToPath(new URL('../../ts', import.meta.url))

/**
 * The folders of ts/ from the bottom to the top; those on one line do not know each other. `index.ts` is the file at
 * the root. react/ runs in the browser and imports none of the others.
 */
const layers = [
  ['support'],
  ['binding'],
  ['stores', 'events'],
  ['config'],
  ['service'],
  ['index.ts', 'next', 'cli', 'testing'],
  ['react'],
]
const standalone = ['react']

/** Type imports count: a reader of a file also reads its types. */
const importPattern = /\b(?:from|import|import\(|require\()\s*'(\.{1,2}\/[^']*)'/g

/** Every file below ts/, and the files below ts/ that it imports. */
function readImports() {
  const files = readdirSync(ts, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /\.tsx?$/.test(name))
  const known = new Set(files)
  const resolve = (file, specifier) => {
    const path = posix.normalize(posix.join(dirname(file), specifier)).replace(/\.js$/, '')
    const candidates = ['.ts', '.tsx', '.d.ts', '/index.ts'].map((end) => path + end)
    return candidates.find((candidate) => known.has(candidate))
  }
  return new Map(
    files.map((file) => {
      const imports = [...readFileSync(join(ts, file), 'utf8').matchAll(importPattern)].map(
        ([, specifier]) => {
          const target = resolve(file, specifier)
          // What is outside of ts/: the public types, and package.json.
          assert.ok(
            target ?? /^(\.\.\/)+(index|package\.json)$/.test(specifier),
            `${file} imports ${specifier}: not found`,
          )
          return target
        },
      )
      return [file, [...new Set(imports.filter((target) => target !== undefined))]]
    }),
  )
}

const layerOf = (file) => file.split('/')[0]
const rankOf = (layer) => layers.findIndex((names) => names.includes(layer))

/** The imports of a higher folder, or of one on the same line. */
function findUpwardImports(imports) {
  const isAllowed = (from, to) => from === to || (rankOf(to) < rankOf(from) && !standalone.includes(from))
  return [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => !isAllowed(layerOf(file), layerOf(target)))
      .map((target) => `${file} imports ${target}`),
  )
}

/** A circle of files as a path that ends where it begins, or undefined. */
function findCircle(imports) {
  const done = new Set()
  const visit = (file, path) => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const target of imports.get(file) ?? []) {
      const circle = visit(target, [...path, file])
      if (circle) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const circle = visit(file, [])
    if (circle) return circle.join(' → ')
  }
  return undefined
}

const imports = readImports()

test('every file of ts/ is in a layer, and every layer has files', () => {
  const found = new Set([...imports.keys()].map(layerOf))
  assert.deepEqual([...found].sort(), layers.flat().sort())
  assert.ok(imports.get('service/registry.ts').includes('config/resolve.ts'), 'imports are found')
})

test('no folder imports from a higher one, or from one on the same line', () => {
  assert.deepEqual(findUpwardImports(imports), [])
})

test('no files import each other in a circle', () => {
  assert.equal(findCircle(imports), undefined)
})

test('an upward import and a circle are found', () => {
  assert.deepEqual(
    findUpwardImports(
      new Map([
        ['support/a.ts', ['service/b.ts']],
        ['react/a.ts', ['support/a.ts']],
        ['next/a.ts', ['cli/b.ts']],
      ]),
    ),
    ['support/a.ts imports service/b.ts', 'react/a.ts imports support/a.ts', 'next/a.ts imports cli/b.ts'],
  )
  assert.equal(
    findCircle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    'b → c → b',
  )
})
