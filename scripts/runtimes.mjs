// `npm run runtimes`: the main job in every runtime that evertoken is for, each fetched from npm as `npm exec` does it.
import { join } from 'node:path'
import { ensureAddon, ensureLib } from './support/build.mjs'
import { npm, run } from './support/run.mjs'
import { root } from './support/root.mjs'

const smoke = join(root, 'scripts', 'runtimes', 'smoke.cjs')
const runtimes = [
  ...[20, 22, 24, 26].map((version) => ({ name: `Node ${version}`, args: [`node@${version}`, smoke] })),
  { name: 'Bun', args: ['bun', smoke] },
  { name: 'Deno', args: ['deno', 'run', '-A', smoke] },
]

await ensureAddon()
await ensureLib()
for (const { name, args } of runtimes) {
  const { code, output } = await run(...npm('exec', '--yes', '--', ...args), {
    quiet: true,
    limitMs: 3 * 60_000,
  })
  const works = code === 0 && output.includes('works')
  console.log(`${works ? 'works ' : 'FAILED'}  ${name}`)
  if (!works) {
    console.log(output.trim().split('\n').slice(-15).join('\n'))
    process.exitCode = 1
  }
}
