// evertoken with PostgreSQL, through the pool that the program has.
const { pgPool } = require('../support/clients.cjs')
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in PostgreSQL (`Pool` of pg)'
exports.store = 'postgres'
exports.baseline = 'bare-pg-pool'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, storage: { kind: 'postgres', client: pgPool() } })
