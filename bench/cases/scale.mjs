// A client or service for each of many tenants, in one process.
import { callAtOnce } from '../support/callers.mjs'
import { compareWithBare } from '../support/call-cost.mjs'
import { hasAuthorization } from '../support/pace.mjs'
import {
  openFiles,
  processorShare,
  residentKb,
  settleNode,
  untilQuiet,
  watchPeaks,
} from '../support/usage.mjs'

const IDLE_MS = 10_000
/** The first tenants carry what a process needs once: code, threads, certificates, connections. */
const FIRST = 100
const ONE_BY_ONE = 100

export async function run(contender, tokenUrl, size) {
  const names = Array.from({ length: Number(size) }, (_, index) => `tenant-${index}`)
  const [first, others] = [names.slice(0, FIRST), names.slice(FIRST)]
  await settleNode()
  const bare = openFiles()
  const tenants = contender.tenants(tokenUrl)
  for (const name of first) tenants.add(name)
  const firstCalls = await callAll(tenants, first)

  const peaks = watchPeaks()
  const began = await residentKb()
  const initUs = microsecondsEach(others, tenants.add)
  await untilQuiet()
  const withoutToken = await residentKb()
  const oneByOne = await callOneByOne(tenants, others.slice(0, ONE_BY_ONE))
  const atOnce = await callAll(tenants, others.slice(ONE_BY_ONE))
  const peak = peaks()

  tenants.begin?.()
  await untilQuiet()
  const withToken = await residentKb()
  const measured = {
    services: names.length,
    served: firstCalls.served + oneByOne.served + atOnce.served,
    initUs,
    kbWithoutToken: (withoutToken - began) / others.length,
    kbWithToken: (withToken - began) / others.length,
    oneByOneMs: oneByOne.msEach,
    atOnceMs: atOnce.msEach,
    idleShare: await processorShare(IDLE_MS),
    files: beyond(peak.files, bare.files),
    threads: beyond(peak.threads, bare.threads),
    ...(await costByName(tenants, names)),
    ...refreshPoints(tenants, names),
  }
  return { ...measured, ...(await end(tenants, names, began, others.length)) }
}

function microsecondsEach(names, work) {
  const begin = performance.now()
  for (const name of names) work(name)
  return ((performance.now() - begin) * 1000) / names.length
}

async function callAll({ call }, names) {
  const begin = performance.now()
  let next = 0
  const { served } = await callAtOnce(() => call(names[next++]), names.length)
  return { served, msEach: (performance.now() - begin) / names.length }
}

async function callOneByOne({ call }, names) {
  const begin = performance.now()
  let served = 0
  for (const name of names) if (hasAuthorization(await call(name))) served += 1
  return { served, msEach: (performance.now() - begin) / names.length }
}

/** A call by name with a cached token: always the same name, and another name each time. */
async function costByName({ call }, names) {
  const name = names.at(-1)
  const same = await compareWithBare(() => call(name))
  let next = 0
  const inTurn = await compareWithBare(() => {
    next = next + 1 < names.length ? next + 1 : 0
    return call(names[next])
  })
  return { byName: same.ratio, byNameInTurn: inTurn.ratio }
}

/** How tokens that expire together are refreshed: the fullest second, and the time from the first to the last. */
function refreshPoints({ refreshAt }, names) {
  if (refreshAt === undefined) return {}
  const seconds = new Map()
  const points = names.map(refreshAt)
  for (const point of points) {
    const second = Math.floor(point / 1000)
    seconds.set(second, (seconds.get(second) ?? 0) + 1)
  }
  const [from, to] = points.reduce(
    ([low, high], at) => [Math.min(low, at), Math.max(high, at)],
    [Infinity, 0],
  )
  return { fullestSecond: Math.max(...seconds.values()), refreshWindowSeconds: (to - from) / 1000 }
}

/** Shuts all services down, and looks at what is left of their memory. */
async function end({ end }, names, began, count) {
  if (end === undefined) return {}
  const begin = performance.now()
  await Promise.all(names.map(end))
  const shutdownUs = ((performance.now() - begin) * 1000) / names.length
  await untilQuiet()
  return { shutdownUs, kbAfterShutdown: ((await residentKb()) - began) / count }
}

const beyond = (now, bare) => (now === null ? null : now - bare)
