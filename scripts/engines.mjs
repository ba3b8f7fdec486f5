// `npm run engines -- cargo test …`: runs a command with PostgreSQL, PgBouncer and Redis, as `npm test` does it.
import { withEngines } from './support/engines.mjs'
import { run } from './support/run.mjs'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('say which command to run: npm run engines -- cargo test')
await withEngines(async ({ env, reasons }) => {
  for (const reason of reasons) console.log(reason)
  const { code } = await run(command, args, { env })
  process.exitCode = code ?? 1
})
