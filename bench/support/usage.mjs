// What this process uses of the machine.
import { readdirSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often peaks are looked at. */
const LOOK_MS = 10
const QUIET_WINDOW_MS = 250
const QUIET_SHARE = 0.05
/** A library that is never quiet must not keep the measurement from going on. */
const QUIET_LIMIT_MS = 5_000

/** Memory in KB, without garbage. On Linux without pages of files: those are code, and come and go with the disk cache. */
export async function residentKb() {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc()
    // V8 gives memory back on another thread.
    await sleep(50)
  }
  if (process.platform !== 'linux') return process.memoryUsage.rss() / 1024
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
}

/** Open files and threads; `null` where the system does not list them. */
export function openFiles() {
  return { files: entries('/proc/self/fd'), threads: entries('/proc/self/task') }
}

/** Flags for a process whose memory is measured: V8's space for new objects does not grow while it is measured. */
export const MEASURED_NODE = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16']

/** Takes what Node itself takes in any busy program, so that no library is blamed for it: threads, and new space. */
export async function settleNode() {
  // The first use of the file system starts threads.
  await stat('.')
  let last
  for (let round = 0; round < 200_000; round += 1) last = new Array(100).fill(last?.length)
}

/** Looks at open files and threads from now on; the function that it returns ends that and returns the peaks. */
export function watchPeaks() {
  const peak = openFiles()
  const timer = setInterval(() => {
    const now = openFiles()
    for (const key of Object.keys(peak)) if (now[key] > peak[key]) peak[key] = now[key]
  }, LOOK_MS)
  return () => {
    clearInterval(timer)
    return peak
  }
}

/** The share of one core that this process uses in the next `ms`. */
export async function processorShare(ms) {
  const begin = performance.now()
  const before = process.cpuUsage()
  await sleep(ms)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (performance.now() - begin)
}

/** Waits until the process has almost nothing to do. */
export async function untilQuiet() {
  const end = performance.now() + QUIET_LIMIT_MS
  while (performance.now() < end && (await processorShare(QUIET_WINDOW_MS)) > QUIET_SHARE);
}

function entries(folder) {
  try {
    return readdirSync(folder).length
  } catch {
    return null
  }
}
