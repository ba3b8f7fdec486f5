// Compiles ts/ into lib/: CommonJS for Node and Next.js; for React ES modules, and CommonJS for Jest. What every program
// loads is then put into one file, because Node takes longer to find thirty files than to run them.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

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

/** Entries of their own, which few programs load. They share the modules of `lib/core.js` with the main entry. */
const SEPARATE = ['next', 'react', 'testing', 'cli']

/** The modules of `lib/core.js`: those that the main entry consists of, and the tables that only the others use. */
function coreModules() {
  return filesBelow(at('lib'), '.js')
    .map((file) => relative(at('lib'), file).replaceAll('\\', '/').slice(0, -'.js'.length))
    .filter((name) => !SEPARATE.includes(name.split('/')[0]))
    .sort()
}

/**
 * Writes `lib/core.js`, and in place of each of its modules a file with what the module exports, so that all entries
 * share one state. The properties are plain ones: a getter costs time at each call.
 */
function writeCore() {
  const modules = coreModules().map((name) => ({
    name,
    identifier: name.replaceAll(/\W/g, '_'),
    exported: Object.keys(require(at('lib', name))),
  }))
  const lines = modules.map(({ name, identifier }) => `export * as ${identifier} from './${name}'`)
  buildSync({
    stdin: { contents: lines.join('\n'), resolveDir: at('ts') },
    outfile: at('lib', 'core.js'),
    absWorkingDir: root,
    tsconfig: at('tsconfig.node.json'),
    bundle: true,
    platform: 'node',
    target: 'node20.9',
    format: 'cjs',
    // The addon stays a package of its own, and the version is that of the package around `lib`.
    external: ['evertoken/native', '../../package.json'],
    logLevel: 'warning',
  })
  const core = readFileSync(at('lib', 'core.js'), 'utf8')
  writeFileSync(at('lib', 'core.js'), core.replaceAll('"../../package.json"', '"../package.json"'))
  for (const { name, identifier, exported } of modules) {
    const up = '../'.repeat(name.split('/').length - 1) || './'
    const text = [
      "'use strict'",
      "Object.defineProperty(exports, '__esModule', { value: true })",
      `const { ${identifier} } = require('${up}core.js')`,
      ...exported.map((each) => `exports.${each} = ${identifier}.${each}`),
    ]
    writeFileSync(at('lib', `${name}.js`), `${text.join('\n')}\n`)
  }
}

rmSync(at('lib'), { recursive: true, force: true })
compile('tsconfig.node.json')
writeCore()

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
