// Whose certificates are accepted where the system has none: images such as Debian's slim bring no ca-certificates.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startMockTokenServer } from 'evertoken/testing'

const evertoken = createRequire(import.meta.url).resolve('evertoken')

// A mount of nothing, seen by the child alone, hides what the system has.
const hidden = ['/etc/ssl', '/etc/pki', '/usr/share/ca-certificates', '/usr/local/share/ca-certificates']
const hide = hidden
  .map((folder) => `if [ -d ${folder} ]; then mount -t tmpfs none ${folder}; fi`)
  .join(' && ')
const cannotHide =
  spawnSync('unshare', ['--mount', 'sh', '-c', hide]).status !== 0 &&
  'this user may not hide the certificates'

const ask = `require(${JSON.stringify(evertoken)}).getAuthHeaders().then((headers) => console.log(JSON.stringify(headers)))`

test('a system without certificates obtains its token', { skip: cannotHide }, async (t) => {
  const server = await startMockTokenServer()
  t.after(() => server.close())
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS, ...rest } = process.env
  const own = {
    EXTERNAL_AUTH_URL: server.tokenUrl,
    OAUTH_CLIENT_ID: 'app',
    OAUTH_CLIENT_SECRET: 'secret',
    EVERTOKEN_STORAGE: 'memory',
  }
  const child = ['--mount', 'sh', '-c', `${hide} && exec "$0" -e "$1"`, process.execPath, ask]
  const { stdout } = await promisify(execFile)('unshare', child, {
    env: { ...rest, ...own },
    timeout: 60_000,
  })
  assert.match(JSON.parse(stdout).Authorization, /^Bearer ./)
})
