// The engines of a whole run, and the variables in which the tests of the Rust core find them.
import { startPgBouncer, startPostgres, startRedis } from '../../__test__/support/engines.mjs'

/**
 * Starts PostgreSQL, PgBouncer and Redis, calls `work` with their variables, and ends them. `reasons` says in a
 * sentence each which tests are skipped because an engine is missing.
 */
export async function withEngines(work) {
  const [postgres, redis] = await Promise.all([startPostgres({ tls: true }), startRedis()])
  const pgbouncer = await startPgBouncer(postgres)
  const engines = { PostgreSQL: postgres, PgBouncer: pgbouncer, Redis: redis }
  const missing = Object.entries(engines).filter(([, { reason }]) => reason !== undefined)
  try {
    return await work({
      env: withoutMissing({
        EVERTOKEN_TEST_POSTGRES: postgres.url,
        EVERTOKEN_TEST_POSTGRES_CERTIFICATE: postgres.rootCertificate,
        EVERTOKEN_TEST_PGBOUNCER: pgbouncer.url,
        EVERTOKEN_TEST_REDIS: redis.url,
      }),
      reasons: missing.map(([name, { reason }]) => `SKIPPED: tests with ${name}: ${reason}`),
    })
  } finally {
    await Promise.all([pgbouncer, postgres, redis].map((engine) => engine.close?.()))
  }
}

const withoutMissing = (variables) =>
  Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
