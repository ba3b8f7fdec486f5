// What a program pays that has a pool of pg anyway: it is loaded, and has answered once.
const { pgPool } = require('../support/clients.cjs')
const { connect } = require('./bare.cjs')

exports.title = 'no library, a `Pool` of pg'
exports.store = 'postgres'
exports.connect = async () => {
  await pgPool().query('SELECT 1')
  return connect()
}
