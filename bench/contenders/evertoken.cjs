// evertoken as its README shows it: the free function. Storage is memory, as it is for everyone else here.
const { initializeTokenService, getAuthHeaders, getTokenService } = require(
  process.env.EVERTOKEN_ENTRY ?? '../..',
)

const { servicePerTenant } = require('../support/tenants.cjs')

/** Long enough for three seconds of calls between the refresh point, at 22 s, and the margin before expiry, at 27 s. */
exports.firstLifeSeconds = 30
exports.title = 'evertoken'

exports.connect = async (tokenUrl) => {
  initializeTokenService({
    authUrl: tokenUrl,
    clientId: 'client',
    clientSecret: 'secret',
    storage: { kind: 'memory' },
  })
  return getAuthHeaders
}

exports.tenants = (tokenUrl) => servicePerTenant({ authUrl: tokenUrl, storage: { kind: 'memory' } })

/** Waits for the refresh point without asking for a header, which would start the refresh. */
exports.untilDue = async () => {
  while (getTokenService().status().state === 'valid') {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
