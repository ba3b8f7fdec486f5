// A second evaluation of the package's JavaScript in this process, as bundles and hot reloads make one.

import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'

const require = createRequire(import.meta.url)
const root = dirname(require.resolve('evertoken/package.json'))

/** The package once more, with the same addon below. */
export function secondCopy() {
  const isOwn = (file) => file === join(root, 'index.js') || file.startsWith(join(root, 'lib') + sep)
  const first = Object.entries(require.cache).filter(([file]) => isOwn(file))
  const forget = () => {
    for (const file of Object.keys(require.cache).filter(isOwn)) delete require.cache[file]
  }
  forget()
  try {
    return require('evertoken')
  } finally {
    forget()
    Object.assign(require.cache, Object.fromEntries(first))
  }
}
