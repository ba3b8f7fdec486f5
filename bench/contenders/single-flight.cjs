// What teams write by hand: a cached token, a five-minute buffer, one shared promise while a request is under way.
const { requestToken, untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')
const { clientPerTenant } = require('../support/tenants.cjs')

const BUFFER_MS = 300_000

exports.title = 'handwritten single flight'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => clientOf(tokenUrl, 'client')
exports.tenants = (tokenUrl) => clientPerTenant((name) => clientOf(tokenUrl, name))

function clientOf(tokenUrl, clientId) {
  let cached = null
  let pending = null
  return async () => {
    if (cached === null || cached.expiresAt - Date.now() < BUFFER_MS) {
      pending ??= requestToken(tokenUrl, clientId).finally(() => (pending = null))
      cached = await pending
    }
    return { Authorization: `Bearer ${cached.token}` }
  }
}
