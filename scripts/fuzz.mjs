// `npm run fuzz`: looks for inputs that break what holds for all of them, a minute for each target of `fuzz`.
// `npm run fuzz -- 600 jwt envelope` takes ten minutes for each of these two; with `--keep`, what reached new
// code joins the corpus, which the ordinary tests replay.
import { cp, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './support/root.mjs'
import { mustRun, run } from './support/run.mjs'

const { values, positionals } = parseArgs({ options: { keep: { type: 'boolean' } }, allowPositionals: true })
const seconds = Number(positionals.find((word) => /^\d+$/.test(word)) ?? 60)
const wanted = positionals.filter((word) => !/^\d+$/.test(word))
// The corpus is replayed by every test run, and looked at in reviews.
const MOST_KEPT = 40
// Longer inputs find nothing here that short ones do not, and the corpus stays small.
const limits = ['-max_len=2048', '-timeout=10', '-rss_limit_mb=2048']

const toolchains = await run('rustup', ['toolchain', 'list'], { quiet: true })
if (!/^nightly/m.test(toolchains.output)) {
  // Coverage and sanitizers are flags that only nightly knows.
  console.error(
    'nothing was fuzzed: cargo-fuzz needs nightly, which `rustup toolchain install nightly` brings',
  )
  process.exit(1)
}
const fuzz = (...args) => ['cargo', ['+nightly', 'fuzz', ...args], { limitMs: (seconds + 30 * 60) * 1000 }]
const { code: missing } = await run('cargo', ['+nightly', 'fuzz', '--version'], { quiet: true })
if (missing !== 0) await mustRun('cargo', ['+nightly', 'install', 'cargo-fuzz', '--locked'])

const targets = (await readdir(join(root, 'fuzz', 'fuzz_targets'))).map((name) => name.replace(/\.rs$/, ''))
const unknown = wanted.find((name) => !targets.includes(name))
if (unknown !== undefined) throw new Error(`no target is called ${unknown}; there are ${targets.join(', ')}`)
await mustRun(...fuzz('build'))

const found = []
for (const target of wanted.length > 0 ? wanted : targets) {
  console.log(`\n=== ${target}, ${seconds} s`)
  const corpus = join(root, 'fuzz', 'corpus', target)
  const fresh = join(root, 'fuzz', 'target', 'fresh', target)
  await mkdir(fresh, { recursive: true })
  // What is new goes into the first folder; the corpus is only read.
  const time = `-max_total_time=${seconds}`
  const { code } = await run(...fuzz('run', target, fresh, corpus, '--', time, ...limits))
  if (code !== 0) found.push(target)
  else if (values.keep) await keep(target, fresh, corpus)
}
console.log(found.length > 0 ? `\nfound something: ${found.join(', ')}` : '\nfound nothing')
if (found.length > 0) process.exitCode = 1

/** Adds the few inputs that reach most of what the corpus does not. */
async function keep(target, fresh, corpus) {
  const chosen = join(root, 'fuzz', 'target', 'chosen', target)
  await rm(chosen, { recursive: true, force: true })
  await cp(corpus, chosen, { recursive: true })
  await mustRun(
    ...fuzz('run', target, chosen, fresh, '--', '-set_cover_merge=1', '-use_counters=0', ...limits),
  )
  // They are written in the order of what they add.
  const known = await readdir(corpus)
  const names = (await readdir(chosen)).filter((name) => !known.includes(name))
  const written = async (name) => ({ name, at: (await stat(join(chosen, name))).mtimeMs })
  const added = await Promise.all(names.map(written))
  for (const { name } of added.sort((one, other) => one.at - other.at).slice(0, MOST_KEPT)) {
    await cp(join(chosen, name), join(corpus, name))
  }
  await rm(fresh, { recursive: true })
}
