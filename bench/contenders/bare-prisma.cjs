// What a program pays that has a Prisma client anyway: it is loaded, and has answered once.
const { prismaClient } = require('../support/clients.cjs')
const { connect } = require('./bare.cjs')

exports.title = 'no library, a client of Prisma 7'
exports.store = 'prisma'
exports.connect = async () => {
  await prismaClient().tokenCache.findUnique({ where: { service: 'none' } })
  return connect()
}
