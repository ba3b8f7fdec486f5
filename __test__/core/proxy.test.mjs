// Proxies and certificates, as the environment names them: each service is a process of its own.

import '../support/clean-environment.mjs'

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const answer = (request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(
    JSON.stringify({ access_token: `token-by-${request.headers['via'] ?? 'no-proxy'}`, expires_in: 3600 }),
  )
}

async function listen(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

/** Resolves with `{ token, code, message, log }` of a service in a process with these variables. */
function serviceWith(env, authUrl) {
  const code = `
    const { initializeTokenService } = require('evertoken')
    const log = []
    const note = (line) => log.push(line)
    const service = initializeTokenService({ authUrl: ${JSON.stringify(authUrl)}, allowInsecureHttp: true, clientId: 'a', clientSecret: 'b',
      onFailure: 'throw', retry: { attempts: 1 }, timeoutMs: 5000, storage: { kind: 'memory' },
      logger: { debug: note, info: note, warn: note, error: note } })
    service.getToken().then((token) => ({ token }), ({ code, message }) => ({ code, message }))
      .then((said) => process.stdout.write(JSON.stringify({ ...said, log: log.join('\\n') })))`
  const { PATH, HOME } = process.env
  const options = {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH, HOME, ...env },
    timeout: 20_000,
  }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['-e', code], options, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout)),
    )
  })
}

