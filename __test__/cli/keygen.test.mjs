import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { initializeTokenService } from 'evertoken'
import { configAt, useTokenServer } from '../support/service.mjs'
import { MapStore } from '../support/stores.mjs'

const server = useTokenServer()
const root = dirname(createRequire(import.meta.url).resolve('evertoken/package.json'))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Runs `npx evertoken` with these arguments, from the package in `home`. */
function evertoken(args, home = root) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(home, manifest.bin.evertoken), ...args],
    { encoding: 'utf8' },
  )
  return { status, stdout, stderr }
}

test('keygen prints one key, a different one each time, that encrypts', async (t) => {
  const keys = [1, 2].map(() => evertoken(['keygen']))
  for (const { status, stdout, stderr } of keys) {
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    assert.match(stdout, /^[\w-]{43}\n$/)
    assert.equal(Buffer.from(stdout.trim(), 'base64url').length, 32)
  }
  assert.notEqual(keys[0].stdout, keys[1].stdout)
  const store = new MapStore()
  const config = configAt(server, { encryptionKey: keys[0].stdout.trim() })
  const service = initializeTokenService(config, true, store)
  t.after(() => service.shutdown())
  await service.getToken()
  assert.match(store.get(config.service).token, /^et1\.k\./)
})

test('--version prints the version', () => {
  assert.deepEqual(evertoken(['--version']), { status: 0, stdout: `${manifest.version}\n`, stderr: '' })
})

test('--help lists every command, and each has its own help', () => {
  const { status, stdout, stderr } = evertoken(['--help'])
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  assert.match(stdout, /^Usage: evertoken <command>\n/)
  assert.match(stdout, /^ {2}keygen +\S/m)
  const keygen = evertoken(['keygen', '--help'])
  assert.equal(keygen.status, 0)
  assert.match(keygen.stdout, /^Usage: evertoken keygen\n/)
})

test('an unknown command exits with 2 and lists the commands', () => {
  for (const args of [[], ['nonsense'], ['--nonsense'], ['keygen', 'twice'], ['keygen', '--nonsense']]) {
    const { status, stdout, stderr } = evertoken(args)
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' }, args.join(' '))
    assert.match(stderr, /^evertoken: .+\n\nUsage: evertoken <command>\n/)
  }
})

test('it needs no addon', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'evertoken-cli-'))
  t.after(() => rmSync(home, { recursive: true }))
  cpSync(join(root, 'package.json'), join(home, 'package.json'))
  cpSync(join(root, 'lib'), join(home, 'lib'), { recursive: true })
  assert.match(evertoken(['keygen'], home).stdout, /^[\w-]{43}\n$/)
})
