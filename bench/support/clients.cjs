// The clients through which a program reaches its own PostgreSQL or Redis, at the address that the benchmark gives.
// Each is loaded where it is made, as it takes a part of the start.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const address = () => process.env.EVERTOKEN_BENCH_URL

/** A `Pool` of pg. It connects at its first query. */
exports.pgPool = () => {
  const { Pool } = require('pg')
  return withListener(new Pool({ connectionString: address() }))
}

/** A connected client of node-redis. */
exports.nodeRedis = async () => {
  const { createClient } = require('redis')
  const client = withListener(createClient({ url: address() }))
  await client.connect()
  return client
}

/** A client of Prisma, generated from the documented model. It connects at its first query. */
exports.prismaClient = () => {
  const fromProject = createRequire(join(process.env.EVERTOKEN_BENCH_PRISMA, 'package.json'))
  const { PrismaClient } = fromProject('./postgresql')
  const { PrismaPg } = fromProject('@prisma/adapter-pg')
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: address() }) })
}

/** Without one, an error of an idle connection ends the process. */
function withListener(client) {
  client.on('error', console.error)
  return client
}
