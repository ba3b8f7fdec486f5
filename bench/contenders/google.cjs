// google-auth-library with a refresh token, its own HTTP client and its default five-minute eager refresh.
const { UserRefreshClient } = require('google-auth-library')
const { untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')

exports.title = 'google-auth-library'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => {
  const client = new UserRefreshClient({
    clientId: 'client',
    clientSecret: 'secret',
    refreshToken: 'refresh-token',
    endpoints: { oauth2TokenUrl: tokenUrl },
  })
  return () => client.getRequestHeaders()
}
