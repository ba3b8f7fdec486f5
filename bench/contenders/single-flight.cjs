// What teams write by hand: a cached token, a five-minute buffer, one shared promise while a request is under way.
const { requestToken, untilFiveMinutesBeforeExpiry } = require('../support/client.cjs')

const BUFFER_MS = 300_000

exports.title = 'handwritten single flight'
exports.untilDue = untilFiveMinutesBeforeExpiry

exports.connect = async (tokenUrl) => {
  let cached = null
  let pending = null
  return async () => {
    if (cached === null || cached.expiresAt - Date.now() < BUFFER_MS) {
      pending ??= requestToken(tokenUrl).finally(() => (pending = null))
      cached = await pending
    }
    return { Authorization: `Bearer ${cached.token}` }
  }
}
