// The programs of the engines: found, or installed from Debian's packages where that is possible.

import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

export const run = promisify(execFile)
export const isRoot = process.getuid?.() === 0

const engines = {
  PostgreSQL: { package: 'postgresql', programs: ['initdb', 'postgres', 'psql', 'pg_isready'] },
  PgBouncer: { package: 'pgbouncer', programs: ['pgbouncer'] },
  Redis: { package: 'redis-server', programs: ['redis-server', 'redis-cli'] },
}

/** Resolves with the paths of an engine's programs by name or, if it is not there, with `{ reason }` in a sentence. */
export async function programsOf(engine) {
  if (process.platform !== 'linux') return { reason: `${engine} is started on Linux only` }
  const { package: name, programs } = engines[engine]
  const found = find(programs)
  if (found !== undefined) return found
  if (!isRoot) return { reason: `no ${engine} is installed, and only root may install one` }
  const failure = await install(name)
  if (failure !== undefined) {
    return { reason: `no ${engine} is installed, and apt-get could not install it: ${failure}` }
  }
  return find(programs) ?? { reason: `no ${engine} is installed, although its package is` }
}

/** The folder that has them all: programs of one version. */
function find(programs) {
  // Debian keeps the programs of each version of PostgreSQL in a folder of its own, out of the path.
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
  ]
  const folder = folders.find((each) => programs.every((program) => existsSync(join(each, program))))
  return folder && Object.fromEntries(programs.map((program) => [program, join(folder, program)]))
}

/** Resolves with what went wrong, if something did. */
async function install(name) {
  const apt = (...args) =>
    run('apt-get', ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  for (let tries = 0; ; tries += 1) {
    try {
      await apt('update')
      await withoutServices(() => apt('install', '--no-install-recommends', name))
      return undefined
    } catch (error) {
      // Another test file may install the same at this moment.
      if (!/lock/i.test(error.message) || tries === 60) return lastLine(error)
      await pause(2000)
    }
  }
}

/** Debian starts the service of a package as it installs it, unless this program forbids it. */
async function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' }).then(
    () => true,
    (error) => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
  try {
    return await work()
  } finally {
    if (ours) await rm(policy, { force: true })
  }
}

/** What a program said last before it failed. */
export const lastLine = (error) =>
  String(error.stderr || error.message)
    .trim()
    .split('\n')
    .at(-1)
