// `npm run fuzz`: looks for inputs that break what holds for all of them, a minute for each target of `fuzz`.
// `npm run fuzz -- 600 jwt envelope` takes ten minutes for each of these two; with `--keep`, what reached new
// code joins the corpus, which the ordinary tests replay.
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './support/root.mjs'
import { mustRun, run } from './support/run.mjs'

const { values, positionals } = parseArgs({ options: { keep: { type: 'boolean' } }, allowPositionals: true })
const seconds = Number(positionals.find((word) => /^\d+$/.test(word)) ?? 60)
const wanted = positionals.filter((word) => !/^\d+$/.test(word))
// Longer inputs find nothing here that short ones do not, and the corpus stays small.
const limits = ['-max_len=2048', '-timeout=10', '-rss_limit_mb=2048']

const toolchains = await run('rustup', ['toolchain', 'list'], { quiet: true })
if (!/^nightly/m.test(toolchains.output)) {
  // Coverage and sanitizers are flags that only nightly knows.
  console.error('nothing was fuzzed: cargo-fuzz needs nightly, which `rustup toolchain install nightly` brings')
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

/** Adds the inputs that reach what the corpus does not. */
async function keep(target, fresh, corpus) {
  await mustRun(...fuzz('run', target, corpus, fresh, '--', '-merge=1', ...limits))
  await rm(fresh, { recursive: true })
}
