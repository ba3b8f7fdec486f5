// The code that people copy out of README.md and docs/: it compiles, and what it links to is there.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import * as exported from 'evertoken'

const require = createRequire(import.meta.url)
const root = dirname(require.resolve('evertoken/package.json'))
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
const manifest = require('evertoken/package.json')

const markdownIn = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
const folders = ['docs', 'docs/errors', 'docs/providers']
const pages = ['README.md', ...folders.flatMap(markdownIn)].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}))

/** What the examples use that is not evertoken's: anything at all, as far as the compiler is concerned. */
const foreign = {
  './db':
    'export const prisma: import("evertoken").PrismaTokenClient & { tokenCache: { findMany(args: any): any }; $disconnect(): Promise<void> }',
  './generated/prisma/client': 'export const PrismaClient: any',
  './my-store.mjs':
    'export class MyStore { get(s: string): null; set(): void; delete(): void; read(s: string): null; compareAndSet(): boolean }',
  './session': 'export function isAdmin(request: Request): Promise<boolean>',
}
const modules = [
  'express',
  'fastify',
  'axios',
  'vitest',
  'pg',
  'playwright',
  'redis',
  'next/headers',
  'prisma/config',
  '@prisma/adapter-pg',
  '@opentelemetry/api',
  '@testing-library/react',
  'aws-cdk-lib',
  'aws-cdk-lib/aws-lambda',
  'aws-cdk-lib/aws-lambda-nodejs',
]

test('every block of TypeScript in the documentation compiles', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const names = Object.keys(exported).filter((name) => /^[a-z]\w+$/.test(name) && name !== 'default')
  let blocks = 0
  for (const { path, text } of pages) {
    for (const match of text.matchAll(/^```(tsx?)\n([\s\S]*?)^```/gm)) {
      const [, extension, code] = match
      // A block that shows no import uses what evertoken exports.
      const unnamed = /^import |await import\(/m.test(code)
        ? ''
        : `import { ${names.join(', ')} } from 'evertoken'\n`
      const line = text.slice(0, match.index).split('\n').length + 1
      writeFileSync(
        join(folder, `${path.replace(/\W/g, '-')}-line-${line}.${extension}`),
        `${unnamed}${code}\nexport {}\n`,
      )
      blocks += 1
    }
  }
  assert.ok(blocks > 40, `${blocks}`)
  for (const [name, types] of Object.entries(foreign)) {
    // The types of `x.mjs` are in `x.d.mts`.
    const file = name.endsWith('.mjs') ? name.replace('.mjs', '.d.mts') : `${name}.d.ts`
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), `${types}\n`)
  }
  const ambient = modules.map((name) => `declare module '${name}'`)
  writeFileSync(join(folder, 'ambient.d.ts'), [...ambient, 'declare const jest: any', ''].join('\n'))
  const typesOf = Object.entries(manifest.exports).map(([name, target]) => [
    name,
    target.types ?? target.default?.types,
  ])
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    jsx: 'react-jsx',
    module: 'esnext',
    moduleResolution: 'bundler',
    target: 'es2023',
    noImplicitAny: false,
    types: ['node', 'react'],
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: {
      ...Object.fromEntries(
        typesOf
          .filter(([, types]) => types)
          .map(([name, types]) => [name.replace('.', 'evertoken'), [join(root, types)]]),
      ),
      'react/*': [join(root, 'node_modules', '@types', 'react', '*')],
      react: [join(root, 'node_modules', '@types', 'react')],
    },
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }))
  const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('every link within the documentation leads somewhere', () => {
  for (const { path, text } of pages) {
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      assert.ok(existsSync(join(root, dirname(path), target)), `${path}: ${target}`)
    }
  }
})

test('every error code has its page, which its errors and the list of codes lead to', () => {
  const types = readFileSync(join(root, 'index.d.ts'), 'utf8')
  const troubleshooting = readFileSync(join(root, 'docs', 'troubleshooting.md'), 'utf8')
  const codes = [...new Set(types.match(/ERR_TOKEN_[A-Z_]+/g))].sort()
  assert.deepEqual(
    markdownIn('docs/errors').sort(),
    codes.map((code) => `docs/errors/${code}.md`),
  )
  for (const code of codes) {
    assert.ok(
      readFileSync(join(root, 'docs', 'errors', `${code}.md`), 'utf8').startsWith(`# \`${code}\`\n`),
      code,
    )
    assert.ok(troubleshooting.includes(`[\`${code}\`](errors/${code}.md)`), code)
    const { help } = new exported.TokenError(code, 'a message')
    assert.equal(help, `https://unpkg.com/evertoken@${manifest.version}/docs/errors/${code}.md`)
  }
})

test('every command is explained', () => {
  const { stdout } = spawnSync(process.execPath, [join(root, manifest.bin.evertoken), '--help'], {
    encoding: 'utf8',
  })
  const cli = readFileSync(join(root, 'docs', 'cli.md'), 'utf8')
  for (const [, command] of stdout.matchAll(/^ {2}(\w+) {2,}\S/gm))
    assert.ok(cli.includes(`| \`${command}\` |`), command)
})
