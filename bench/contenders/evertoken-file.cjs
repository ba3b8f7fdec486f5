// evertoken with its default storage: the token is sealed and on the disk before the first caller has it.
const { connectStored } = require('../support/stored.cjs')
const { servicePerTenant } = require('../support/tenants.cjs')

exports.title = 'evertoken, stored in a file'
exports.connect = async (tokenUrl) => connectStored({ authUrl: tokenUrl })
exports.tenants = (tokenUrl) => servicePerTenant({ authUrl: tokenUrl })
