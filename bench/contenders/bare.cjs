// A bare async function: the floor under everything, and no token manager at all.
exports.title = 'bare async function'

exports.connect = async () => {
  const value = 'Bearer token'
  return async () => ({ Authorization: value })
}
