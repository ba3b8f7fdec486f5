// google-auth-library with a refresh token, its own HTTP client and its default five-minute eager refresh.
const { UserRefreshClient } = require('google-auth-library')
const { untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')
const { clientPerTenant } = require('../support/tenants.cjs')

exports.title = 'google-auth-library'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => clientOf(tokenUrl, 'client')
exports.tenants = (tokenUrl) => clientPerTenant((name) => clientOf(tokenUrl, name))

function clientOf(tokenUrl, clientId) {
  const client = new UserRefreshClient({
    clientId,
    clientSecret: 'secret',
    refreshToken: 'refresh-token',
    endpoints: { oauth2TokenUrl: tokenUrl },
  })
  return () => client.getRequestHeaders()
}
