// @badgateway/oauth2-client, client credentials. It is an ES module, hence the dynamic import.
const { untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')

exports.title = '@badgateway/oauth2-client'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => {
  const { OAuth2Client, OAuth2Fetch } = await import('@badgateway/oauth2-client')
  const client = new OAuth2Client({ tokenEndpoint: tokenUrl, clientId: 'client', clientSecret: 'secret' })
  const wrapper = new OAuth2Fetch({ client, getNewToken: () => client.clientCredentials() })
  return async () => ({ Authorization: `Bearer ${await wrapper.getAccessToken()}` })
}
