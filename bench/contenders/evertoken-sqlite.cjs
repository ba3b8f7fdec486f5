// evertoken with an SQLite database.
const { connectStored } = require('../support/stored.cjs')
const { servicePerTenant } = require('../support/tenants.cjs')

exports.title = 'evertoken, stored in SQLite'
exports.connect = async (tokenUrl) => connectStored({ authUrl: tokenUrl }, true)
exports.tenants = (tokenUrl) => servicePerTenant({ authUrl: tokenUrl }, true)
