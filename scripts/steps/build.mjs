// The addon for this machine and the JavaScript of the package.
import { relative } from 'node:path'
import { ensureAddon, ensureLib } from '../support/build.mjs'
import { root } from '../support/root.mjs'

export const build = {
  name: 'build',
  async run() {
    const addon = await ensureAddon()
    await ensureLib()
    return { closing: [relative(root, addon)] }
  },
}
