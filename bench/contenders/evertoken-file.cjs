// evertoken with its default storage: the token is sealed and on the disk before the first caller has it.
const { mkdtempSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

exports.title = 'evertoken, stored in a file'

exports.connect = async (tokenUrl) => {
  process.chdir(mkdtempSync(join(process.env.EVERTOKEN_BENCH_FOLDER ?? tmpdir(), 'start-')))
  const { initializeTokenService, getAuthHeaders } = require(process.env.EVERTOKEN_ENTRY ?? '../..')
  initializeTokenService({ authUrl: tokenUrl, clientId: 'client', clientSecret: 'secret' })
  return getAuthHeaders
}
