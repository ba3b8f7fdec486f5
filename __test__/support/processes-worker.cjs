// A process of its own with one service, driven by messages: `callers` asks for headers that often at once,
// `loop` asks over and over for that many milliseconds.

const { initializeTokenService, getAuthHeaders, startTokenScheduler } = require('evertoken')

const config = JSON.parse(process.env.EVERTOKEN_TEST_CONFIG)
const service = initializeTokenService({ logger: { debug() {}, info() {}, warn() {}, error() {} }, ...config })

process.on('message', async ({ callers, loop }) => {
  let asked = 0
  let without = 0
  const ask = async () => {
    asked += 1
    const { Authorization } = await getAuthHeaders()
    if (!Authorization) without += 1
    return Authorization
  }
  if (callers) await Promise.all(Array.from({ length: callers }, ask))
  if (loop) {
    startTokenScheduler()
    const end = Date.now() + loop
    while (Date.now() < end) {
      await ask()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  process.send({ asked, without, header: await ask(), status: service.status() })
})
process.send('ready')
