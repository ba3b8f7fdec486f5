// `npm run demo`, with its own check: real token servers, the example as it is deployed, and a renewal.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { run } from '../../scripts/support/run.mjs'

for (const args of [['--check'], ['--login', '--check'], ['--replicas', '--check']]) {
  it(`npm run demo -- ${args.join(' ')} sees a token renewed`, async (t) => {
    const { code, output } = await run(process.execPath, ['scripts/demo.mjs', ...args], {
      quiet: true,
      limitMs: 5 * 60_000,
    })
    const lacking = /--replicas needs PostgreSQL: .*/.exec(output)
    if (lacking) return t.skip(lacking[0])
    assert.equal(code, 0, output)
    assert.match(output, args.includes('--replicas') ? /the other renewed the token/ : /renewed by itself/)
  })
}
