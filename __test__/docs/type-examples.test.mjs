import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const require = createRequire(import.meta.url)
const root = dirname(require.resolve('evertoken/package.json'))
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
const types = readFileSync(join(root, 'index.d.ts'), 'utf8')

/** The examples in the comments of index.d.ts, each with the number of its first line. */
function examples() {
  return [...types.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => ({
    line: types.slice(0, match.index).split('\n').length + 1,
    code: match[1].replace(/^\s*\* ?/gm, ''),
  }))
}

test('every example in the documentation of the types compiles', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-examples-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const names = [...types.matchAll(/^export (?:function|class|interface|type) (\w+)/gm)].map(
    ([, name]) => name,
  )
  const all = examples()
  assert.ok(all.length >= 10)
  for (const { line, code } of all) {
    // Only the first example shows the import.
    const imports = code.includes("from 'evertoken'")
      ? ''
      : `import { ${names.join(', ')} } from 'evertoken'\n`
    writeFileSync(join(folder, `line-${line}.mts`), imports + code)
  }
  // What is not evertoken's is anything at all, as far as the compiler is concerned.
  writeFileSync(
    join(folder, 'foreign.d.ts'),
    "declare module 'redis' { export const createClient: any }\n" +
      "declare module 'axios' { const axios: any; export default axios }\n",
  )
  const compilerOptions = {
    strict: true,
    noImplicitAny: false,
    noEmit: true,
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: { evertoken: [join(root, 'index.d.ts')] },
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['*.mts', '*.d.ts'] }),
  )
  const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('every name that the package exports is documented', () => {
  for (const name of Object.keys(require('evertoken'))) {
    assert.match(types, new RegExp(`\\*/\\nexport (function|class) ${name}\\b`), name)
  }
})
