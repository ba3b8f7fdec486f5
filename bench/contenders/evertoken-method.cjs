// evertoken through the method of the service.
const evertoken = require('./evertoken.cjs')

exports.title = 'evertoken, service.getAuthHeaders()'
exports.connect = async (tokenUrl) => {
  await evertoken.connect(tokenUrl)
  const { getTokenService } = require(process.env.EVERTOKEN_ENTRY ?? '../..')
  const service = getTokenService()
  return () => service.getAuthHeaders()
}
