// Chromium for the tests in a browser: found, or installed from the Debian package where that is possible.
import { exists, onPath } from './on-path.mjs'
import { run } from './run.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

/** Resolves with `{ path }` or, if there is none, with `{ reason }` in a sentence. */
export async function chromium() {
  const found = await findChromium()
  if (found !== null) return { path: found }
  if (process.platform !== 'linux') return { reason: 'no Chromium or Chrome is installed' }
  if ((await onPath('apt-get')) === null)
    return { reason: 'no Chromium is installed, and apt-get does not exist' }
  if (process.getuid() !== 0) return { reason: 'no Chromium is installed, and only root may install one' }
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const update = await run('apt-get', ['update', '-qq'], { env, limitMs: 5 * 60_000 })
  const install = await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], {
    env,
    quiet: true,
    limitMs: 10 * 60_000,
  })
  const path = await findChromium()
  if (path !== null) return { path }
  const said = `${update.output}\n${install.output}`.trim().split('\n').at(-1)
  return { reason: `no Chromium is installed, and apt-get could not install it: ${said}` }
}

async function findChromium() {
  const asked = process.env.CHROMIUM_PATH
  if (asked) return asked
  for (const name of NAMES) {
    const path = await onPath(name)
    if (path !== null) return path
  }
  return (await exists(MAC)) ? MAC : null
}
