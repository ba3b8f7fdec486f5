// With a password instead of a client secret: people choose passwords, so the key of the file is derived slowly.
const { connectStored } = require('../support/stored.cjs')

exports.title = 'evertoken, stored in a file, with a password'
exports.connect = async (tokenUrl) =>
  connectStored({ authUrl: tokenUrl, clientSecret: undefined, username: 'ann', password: 'secret' })
