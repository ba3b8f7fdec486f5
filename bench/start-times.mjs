// From the start of a process to its first header, beside a process that only starts.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './support/median.mjs'
import { startTokenServer } from './support/token-server.mjs'

const ROUNDS = 21
const LIMIT_MS = 20_000
const script = (name) => fileURLToPath(new URL(`cases/${name}`, import.meta.url))

/** Resolves with `{ ms, bareMs, ratio }` for each of the contenders, by name. Every start asks the server once. */
export async function measureStarts(contenders) {
  const folder = await mkdtemp(join(tmpdir(), 'evertoken-bench-'))
  const server = await startTokenServer({ first: { expiresIn: 3600 } })
  const samples = new Map(['bare start', ...contenders].map((name) => [name, []]))
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [name, times] of samples) {
        const args = name === 'bare start' ? [script('start-bare.cjs')] : [script('start.cjs'), name, server.url]
        const ms = await timeToFirstOutput(args, folder)
        // The first round fills the disk cache and is not counted.
        if (round > 0) times.push(ms)
      }
    }
  } finally {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  }
  const bare = samples.get('bare start')
  return Object.fromEntries(contenders.map((name) => {
    const times = samples.get(name)
    const ratio = median(times.map((time, round) => time / bare[round]))
    return [name, { ms: median(times), bareMs: median(bare), ratio }]
  }))
}

function timeToFirstOutput(args, folder) {
  return new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LOG_LEVEL: 'error', EVERTOKEN_BENCH_FOLDER: folder }
    })
    let ms = null
    let errors = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.stdout.once('data', () => {
      ms = performance.now() - begin
      child.kill('SIGKILL')
    })
    child.once('error', reject)
    // The next start waits for the end of this one, so that two never share the processor.
    child.once('close', () => {
      clearTimeout(timer)
      if (ms === null) reject(new Error(`${args.at(-2)}: no header\n${errors.slice(-2000)}`))
      else resolve(ms)
    })
  })
}
