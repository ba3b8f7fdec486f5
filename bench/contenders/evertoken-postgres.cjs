// evertoken with PostgreSQL, to which it connects by itself.
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in PostgreSQL (URL)'
exports.store = 'postgres'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, storage: { kind: 'postgres', url: process.env.EVERTOKEN_BENCH_URL } })
