// The memoizer of the AWS SDK for JavaScript, with the rules the SDK itself gives it.
const { memoizeIdentityProvider, isIdentityExpired, doesIdentityRequireRefresh } = require('@smithy/core')
const { requestToken, untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')

exports.title = 'AWS memoizer (@smithy/core)'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => {
  const provider = async () => {
    const { token, expiresAt } = await requestToken(tokenUrl)
    return { token, expiration: new Date(expiresAt) }
  }
  const identity = memoizeIdentityProvider(provider, isIdentityExpired, doesIdentityRequireRefresh)
  return async () => ({ Authorization: `Bearer ${(await identity()).token}` })
}
