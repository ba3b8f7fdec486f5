// A PostgreSQL server of the tests' own: on a free port, in a temporary folder, stopped afterwards.

import { execFile } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

/** Resolves with `{ url, close }` or, if there is no server, with `{ reason }` in a sentence. */
export async function postgresServer() {
  if (process.platform !== 'linux') return { reason: 'PostgreSQL is started on Linux only' }
  const programs = findPrograms() ?? (await install())
  if (programs.reason) return programs
  const { bin } = programs
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-postgres-'))
  const data = join(folder, 'data')
  // The server refuses to run as root.
  const asServer = (program, ...args) =>
    isRoot
      ? run('runuser', ['-u', 'postgres', '--', join(bin, program), ...args], { cwd: folder })
      : run(join(bin, program), args, { cwd: folder })
  try {
    if (isRoot) {
      const { stdout } = await run('id', ['-u', 'postgres'])
      chownSync(folder, Number(stdout), -1)
    }
    const port = await freePort()
    await asServer('initdb', '-D', data, '-U', 'evertoken', '-A', 'trust', '-N', '-E', 'UTF8')
    const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off`
    await asServer('pg_ctl', '-D', data, '-l', join(folder, 'log'), '-w', '-o', options, 'start')
    return {
      url: `postgresql://evertoken@127.0.0.1:${port}/postgres`,
      async close() {
        await asServer('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop')
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    return {
      reason: `PostgreSQL cannot be started: ${
        String(error.stderr || error.message)
          .trim()
          .split('\n')[0]
      }`,
    }
  }
}

/** Debian keeps the programs of each version in a folder of its own, out of the path. */
function findPrograms() {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
  ]
  const bin = folders.find((folder) =>
    ['initdb', 'pg_ctl'].every((program) => existsSync(join(folder, program))),
  )
  return bin === undefined ? undefined : { bin }
}

async function install() {
  if (!isRoot) return { reason: 'no PostgreSQL is installed, and only root may install one' }
  const apt = (...args) =>
    run('apt-get', ['-qq', '-y', ...args], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  try {
    await apt('update')
    await apt('install', '--no-install-recommends', 'postgresql')
  } catch (error) {
    return {
      reason: `no PostgreSQL is installed, and apt-get could not install it: ${String(error.message).split('\n')[0]}`,
    }
  }
  return findPrograms() ?? { reason: 'no PostgreSQL is installed' }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
