// What a program pays that has a client of node-redis anyway: it is loaded, and has answered once.
const { nodeRedis } = require('../support/clients.cjs')
const { connect } = require('./bare.cjs')

exports.title = 'no library, a client of node-redis'
exports.store = 'redis'
exports.connect = async () => {
  const redis = await nodeRedis()
  await redis.get('token')
  return connect()
}
