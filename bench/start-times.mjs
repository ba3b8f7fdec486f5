// From the start of a process to its first header, compared with a process that only starts.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median } from './support/median.mjs'
import { folderIn, withFolder } from './support/scratch.mjs'
import { startTokenServer } from './support/token-server.mjs'

const ROUNDS = 21
const LIMIT_MS = 20_000
const script = (name) => fileURLToPath(new URL(`cases/${name}`, import.meta.url))

/**
 * Resolves with `{ ms, bareMs, ratio, starts, requests }` for each of the contenders, by name. A contender's starts
 * share one folder when it `keepsStore`, and so find what the one before them stored; else each has a new one.
 */
export const measureStarts = (contenders, { keepsStore }) =>
  withFolder(async (parent) => {
    const runners = new Map()
    try {
      for (const name of contenders) {
        const server = await startTokenServer({ first: { expiresIn: 3600 } })
        runners.set(name, { server, kept: keepsStore ? await folderIn(parent) : null, times: [] })
      }
      const bareTimes = []
      for (let round = 0; round <= ROUNDS; round += 1) {
        const bareMs = await timeToHeader([script('start-bare.cjs')], parent)
        // The first round fills the disk cache, and the stores that are kept, and is not counted.
        if (round > 0) bareTimes.push(bareMs)
        for (const [name, { server, kept, times }] of runners) {
          const ms = await timeToHeader(
            [script('start.cjs'), name, server.url],
            kept ?? (await folderIn(parent)),
          )
          if (round > 0) times.push(ms)
        }
      }
      return Object.fromEntries(
        contenders.map((name) => {
          const { server, times } = runners.get(name)
          const ratio = median(times.map((time, round) => time / bareTimes[round]))
          const requests = server.requests()
          return [name, { ms: median(times), bareMs: median(bareTimes), ratio, starts: ROUNDS + 1, requests }]
        }),
      )
    } finally {
      await Promise.all([...runners.values()].map(({ server }) => server.close()))
    }
  })

function timeToHeader(args, folder) {
  return new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LOG_LEVEL: 'error', EVERTOKEN_BENCH_FOLDER: folder },
    })
    let ms = null
    let output = ''
    let errors = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.stdout.once('data', (chunk) => {
      ms = performance.now() - begin
      output = String(chunk)
      child.kill('SIGKILL')
    })
    child.once('error', reject)
    // The next start waits for the end of this one, so that two never share the processor.
    child.once('close', () => {
      clearTimeout(timer)
      if (output.startsWith('Bearer ')) resolve(ms)
      else reject(new Error(`${args.at(-2)}: no header\n${errors.slice(-2000)}`))
    })
  })
}
