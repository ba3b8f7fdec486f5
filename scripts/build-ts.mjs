// Compiles ts/ into lib/: CommonJS for Node and Next.js; for React ES modules, and CommonJS for Jest.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = (...path) => join(root, ...path)
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

function compile(project, ...options) {
  const { status } = spawnSync(process.execPath, [tsc, '--project', at(project), ...options], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}

function filesBelow(folder, extension) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(extension))
    .map((name) => join(folder, name))
}

/** What bundlers forgive, Node does not: an import without its extension. */
function checkImports(folder) {
  for (const file of [...filesBelow(folder, '.js'), ...filesBelow(folder, '.d.ts')]) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/\bfrom ['"](\.[^'"]*)['"]/g)) {
      if (!/\.(js|json)$/.test(specifier))
        throw new Error(`${file} imports ${specifier}: an ES module needs ${specifier}.js`)
    }
  }
}

/** The modules in lib/react that are data, as ES modules or as CommonJS. */
function writeReactData(folder, exportKeyword) {
  const css = readFileSync(at('ts', 'react', 'monitor.css'), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/\n?/g, '')
  writeFileSync(at(folder, 'styles.js'), `${exportKeyword('styles')}String.raw\`\n${css}\`\n`)
  const { errorTable } = require(at('lib', 'support', 'error-table.js'))
  const advice = Object.fromEntries(
    Object.entries(errorTable).map(([code, { runningAdvice }]) => [code, runningAdvice]),
  )
  writeFileSync(
    at(folder, 'error-advice.js'),
    `${exportKeyword('errorAdvice')}${JSON.stringify(advice, null, 2)}\n`,
  )
}

rmSync(at('lib'), { recursive: true, force: true })
compile('tsconfig.node.json')

if (existsSync(at('ts', 'react'))) {
  compile('tsconfig.react.json')
  mkdirSync(at('lib', 'react'), { recursive: true })
  writeFileSync(at('lib', 'react', 'package.json'), '{ "type": "module" }\n')
  writeReactData('lib/react', (name) => `export const ${name} = `)
  checkImports(at('lib', 'react'))
  compile(
    'tsconfig.react.json',
    '--module',
    'node20',
    '--moduleResolution',
    'node16',
    '--outDir',
    at('lib', 'react', 'cjs'),
  )
  writeReactData('lib/react/cjs', (name) => `exports.${name} = `)
  writeFileSync(at('lib', 'react', 'cjs', 'package.json'), '{ "type": "commonjs" }\n')
  for (const folder of ['react', 'react/cjs']) {
    const entry = readFileSync(at('lib', folder, 'index.js'), 'utf8')
    if (!/^(['"]use strict['"];\s*)?(['"])use client\2/.test(entry))
      throw new Error(`lib/${folder}/index.js does not begin with 'use client'`)
  }
}
