// A bare async function: the floor under everything, and no token manager at all.
exports.title = 'bare async function'

exports.connect = async () => {
  const headers = Object.freeze({ Authorization: 'Bearer token' })
  return async () => headers
}
