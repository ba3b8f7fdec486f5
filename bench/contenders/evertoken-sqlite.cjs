// evertoken with an SQLite database.
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in SQLite'
exports.connect = async (tokenUrl) => connectStored({ authUrl: tokenUrl }, true)
