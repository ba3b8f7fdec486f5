// `npm run simulate -- --seeds 10000`: runs the real service in simulated worlds where all goes wrong that can, and
// prints the schedule of each seed that finds something. `--seed 7` shows one, `--replicas 10000` measures a fleet.
import { parseArgs } from 'node:util'
import { run } from './support/run.mjs'

const number = { type: 'string' }
const { values } = parseArgs({ options: { seeds: number, from: number, seed: number, replicas: number } })
const unknown = Object.entries(values).find(([, value]) => !/^\d+$/.test(value))
if (unknown !== undefined) throw new Error(`--${unknown[0]} must be a number`)

const env = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [`EVERTOKEN_SIMULATE_${name.toUpperCase()}`, value]),
)
const cargo = [
  'test',
  '--profile',
  'simulate',
  '--no-default-features',
  '--lib',
  '--',
  '--ignored',
  '--nocapture',
]
const { code } = await run('cargo', [...cargo, '--exact', 'service::tests::simulation::simulate'], {
  env,
  limitMs: 2 * 60 * 60_000,
})
process.exitCode = code ?? 1
