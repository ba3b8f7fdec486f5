// A process of its own with one service, driven by messages: `callers` asks for headers that often at once,
// `loop` asks over and over for that many milliseconds, `refreshes` refreshes that often, or for ever if it is true,
// `clears` clears, `looks` says how things stand, `services` opens and shuts that many, `schedules` starts the
// scheduler. The `storage` of the configuration may be one of a client: see `replica-clients.mjs`.

const { readdirSync } = require('node:fs')
const { inspect } = require('node:util')

const { initializeTokenService, getAuthHeaders, startTokenScheduler } = require('evertoken')

const config = JSON.parse(process.env.EVERTOKEN_TEST_CONFIG)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
// What is printed is read for secrets.
const printed = Object.fromEntries(
  Object.keys(silent).map((level) => [level, (...line) => console.log(inspect(line))]),
)
const logger = process.env.EVERTOKEN_TEST_PRINTS ? printed : silent
let service

const count = () => ({
  threads: readdirSync('/proc/self/task').length,
  descriptors: readdirSync('/proc/self/fd').length,
})

/** How many threads and descriptors there are before services are opened and after they are shut. */
async function openAndShut(number) {
  // What the process keeps for good is there after the first service.
  await getAuthHeaders()
  await service.shutdown()
  const before = count()
  const open = (index) => initializeTokenService({ ...config, service: `service ${index}`, logger })
  const services = Array.from({ length: number }, (_, index) => open(index))
  await Promise.all(services.map((each) => each.getToken()))
  await Promise.all(services.map((each) => each.shutdown()))
  let after = count()
  // Threads that have nothing to do end after some seconds.
  for (
    let tries = 0;
    tries < 40 && (after.threads > before.threads || after.descriptors > before.descriptors);
    tries += 1
  ) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    after = count()
  }
  return { before, after }
}

/** What a call throws, with all that it shows. */
const errorOf = (call) =>
  call().then(
    () => undefined,
    (error) => ({ code: error.code, message: error.message, shown: inspect(error, { depth: 9 }) }),
  )

process.on('message', async ({ callers, loop, refreshes, clears, looks, services, schedules }) => {
  if (schedules) startTokenScheduler()
  if (services) return process.send(await openAndShut(services))
  if (clears) {
    const error = await errorOf(() => service.clear())
    return process.send({ ...service.status(), error })
  }
  if (looks) return process.send(service.status())
  for (let left = refreshes === true ? Infinity : (refreshes ?? 0); left > 0; left -= 1) {
    await service.refresh().catch(() => {})
  }
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

async function begin() {
  const { storageOf } = await import('./replica-clients.mjs')
  service = initializeTokenService({ ...config, storage: await storageOf(config.storage), logger })
  process.send('ready')
}
begin()
// A pool of connections would keep it alive after its test.
process.on('disconnect', () => process.exit())
