// A project with a generated Prisma client, made once and kept: the model of the documentation over SQLite and
// PostgreSQL.

import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const folder = join(root, 'node_modules', '.cache', 'evertoken-prisma')
// The adapter of libsql does not wait for a lock, and keeps its own after a conflict.
const packages = ['prisma@7', '@prisma/client@7', '@prisma/adapter-better-sqlite3@7', '@prisma/adapter-pg@7']

/** The model, as the documentation of `PrismaTokenClient` shows it. */
async function model() {
  const types = await readFile(join(root, 'index.d.ts'), 'utf8')
  return /```prisma\n([\s\S]*?)```/.exec(types)[1].replace(/^ \* ?/gm, '')
}

async function schema(provider) {
  return `generator client {
  provider = "prisma-client-js"
  output   = "./${provider}"
}
datasource db {
  provider = "${provider}"
}
${await model()}`
}

/**
 * The project's folder and `require`, or the reason why there is none. Two processes that make it at once would
 * disturb each other: one test file uses it.
 */
export async function prismaProject() {
  const made = join(folder, 'made')
  const content = JSON.stringify([packages, await schema('sqlite'), await schema('postgresql')])
  if ((await readFile(made, 'utf8').catch(() => '')) !== content) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), '{ "private": true }\n')
    const installed = await npm('install', '--no-audit', '--no-fund', '--loglevel=error', ...packages).catch(
      asReason,
    )
    if (installed.reason) return { reason: `Prisma cannot be installed: ${installed.reason}` }
    for (const provider of ['sqlite', 'postgresql']) {
      await writeFile(join(folder, `${provider}.prisma`), await schema(provider))
      // It has an engine for migrations as well, which is downloaded unless a path is set.
      await npm('exec', '--', 'prisma', 'generate', '--schema', `${provider}.prisma`)
    }
    await writeFile(made, content)
  }
  return { folder, require: createRequire(join(folder, 'package.json')) }
}

/** The module of the client that Prisma generates from this schema, which stands for `./name` as its output. */
export async function generatedClient(name, schema) {
  const { require } = await prismaProject()
  await writeFile(join(folder, `${name}.prisma`), schema)
  await npm('exec', '--', 'prisma', 'generate', '--schema', `${name}.prisma`)
  return require(`./${name}`)
}

/** A client over the database at this address. */
export async function prismaClient(provider, url, options = {}) {
  const { require } = await prismaProject()
  const { PrismaClient } = require(`./${provider}`)
  const adapter =
    provider === 'sqlite'
      ? new (require('@prisma/adapter-better-sqlite3').PrismaBetterSqlite3)({ url })
      : new (require('@prisma/adapter-pg').PrismaPg)({ connectionString: url })
  return new PrismaClient({ adapter, ...options })
}

const npm = (...args) =>
  promisify(execFile)('npm', args, {
    cwd: folder,
    // One of them is compiled where it cannot be downloaded.
    timeout: 420_000,
    shell: process.platform === 'win32',
    env: {
      ...process.env,
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  })

/** npm's own words, without the warnings before them. */
const asReason = (error) => ({
  reason: /^npm err.*$/im.exec(error.stderr)?.[0] ?? `npm ended with ${error.code}`,
})

/** What Prisma's migration makes of the model. */
export const migrations = {
  sqlite: [
    `CREATE TABLE "token_cache" ("id" TEXT NOT NULL PRIMARY KEY, "service" TEXT NOT NULL, "token" TEXT NOT NULL, "expiresAt" DATETIME NOT NULL, "refreshToken" TEXT, "tokenType" TEXT NOT NULL DEFAULT 'Bearer', "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "lastUsed" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
    'CREATE UNIQUE INDEX "token_cache_service_key" ON "token_cache"("service")',
  ],
  postgresql: [
    `CREATE TABLE "token_cache" ("id" TEXT NOT NULL, "service" TEXT NOT NULL, "token" TEXT NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL, "refreshToken" TEXT, "tokenType" TEXT NOT NULL DEFAULT 'Bearer', "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "lastUsed" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "token_cache_pkey" PRIMARY KEY ("id"))`,
    'CREATE UNIQUE INDEX "token_cache_service_key" ON "token_cache"("service")',
  ],
}