describe('a service behind a proxy', () => {
  const target = createServer(answer)
  const asked = []
  let targetPort
  let proxyPort
  const isLetIn = (request) =>
    request.headers['proxy-authorization'] === `Basic ${btoa('ann:the proxy password')}`

  const proxy = createServer((request, response) => {
    asked.push(request.url)
    if (!isLetIn(request)) return response.writeHead(407).end()
    answer({ headers: { via: 'proxy' } }, response)
  })
  proxy.on('connect', (request, socket) => {
    asked.push(request.url)
    if (!isLetIn(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    // Wherever it is wanted, it leads to the one server there is.
    const tunnel = connect(tlsPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      tunnel.pipe(socket).pipe(tunnel)
    })
    tunnel.on('error', () => socket.destroy())
    socket.on('error', () => tunnel.destroy())
  })

  let folder
  let tlsPort
  let noTls = false
  let tls

  before(async () => {
    targetPort = await listen(target)
    proxyPort = await listen(proxy)
    folder = mkdtempSync(join(tmpdir(), 'evertoken-proxy-'))
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
    try {
      const subject = [
        '-subj',
        '/CN=token',
        '-addext',
        'subjectAltName=DNS:token.example.com,IP:127.0.0.1',
        '-addext',
        'basicConstraints=critical,CA:FALSE',
      ]
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-keyout',
          key,
          '-out',
          cert,
          ...subject,
        ],
        { stdio: 'pipe' },
      )
    } catch (error) {
      noTls = `no certificate could be made: ${error.code ?? error.message}`
      return
    }
    tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) =>
      answer({ headers: { via: 'tls' } }, response),
    )
    tlsPort = await listen(tls)
  })
  after(() => {
    for (const server of [target, proxy, tls]) {
      server?.closeAllConnections()
      server?.close()
    }
    rmSync(folder, { recursive: true, force: true })
  })

  const throughProxy = (name, userinfo = 'ann:the%20proxy%20password@') => ({
    [name]: `http://${userinfo}127.0.0.1:${proxyPort}`,
  })

  test('sends http requests through http_proxy', async () => {
    for (const name of ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY']) {
      const { token, message } = await serviceWith(throughProxy(name), 'http://token.example.com/token')
      assert.equal(token, 'token-by-proxy', message)
    }
  })

  test('bypasses the proxy for this machine', async () => {
    const before = asked.length
    for (const name of ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY']) {
      for (const host of ['127.0.0.1', 'localhost']) {
        const { token, message } = await serviceWith(throughProxy(name), `http://${host}:${targetPort}/token`)
        assert.equal(token, 'token-by-no-proxy', message)
      }
    }
    assert.equal(asked.length, before)
  })

  test('bypasses the proxy for hosts in NO_PROXY', async () => {
    const before = asked.length
    for (const [name, list] of [
      ['NO_PROXY', '*'],
      ['no_proxy', 'a.test, .example.com'],
      ['NO_PROXY', 'example.com:80'],
    ]) {
      // Nowhere, but not at the proxy.
      const { message } = await serviceWith(
        { ...throughProxy('http_proxy'), [name]: list },
        `http://${'a'.repeat(64)}.example.com/`,
      )
      assert.match(message, /could not resolve the host name/)
    }
    assert.equal(asked.length, before)
  })

  test('names the proxy and its variable if it refuses a request', async () => {
    const origin = `http://127.0.0.1:${proxyPort}`
    for (const [name, url] of [
      ['http_proxy', 'http://token.example.com/'],
      ['HTTPS_PROXY', 'https://token.example.com/'],
    ]) {
      const { code, message } = await serviceWith(throughProxy(name, ''), url)
      assert.equal(code, 'ERR_TOKEN_NETWORK')
      assert.ok(message.includes(`the proxy ${origin} (${name}) requires credentials (407)`), message)
    }
    const { code, message } = await serviceWith(
      { ALL_PROXY: 'socks://127.0.0.1:1080' },
      'https://token.example.com/',
    )
    assert.equal(code, 'ERR_TOKEN_CONFIG')
    assert.match(message, /^ALL_PROXY must be a proxy URL/)
  })

  test('sends https requests through a tunnel of HTTPS_PROXY, to names that only the proxy knows', async (t) => {
    if (noTls) return t.skip(noTls)
    for (const name of ['HTTPS_PROXY', 'https_proxy']) {
      const env = { ...throughProxy(name), NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem') }
      const { token, message } = await serviceWith(env, 'https://token.example.com/token')
      assert.equal(token, 'token-by-tls', message)
      assert.equal(asked.at(-1), 'token.example.com:443')
    }
  })

  test('never shows the password of the proxy', async (t) => {
    if (noTls) return t.skip(noTls)
    for (const [name, url] of [
      ['http_proxy', 'http://token.example.com/token'],
      ['HTTPS_PROXY', 'https://token.example.com/token'],
    ]) {
      const { code, message, log } = await serviceWith(throughProxy(name, 'ann:another%20one@'), url)
      assert.match(code, /^ERR_TOKEN_(NETWORK|RESPONSE|ENDPOINT|CREDENTIALS)$/, message)
      assert.ok(!/another|the%20proxy/.test(message + log), message + log)
    }
  })

  test('does not accept an untrusted certificate, for any setting of Node', async (t) => {
    if (noTls) return t.skip(noTls)
    const { code, message } = await serviceWith(
      { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
      `https://127.0.0.1:${tlsPort}/token`,
    )
    assert.equal(code, 'ERR_TOKEN_TLS')
    assert.match(message, /NODE_EXTRA_CA_CERTS/)
  })

  test('warns about an extra file that does not exist where certificates are needed, and works without it', async (t) => {
    if (noTls) return t.skip(noTls)
    const env = { NODE_EXTRA_CA_CERTS: join(folder, 'nowhere.pem') }
    const warning =
      /a problem with the certificates: the NODE_EXTRA_CA_CERTS file .+nowhere\.pem cannot be read/
    const inClear = await serviceWith(env, `http://127.0.0.1:${targetPort}/token`)
    assert.equal(inClear.token, 'token-by-no-proxy')
    assert.doesNotMatch(inClear.log, warning)
    const overTls = await serviceWith(env, `https://127.0.0.1:${tlsPort}/token`)
    assert.equal(overTls.code, 'ERR_TOKEN_TLS')
    assert.match(overTls.log, warning)
  })
})
