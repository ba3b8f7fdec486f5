// What a wrong configuration throws.
import assert from 'node:assert/strict'

/** The configuration error that `call` throws synchronously. */
export function configErrorOf(call) {
  try {
    call()
  } catch (error) {
    assert.equal(error.name, 'TokenError', error.stack)
    assert.equal(error.code, 'ERR_TOKEN_CONFIG')
    assert.ok(error.message.startsWith(error.field), `${error.message} begins with ${error.field}`)
    return error
  }
  assert.fail('nothing was thrown')
}
