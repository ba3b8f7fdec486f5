// Form and lints of all JavaScript and TypeScript, and what of it nothing uses; each finding is an error.
import { join } from 'node:path'
import { root } from '../support/root.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

const bin = (...path) => join(root, 'node_modules', ...path)
const biome = (...args) => run(process.execPath, [bin('@biomejs', 'biome', 'bin', 'biome'), ...args])

export const jsFormat = {
  name: 'js format',
  run: async () => settle(await biome('format', '.'), 'biome format (`npm run format` repairs it)'),
}

export const jsLint = {
  name: 'js lint',
  run: async () => settle(await biome('lint', '--error-on-warnings', '.'), 'biome lint'),
}

export const unused = {
  name: 'unused',
  async run() {
    // The rest of the repository works from Node 20.9 on.
    const [major, minor] = process.versions.node.split('.').map(Number)
    if (major === 20 && minor < 19) return { skipped: 'knip needs Node 20.19' }
    return settle(await run(process.execPath, [bin('knip', 'bin', 'knip.js')]), 'knip')
  },
}
