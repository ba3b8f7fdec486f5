// One of several processes that share a store where they can, each with callers and none with a token. The server's
// count is the measurement.
import { once } from 'node:events'
import { callAtOnce } from '../support/callers.mjs'

const CALLERS = 200

export async function run(contender, tokenUrl) {
  const call = await contender.connect(tokenUrl)
  const told = once(process, 'message')
  process.send('ready')
  await told
  return callAtOnce(call, CALLERS)
}
