// Runs every case of every contender, prints a table and keeps the figures in results/latest.json.
//   --check            fail when evertoken misses a target that does not depend on the machine's speed
//   --check-timing     fail when it misses one that does
//   --only <a,b>       only these cases: cached-call, cold-callers, processes, short-token, hung-server, failing-server,
//                      start, restart, scale
//   --sizes <a,b>      the numbers of tenants in the case scale: 1000 where it is absent
//   --contenders <a,b> only these contenders
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { CASES, SCALE, START_CASES, scaleName } from './plan.mjs'
import { measureScale } from './scale.mjs'
import { measureStarts } from './start-times.mjs'
import { runInChild, runTogether } from './support/child.mjs'
import { Engines, Unavailable } from './support/engines.mjs'
import { withFolder } from './support/scratch.mjs'
import { startTokenServer } from './support/token-server.mjs'
import { markdownTable, scaleTable } from './table.mjs'
import { COUNT_TARGETS, missed, TIMING_TARGETS, unmeasured, unproven } from './targets.mjs'

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    'check-timing': { type: 'boolean', default: false },
    only: { type: 'string' },
    contenders: { type: 'string' },
    sizes: { type: 'string' },
  },
})
const wanted = (list, name) => list === undefined || list.split(',').includes(name)
const wantedOf = (cases) => cases.filter(({ name }) => wanted(options.only, name))
const chosen = (names) => names.filter((name) => wanted(options.contenders, name))

const knownCases = [...CASES, ...START_CASES, SCALE].map(({ name }) => name)
const strangers = (options.only?.split(',') ?? []).filter((name) => !knownCases.includes(name))
if (strangers.length > 0)
  throw new Error(`no such case: ${strangers.join(', ')}; there are ${knownCases.join(', ')}`)

const results = {}
const engines = new Engines()
try {
  for (const { name, contenders, processes, server } of wantedOf(CASES)) {
    results[name] = {}
    for (const contender of chosen(contenders)) {
      results[name][contender] = await measure(name, contender, processes, server(contender))
      console.error(`${name}, ${contender}: ${JSON.stringify(results[name][contender])}`)
    }
  }
  for (const { name, contenders, keepsStore } of wantedOf(START_CASES)) {
    results[name] = await measureStarts(chosen(contenders), engines, { keepsStore })
    console.error(`${name}: ${JSON.stringify(results[name])}`)
  }
} finally {
  await engines.close()
}
const sizes = options.sizes?.split(',').map(Number) ?? SCALE.sizes
if (!sizes.every((size) => Number.isInteger(size) && size >= 1_000))
  throw new Error('--sizes are whole numbers from 1000')
for (const size of wantedOf([SCALE]).length > 0 ? sizes : []) {
  const name = scaleName(size)
  results[name] = {}
  for (const contender of chosen(SCALE.contenders(size))) {
    results[name][contender] = await measureScale(contender, size)
    console.error(`${name}, ${contender}: ${JSON.stringify(results[name][contender])}`)
  }
}

const machine = {
  node: process.version,
  platform: `${platform()}-${arch()}`,
  processor: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`,
}
await mkdir(new URL('results/', import.meta.url), { recursive: true })
const report = { at: new Date().toISOString(), machine, results }
await writeFile(new URL('results/latest.json', import.meta.url), `${JSON.stringify(report, null, 2)}\n`)
const tables = [markdownTable(results), scaleTable(results)].filter((table) => table !== '')
console.log(`\nNode ${machine.node}, ${machine.platform}, ${machine.processor}\n\n${tables.join('\n\n')}\n`)

const targets = [
  ...(options.check ? COUNT_TARGETS : []),
  ...(options['check-timing'] ? TIMING_TARGETS : []),
].filter(({ contender }) => wanted(options.contenders, contender))
const complaints = [
  ...missed(targets, results),
  ...(options.check ? unproven(results) : []),
  // Without a choice, the machine decides what is measured.
  ...(options.check ? unmeasured(results, options.contenders?.split(',') ?? []) : []),
]
for (const complaint of complaints) console.error(`missed: ${complaint}`)
if (complaints.length > 0) process.exitCode = 1
else if (options.check || options['check-timing']) console.log('evertoken meets its targets.')

async function measure(caseName, contender, processes, plan) {
  const server = await startTokenServer(plan)
  try {
    const measured = await withFolder(async (folder) => {
      const store = await engines.storeOf(contender, folder)
      return processes === undefined
        ? runInChild(caseName, contender, server.url, store)
        : together(await runTogether(processes, caseName, contender, server.url, store))
    })
    return { ...measured, requests: server.requests() }
  } catch (error) {
    return error instanceof Unavailable ? { skipped: error.message } : { error: error.message }
  } finally {
    await server.close()
  }
}

/** What several processes measured, as one. */
function together(each) {
  const sum = (key) => each.reduce((total, measured) => total + measured[key], 0)
  return { processes: each.length, callers: sum('callers'), served: sum('served') }
}
