// What has to agree: package.json, the addon packages, the workflows, the lock files, the types and the README.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { linkedCrates, noticesFile, noticesFor } from '../../scripts/support/notices.mjs'
import { publishedManifest } from '../../scripts/support/pack.mjs'
import { allPlatforms } from '../../scripts/support/platforms.mjs'
import { readManifest, root } from '../../scripts/support/root.mjs'

const read = (...path) => readFileSync(join(root, ...path), 'utf8')
const manifest = readManifest()
const platforms = allPlatforms(manifest)
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))

const locks = tracked.filter((path) => path.endsWith('package-lock.json'))

test('every target has its addon package, and no other exists', () => {
  assert.deepEqual(readdirSync(join(root, 'npm')).sort(), platforms.map(({ platform }) => platform).sort())
  for (const { platform, packageName, os, cpu, libc, addon } of platforms) {
    const addonManifest = JSON.parse(read('npm', platform, 'package.json'))
    const { description, ...rest } = addonManifest
    assert.deepEqual(rest, {
      name: packageName,
      version: manifest.version,
      license: 'MIT',
      main: addon,
      files: [addon, noticesFile],
      engines: manifest.engines,
      os: [os],
      cpu: [cpu],
      ...(libc === null ? {} : { libc: [libc] }),
    })
    assert.match(read('npm', platform, 'README.md'), new RegExp(`^# \`${packageName}\`$`, 'm'))
  }
})

for (const { target } of platforms) {
  test(`the notices for ${target} list all linked components, each with the text of its license`, async () => {
    const sections = (await noticesFor(target)).split(/^-{80}\n/m).slice(1)
    const titles = sections.map((section) => section.slice(0, section.indexOf('\n\n')).split('\n'))
    const textLengths = sections.map((section, at) => section.trimEnd().length - titles[at].join('\n').length)
    assert.deepEqual(
      titles.filter((_, at) => textLengths[at] < 200),
      [],
    )
    const named = new Set(titles.flat())
    const lacking = linkedBy(target).filter((title) => !named.has(title))
    assert.deepEqual(lacking, [])
    for (const other of ['SQLite', 'Rust standard library']) assert.ok(named.has(other), other)
    assert.ok(
      sections.some((section) => /^ring /.test(section) && /BoringSSL|OpenSSL/.test(section)),
      'what ring is made of',
    )
  })
}

test('the notices list no crate that is not in the addon', async () => {
  const names = (await linkedCrates(platforms[0].target)).map(({ name }) => name)
  assert.ok(names.includes('rustls') && !names.includes('evertoken'))
  for (const only of ['napi-derive', 'napi-build', 'rcgen', 'serde_derive', 'cc'])
    assert.ok(!names.includes(only), only)
})

/** What cargo links for a target, by another of its commands than the notices rest on: `name version`. */
function linkedBy(target) {
  const args = [
    'tree',
    '--locked',
    '--target',
    target,
    '--edges',
    'normal,no-proc-macro',
    '--prefix',
    'none',
    '--format',
    '{p}',
  ]
  const lines = execFileSync('cargo', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).split('\n')
  const titles = lines
    .map((line) => /^(\S+) v(\S+)/.exec(line))
    .filter((found) => found !== null && found[1] !== manifest.name)
  return [...new Set(titles.map(([, name, version]) => `${name} ${version}`))]
}

test('the published package depends on the addon packages of its own version, and has no install script', () => {
  const published = publishedManifest(manifest, platforms)
  assert.deepEqual(published.optionalDependencies, {
    'evertoken-darwin-arm64': manifest.version,
    'evertoken-darwin-x64': manifest.version,
    'evertoken-linux-arm64-gnu': manifest.version,
    'evertoken-linux-arm64-musl': manifest.version,
    'evertoken-linux-x64-gnu': manifest.version,
    'evertoken-linux-x64-musl': manifest.version,
    'evertoken-win32-x64-msvc': manifest.version,
  })
  assert.equal(published.scripts, undefined)
  assert.equal(published.dependencies, undefined)
  assert.equal(published.devDependencies, undefined)
  for (const field of [
    'name',
    'version',
    'license',
    'main',
    'types',
    'exports',
    'typesVersions',
    'bin',
    'files',
    'engines',
  ]) {
    assert.deepEqual(published[field], manifest[field], field)
  }
})

test('a release names the repository it was built from, which its provenance is checked against', () => {
  const { repository } = publishedManifest(manifest, platforms, 'someone/evertoken')
  assert.deepEqual(repository, { type: 'git', url: 'git+https://github.com/someone/evertoken.git' })
})

test('the crate and the package have one version', () => {
  assert.equal(/^version = "(.+)"$/m.exec(read('Cargo.toml'))[1], manifest.version)
  assert.equal(JSON.parse(read('package-lock.json')).version, manifest.version)
})

const targets = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(targets))

