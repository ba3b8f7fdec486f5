// evertoken with PostgreSQL, through the Prisma client that the program has.
const { prismaClient } = require('../support/clients.cjs')
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in PostgreSQL (Prisma 7, @prisma/adapter-pg)'
exports.store = 'prisma'
exports.baseline = 'bare-prisma'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, storage: { kind: 'prisma', client: prismaClient() } })
