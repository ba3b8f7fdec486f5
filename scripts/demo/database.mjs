// A PostgreSQL server for as long as the demo runs, started as the tests start theirs.
import { startPostgres } from '../../__test__/support/engines.mjs'

/** Starts it on a free port. `environment` is what makes evertoken use it. Throws if there is none, with the reason. */
export async function startDatabase() {
  const server = await startPostgres()
  if (server.reason) {
    throw new Error(
      `--replicas needs PostgreSQL: ${server.reason}. Install PostgreSQL and start the demo again.`,
    )
  }
  return {
    description: `127.0.0.1:${server.port} (PostgreSQL)`,
    environment: { EVERTOKEN_STORAGE: server.url },
    stop: () => server.close(),
  }
}
