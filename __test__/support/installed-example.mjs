// What is done with the example once it is installed in a folder.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export const adminSecret = 'the-admin-secret-of-the-tests'

/** What the example needs; in memory, so that a second service would have to ask for a second token. */
export function environmentFor(tokens) {
  return {
    EXTERNAL_AUTH_URL: tokens.tokenUrl,
    OAUTH_CLIENT_ID: 'example',
    OAUTH_CLIENT_SECRET: 'the-client-secret-of-the-tests',
    ORDERS_API_URL: `${tokens.apiUrl}/orders`,
    EVERTOKEN_STORAGE: 'memory',
    EVERTOKEN_ADMIN_SECRET: adminSecret,
    LOG_LEVEL: 'error',
  }
}

/** Leaves of the example nothing but what is installed, and puts these files in. */
export async function replaceSources(app, files) {
  const installed = ['node_modules', 'package.json', 'package-lock.json']
  for (const name of await readdir(app)) {
    if (!installed.includes(name)) await rm(join(app, name), { recursive: true, force: true })
  }
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(app, path)), { recursive: true })
    await writeFile(join(app, path), content)
  }
}
