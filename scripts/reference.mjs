// `npm run reference`: docs/reference, written from the types. With `--check` it only says whether it is up to date.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureLib } from './support/build.mjs'
import { root } from './support/root.mjs'
import { mustRun, npm } from './support/run.mjs'
import { isStale } from './support/stale.mjs'

const tools = join(root, 'scripts', 'reference')
const committed = join(root, 'docs', 'reference')

if (await isStale(join(tools, 'node_modules', '.package-lock.json'), [join(tools, 'package-lock.json')])) {
  await mustRun(...npm('ci'), { cwd: tools })
}
// The published types are the compiled ones.
await ensureLib()
if (process.argv.includes('--check')) await check()
else await write(committed)

async function write(folder) {
  const typedoc = join(tools, 'node_modules', 'typedoc', 'bin', 'typedoc')
  await mustRun(process.execPath, [typedoc, '--options', join(tools, 'typedoc.json'), '--out', folder])
}

async function check() {
  const folder = await mkdtemp(join(tmpdir(), 'evertoken-reference-'))
  try {
    await write(folder)
    const [fresh, kept] = await Promise.all([folder, committed].map(pagesIn))
    if (fresh !== kept) throw new Error('docs/reference is not what the types say: npm run reference')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** All pages in a folder, as one text. */
async function pagesIn(folder) {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.md')).sort()
  return JSON.stringify(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  )
}
