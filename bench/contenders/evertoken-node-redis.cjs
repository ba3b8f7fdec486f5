// evertoken with Redis, through the client that the program has.
const { nodeRedis } = require('../support/clients.cjs')
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in Redis (client of node-redis)'
exports.store = 'redis'
exports.baseline = 'bare-node-redis'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, storage: { kind: 'redis', client: await nodeRedis() } })
