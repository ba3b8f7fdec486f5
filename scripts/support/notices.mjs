// The notices that the licenses of the crates in an addon ask for, from what cargo knows and the crates' own files.
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './root.mjs'
import { mustRun } from './run.mjs'

/** The file's name in every addon package. */
export const noticesFile = 'THIRD-PARTY-NOTICES.txt'

const LICENSE_FILE = /^(un)?licen[sc]e|^copying|^copyright|^notice/i
/** A file of one of the licenses between which a crate leaves the choice, by its name. */
const OTHER_CHOICE = /apache|unlicense|zlib|0bsd|isc|copying/i
const MIT = /Permission is hereby granted, free of charge/

/** The shortest license text there is has more characters. */
const SHORTEST = 200

/** Crates that come without a license file; their repository has one for all of them, kept here. */
const KEPT = {
  'https://github.com/dropbox/rust-alloc-no-stdlib': 'alloc-no-stdlib.txt',
  'https://github.com/napi-rs/napi-rs': 'napi-rs.txt',
  'https://github.com/madsmtm/objc2': 'objc2.txt',
}

/** Linked components that are not crates. */
const BESIDES = [
  {
    name: 'Rust standard library',
    license: 'MIT OR Apache-2.0',
    repository: 'https://github.com/rust-lang/rust',
    file: 'rust-standard-library.txt',
  },
  {
    name: 'SQLite',
    license: 'blessing (public domain)',
    repository: 'https://sqlite.org',
    file: 'sqlite.txt',
  },
]

/** The text of the notices file for one Rust target. Throws when a crate has no license text. */
export async function noticesFor(target) {
  const components = await Promise.all([
    ...(await linkedCrates(target)).map(describe),
    ...BESIDES.map(describeOther),
  ])
  const texts = new Map()
  for (const { title, licenses } of components) {
    for (const text of licenses) texts.set(text, [...(texts.get(text) ?? []), title])
  }
  const list = components.map(
    ({ title, license, repository }) => `  ${title} (${license})${repository ? `\n    ${repository}` : ''}`,
  )
  const line = '-'.repeat(80)
  const sections = [...texts].map(
    ([text, titles]) => `${line}\n${titles.map((title) => `${title}\n`).join('')}\n${text}\n`,
  )
  return [
    `The addon of evertoken for ${target} contains the following software, whose licenses are below.`,
    'Where a license leaves a choice that includes MIT, MIT is chosen.\n',
    `${list.join('\n')}\n`,
    sections.join('\n'),
  ].join('\n')
}

/** The crates whose code is in the addon for a target, as cargo describes them: neither build scripts nor macros. */
export async function linkedCrates(target) {
  const args = ['metadata', '--locked', '--format-version', '1', '--filter-platform', target]
  const { output } = await mustRun('cargo', args, { quiet: true })
  // Cargo may say on stderr what it downloads.
  const { packages, resolve } = JSON.parse(output.split('\n').find((line) => line.startsWith('{')))
  const crates = new Map(packages.map((each) => [each.id, each]))
  const dependencies = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]))
  const linked = new Set()
  const visit = (id) => {
    if (linked.has(id) || crates.get(id).targets.some(({ kind }) => kind.includes('proc-macro'))) return
    linked.add(id)
    for (const { pkg, dep_kinds: kinds } of dependencies.get(id)) {
      if (kinds.some(({ kind }) => kind === null)) visit(pkg)
    }
  }
  visit(resolve.root)
  linked.delete(resolve.root)
  return [...linked]
    .map((id) => crates.get(id))
    .sort((one, other) => (titleOf(one) < titleOf(other) ? -1 : 1))
}

const titleOf = ({ name, version }) => (version === undefined ? name : `${name} ${version}`)

async function describe(crate) {
  const licenses = await licensesOf(crate)
  if (licenses.length === 0)
    throw new Error(
      `${titleOf(crate)} (${crate.license}) has no license text: keep one in ${relative(root, keptAt(''))}`,
    )
  return {
    title: titleOf(crate),
    license: crate.license ?? 'see below',
    repository: crate.repository,
    licenses,
  }
}

const describeOther = async (other) => ({ ...other, title: other.name, licenses: [await kept(other.file)] })

async function licensesOf({ manifest_path: manifest, repository, license }) {
  const folder = dirname(manifest)
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(
      (entry) => entry.isFile() && LICENSE_FILE.test(entry.name) && !/\.(rs|c|h|html)$/.test(entry.name),
    )
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
  if (names.length === 0) return KEPT[repository] === undefined ? [] : [await kept(KEPT[repository])]
  const files = await Promise.all(
    names.map(async (path) => ({ path, text: clean(await readFile(path, 'utf8')) })),
  )
  // Some write no more than the names of the licenses into one of the files.
  const texts = chosen(files, license ?? '')
    .map(({ text }) => text)
    .filter((text) => text.length > SHORTEST)
  return [...new Set(texts)]
}

/** One license of those that a crate offers, where that can be MIT; else all. */
function chosen(files, license) {
  const leavesChoice = /\bMIT\b/.test(license) && /\bOR\b|\//.test(license) && !/\bAND\b/.test(license)
  if (!leavesChoice || !files.some(({ text }) => MIT.test(text))) return files
  return files.filter(({ path, text }) => MIT.test(text) || !OTHER_CHOICE.test(path.split(/[\\/]/).at(-1)))
}

const clean = (text) =>
  text
    .replaceAll('\r\n', '\n')
    .replace(/[ \t]+$/gm, '')
    .replace(/^\n+|\s+$/g, '')
const keptAt = (name) => fileURLToPath(new URL(`notices/${name}`, import.meta.url))
const kept = async (name) => clean(await readFile(keptAt(name), 'utf8'))
