// PostgreSQL, PgBouncer and Redis for tests: each server is started by the tests that use it, on a free port and in a
// temporary folder, and is gone after them.

export { startPgBouncer } from './engines/pgbouncer.mjs'
export { startPostgres } from './engines/postgres.mjs'
export { startRedis } from './engines/redis.mjs'
export { openGate } from './engines/gate.mjs'
export { isRoot } from './engines/programs.mjs'
