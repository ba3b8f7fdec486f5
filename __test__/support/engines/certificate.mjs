// A certificate for servers on this machine, which is its own authority.

import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './programs.mjs'

/** Makes a key and a certificate for these names in this folder, and resolves with their paths. */
export async function makeCertificate(folder, user, names) {
  const key = join(folder, 'server.key')
  const certificate = join(folder, 'server.crt')
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', key, '-out', certificate, '-subj', '/CN=localhost'],
    ...['-addext', `subjectAltName=${names}`],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  ])
  if (user !== undefined) {
    for (const path of [key, certificate]) await chown(path, user.uid, user.gid)
  }
  return { key, certificate }
}
