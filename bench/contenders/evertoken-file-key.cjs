// The same with a key of its own, so that none has to be derived from the credential.
const { connectStored } = require('../support/stored.cjs')

const encryptionKey = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'

exports.title = 'evertoken, stored in a file, with `encryptionKey`'
exports.connect = async (tokenUrl) => connectStored({ authUrl: tokenUrl, encryptionKey })
