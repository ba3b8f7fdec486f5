// Servers that OpenSSL makes: what Node's own client takes is taken, or refused in words that say what is needed.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { initializeTokenService } from 'evertoken'

const names = ['-addext', 'subjectAltName=DNS:localhost']
const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE']
const rsa = ['rsa:2048']

describe('a server of OpenSSL', () => {
  let folder
  let skip = false
  const at = (name) => join(folder, name)
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' })

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'evertoken-tls-'))
    try {
      openssl('version')
    } catch (error) {
      skip = `no certificate could be made: ${error.code ?? error.message}`
    }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const pair = (name) => ({
    key: readFileSync(at(`${name}.key`), 'utf8'),
    cert: readFileSync(at(`${name}.crt`), 'utf8'),
  })

  function selfSigned(name, key, ...extra) {
    const to = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)]
    openssl(
      'req',
      '-x509',
      '-newkey',
      ...key,
      '-nodes',
      ...to,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      ...extra,
    )
    return pair(name)
  }

  /** A certificate that the authority of this name signs, with this digest. */
  function signed(name, authority, digest) {
    const request = ['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)]
    openssl('req', '-newkey', 'rsa:2048', '-nodes', ...request, '-subj', '/CN=localhost', ...names)
    const by = ['-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`), '-CAcreateserial']
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      ...by,
      '-out',
      at(`${name}.crt`),
      '-days',
      '2',
      digest,
      '-copy_extensions',
      'copy',
    )
    return pair(name)
  }

  /** The token that the server gives, or why there is none. */
  async function asked(t, options, ca) {
    const server = createServer(options, (request, response) => {
      response.setHeader('content-type', 'application/json')
      request.resume().on('end', () => response.end('{"access_token":"taken","expires_in":900}'))
    }).on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const service = initializeTokenService({
      service: t.name,
      authUrl: `https://localhost:${server.address().port}/token`,
      clientId: 'a',
      clientSecret: 'secret',
      ca,
      storage: { kind: 'memory' },
      onFailure: 'throw',
      retry: { attempts: 1 },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    })
    t.after(async () => {
      await service.shutdown()
      server.closeAllConnections()
      server.close()
    })
    return service.getToken().catch(({ code, message }) => `${code}: ${message}`)
  }

  test('with a configured self-signed certificate is accepted', async (t) => {
    if (skip) return t.skip(skip)
    const shown = selfSigned('self', rsa, ...names)
    assert.equal(await asked(t, shown, shown.cert), 'taken')
  })

  test('whose certificate has only a common name causes an error about subjectAltName', async (t) => {
    if (skip) return t.skip(skip)
    const shown = selfSigned('cn', rsa, ...leaf)
    assert.match(
      await asked(t, shown, shown.cert),
      /^ERR_TOKEN_TLS: .*it has no subjectAltName; it needs one for localhost/,
    )
  })

  test('whose certificate is signed with SHA-1 causes an error about it', async (t) => {
    if (skip) return t.skip(skip)
    const authority = selfSigned('authority', rsa)
    const shown = signed('old', 'authority', '-sha1')
    const told = await asked(t, { ...shown, ciphers: 'DEFAULT@SECLEVEL=0' }, authority.cert)
    assert.match(told, /^ERR_TOKEN_TLS: .*signed with SHA-1; use SHA-256/)
  })

  const good = () => selfSigned('good', rsa, ...names, ...leaf)
  const curve = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521']
  for (const [what, options] of [
    ['with a key on P-521', () => selfSigned('p521', curve, ...names, ...leaf)],
    ['with RSA key exchange', () => ({ ...good(), maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' })],
    ['with CBC suites', () => ({ ...good(), maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA256' })],
  ]) {
    test(`${what} causes an error about what is needed`, async (t) => {
      if (skip) return t.skip(skip)
      const made = options()
      const told = await asked(t, made, made.cert)
      assert.match(
        told,
        /^ERR_TOKEN_TLS: .*P-521 key\. evertoken requires TLS 1\.3, or TLS 1\.2 with ECDHE and AES-GCM .*P-256, P-384/,
      )
    })
  }

  test('with TLS 1.1 causes an error about 1.2', async (t) => {
    if (skip) return t.skip(skip)
    const options = { ...good(), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    assert.match(
      await asked(t, options, options.cert),
      /^ERR_TOKEN_TLS: .*only TLS 1\.1 or older\. evertoken requires TLS 1\.3, or TLS 1\.2/,
    )
  })
})
