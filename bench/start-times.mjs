// From the start of a process to its first header, compared with a process that only starts.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { contender } from './plan.mjs'
import { Unavailable } from './support/engines.mjs'
import { median } from './support/median.mjs'
import { folderIn, withFolder } from './support/scratch.mjs'
import { startTokenServer } from './support/token-server.mjs'

const ROUNDS = 21
const LIMIT_MS = 20_000
const script = (name) => fileURLToPath(new URL(`cases/${name}`, import.meta.url))

/**
 * Resolves with `{ ms, bareMs, ratio, starts, requests }` for each of the contenders, by name, and for one that names a
 * baseline also with `baselineRatio`. A contender's starts share one store when it `keepsStore`, and so find what the
 * one before them stored; else each has a new one.
 */
export const measureStarts = (contenders, engines, { keepsStore }) =>
  withFolder(async (parent) => {
    const newStore = async (name) => engines.storeOf(name, await folderIn(parent))
    const runners = new Map()
    const skipped = {}
    try {
      for (const name of withBaselines(contenders)) {
        try {
          const kept = keepsStore ? await newStore(name) : null
          runners.set(name, {
            kept,
            server: await startTokenServer({ first: { expiresIn: 3600 } }),
            times: [],
          })
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error
          skipped[name] = { skipped: error.message }
        }
      }
      const bareTimes = []
      for (let round = 0; round <= ROUNDS; round += 1) {
        const bareMs = await timeToHeader([script('start-bare.cjs')], {})
        // The first round fills the disk cache, and the stores that are kept, and is not counted.
        if (round > 0) bareTimes.push(bareMs)
        for (const [name, { server, kept, times }] of runners) {
          const store = kept ?? (await newStore(name))
          const ms = await timeToHeader([script('start.cjs'), name, server.url], store)
          if (round > 0) times.push(ms)
        }
      }
      const bareMs = median(bareTimes)
      const measured = [...runners].map(([name, { server, times }]) => {
        const ratios = { ratio: medianRatio(times, bareTimes) }
        const baseline = runners.get(contender(name).baseline)
        if (baseline !== undefined) ratios.baselineRatio = medianRatio(times, baseline.times)
        const requests = server.requests()
        return [name, { ms: median(times), bareMs, ...ratios, starts: ROUNDS + 1, requests }]
      })
      return { ...Object.fromEntries(measured), ...skipped }
    } finally {
      await Promise.all([...runners.values()].map(({ server }) => server.close()))
    }
  })

/** A contender that names a baseline is measured next to it. */
const withBaselines = (names) =>
  new Set(names.flatMap((name) => [contender(name).baseline, name]).filter((name) => name !== undefined))

/** Rounds are compared with each other: a busy moment of the machine affects both. */
const medianRatio = (times, others) => median(times.map((time, round) => time / others[round]))

function timeToHeader(args, store) {
  return new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LOG_LEVEL: 'error', ...store },
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
