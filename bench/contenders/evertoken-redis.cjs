// evertoken with Redis, to which it connects by itself.
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in Redis (URL)'
exports.store = 'redis'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, storage: { kind: 'redis', url: process.env.EVERTOKEN_BENCH_URL } })