test('every path in package.json exists', () => {
  const pointed = [
    manifest.main,
    manifest.types,
    ...targets(manifest.exports),
    ...targets(manifest.bin),
    ...Object.values(manifest.typesVersions['*']).flat(),
  ]
  assert.deepEqual(
    pointed.filter((path) => !existsSync(join(root, path))),
    [],
  )
})

// TypeScript up to 5.9 resolves so by default with `module: commonjs`, and knows no `exports` then.
test('every entry with types has them without `exports`, too', () => {
  const typed = Object.entries(manifest.exports).filter(
    ([name, target]) => name !== '.' && targets(target).some((path) => path.endsWith('.d.ts')),
  )
  assert.deepEqual(
    Object.keys(manifest.typesVersions['*']),
    typed.map(([name]) => name.slice(2)),
  )
  for (const [name, target] of typed) {
    const [path] = manifest.typesVersions['*'][name.slice(2)]
    assert.equal(`./${path.replace(/^\.\//, '')}`, target.types ?? target.require.types)
  }
})

test('the workflow builds every target', () => {
  const workflow = read('.github', 'workflows', 'build.yml')
  const built = [...workflow.matchAll(/- \{ target: ([\w-]+)/g)].map(([, target]) => target)
  assert.deepEqual(built.sort(), [...manifest.napi.targets].sort())
})

test('the workflows run no action that can change under the same name', () => {
  const folder = join(root, '.github', 'workflows')
  const used = readdirSync(folder).flatMap((name) =>
    [...read('.github', 'workflows', name).matchAll(/uses: (\S+)/g)].map(([, action]) => action),
  )
  assert.ok(used.length > 10)
  assert.deepEqual(
    used.filter((action) => !/^\.\/|@[0-9a-f]{40}$/.test(action)),
    [],
  )
})

test('no lock file holds an address', () => {
  assert.ok(locks.includes('package-lock.json') && locks.includes('bench/package-lock.json'))
  assert.deepEqual(
    locks.filter((path) => /"resolved": "https?:/.test(read(path))),
    [],
  )
})

// npm leaves an optional dependency that it cannot find out of a new lock file, without a word, and `npm ci` then
// refuses the lock on every machine. That is what package.json's `overrides` are for: the versions they name are the
// latest with all of their platforms' packages published.
test('the lock files lack no optional dependency', () => {
  for (const path of locks) {
    const { packages } = JSON.parse(read(path))
    const lacking = Object.entries(packages).flatMap(([home, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isLocked(packages, home, name)),
    )
    assert.deepEqual(lacking, [], path)
  }
})

/** Whether a package in `home` finds `name` in its own node_modules or in one above it. */
function isLocked(packages, home, name) {
  for (let folder = home; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined) return true
    if (folder === '') return false
  }
}

test('the types declare exactly the values of the module', () => {
  const declared = valuesDeclaredIn(read('index.d.ts'))
  assert.ok(declared.includes('getAuthHeaders'))
  assert.deepEqual(Object.keys(createRequire(import.meta.url)('evertoken')).sort(), declared.sort())
})

test('the code blocks of the README import only what exists', async () => {
  const blocks = [
    ...read('README.md').matchAll(/^```(?:ts|tsx|js|jsx|mjs|typescript|javascript)\b.*\n([\s\S]*?)^```/gm),
  ]
  const imports = blocks.flatMap(([, code]) => [
    ...code.matchAll(/import\s+(?:type\s+)?\{([^}]+)\}\s+from\s+['"](evertoken(?:\/\w+)?)['"]/g),
  ])
  assert.ok(imports.length > 0, 'the README shows an import')
  for (const [statement, names, entry] of imports) {
    const known = await namesOf(entry)
    for (const name of names.split(',').map((part) =>
      part
        .trim()
        .split(/\s+as\s+/)[0]
        .replace(/^type\s+/, ''),
    )) {
      if (name !== '') assert.ok(known.includes(name), `${statement}: ${entry} has no ${name}`)
    }
  }
})

/** Everything an entry exports: the values of the module and the types of its declarations. */
async function namesOf(entry) {
  const target = manifest.exports[entry.replace(/^evertoken/, '.')]
  const declarations = read(target.types ?? target.default.types)
  const typeNames = [...declarations.matchAll(/export (?:declare )?(?:type|interface) (\w+)/g)].map(
    ([, name]) => name,
  )
  const listed = [...declarations.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) =>
    names.split(',').map((name) =>
      name
        .trim()
        .split(/\s+as\s+/)
        .at(-1)
        .replace(/^type\s+/, ''),
    ),
  )
  return [...Object.keys(await import(entry)), ...typeNames, ...listed]
}

function valuesDeclaredIn(declarations) {
  return [
    ...declarations.matchAll(/^export (?:declare )?(?:abstract )?(?:function|class|const|enum) (\w+)/gm),
  ].map(([, name]) => name)
}
