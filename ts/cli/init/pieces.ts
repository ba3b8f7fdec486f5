import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { App } from './app'
import { encryptionKey } from './encryption-key'
import type { Piece } from './piece'
import * as texts from './texts'

export interface Wishes {
  /** The model of the token table. */
  prisma: boolean
  /** A module at the path of the hand-written service that evertoken replaces. */
  migrate: boolean
}

/** What the app lacks. An existing file is never replaced, and changed only if the place to change is clear. */
export function piecesFor(app: App, { prisma, migrate }: Wishes): Piece[] {
  const [ts, tsx] = app.isTypeScript ? ['ts', 'tsx'] : ['js', 'jsx']
  const page = app.router === 'app' ? `app/token/page.${tsx}` : `pages/token.${tsx}`
  return [
    newFile(app, `${app.base}app/api/token/[[...action]]/route.${ts}`, texts.route),
    instrumentation(app, `${app.base}instrumentation.${ts}`),
    newFile(app, `${app.base}${page}`, texts.page),
    nextConfig(app),
    dotenvExample(app),
    encryptionKey(app),
    ...(prisma ? [prismaModel(app)] : []),
    ...(migrate
      ? [newFile(app, `${app.base}lib/services/token-refresh-service.${ts}`, texts.migration)]
      : []),
  ].filter((piece) => piece !== null)
}

/** The text of a file with `\n` line ends; it is written with those that the file has. */
function read(app: App, path: string): string | null {
  const file = join(app.folder, path)
  return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\r\n', '\n') : null
}

/** A file that is created if it does not exist; one that mentions evertoken stays unchanged. */
function newFile(app: App, path: string, after: string): Piece | null {
  const before = read(app, path)
  if (before === null) return { path, before, after }
  return before.includes('evertoken')
    ? null
    : { path, advice: `already exists; init would write:\n\n${after}` }
}

function editedFile(path: string, before: string, after: string, advice: string): Piece | null {
  if (before.includes('evertoken')) return null
  return after === before ? { path, advice } : { path, before, after }
}

function instrumentation(app: App, path: string): Piece | null {
  const before = read(app, path)
  if (before === null) return { path, before, after: texts.instrumentation }
  const after = before.replace(
    /^(export async function register\([^)]*\)[^{\n]*\{\n)/m,
    `$1${texts.registration}`,
  )
  return editedFile(
    path,
    before,
    after,
    `already exists; add these lines to its register():\n\n${texts.registration}`,
  )
}

function nextConfig(app: App): Piece | null {
  const names = ['next.config.ts', 'next.config.mjs', 'next.config.js', 'next.config.cjs']
  const path = names.find((name) => existsSync(join(app.folder, name)))
  if (path === undefined) {
    const name = app.isTypeScript ? 'next.config.ts' : 'next.config.mjs'
    return { path: name, before: null, after: texts.nextConfig }
  }
  const before = read(app, path) ?? ''
  const exported = /^(export default|module\.exports =) ([\w$]+);?$/m.exec(before)
  const advice = `must export its configuration through withEvertoken, for example:\n\n${texts.nextConfig}`
  if (exported === null) return editedFile(path, before, before, advice)
  const [statement, keyword, name] = exported
  const end = statement.endsWith(';') ? ';' : ''
  const load =
    keyword === 'export default'
      ? `import { withEvertoken } from "evertoken/next"${end}`
      : `const { withEvertoken } = require("evertoken/next")${end}`
  const wrapped = before.replace(statement, `${keyword} withEvertoken(${name})${end}`)
  // Comments and `'use strict'` may have to stay at the top; after the last import is always right.
  const imports = [...wrapped.matchAll(/^import\b[^'"]*(['"])[^'"\n]*\1.*$/gm)].at(-1)
  const at = imports === undefined ? 0 : imports.index + imports[0].length + 1
  return editedFile(path, before, `${wrapped.slice(0, at)}${load}\n${wrapped.slice(at)}`, advice)
}

function dotenvExample(app: App): Piece | null {
  const path = '.env.example'
  const before = read(app, path)
  if (before === null) return { path, before, after: texts.dotenvExample }
  if (before.includes('EXTERNAL_AUTH_URL')) return null
  return { path, before, after: `${before.replace(/\n*$/, '\n\n')}${texts.dotenvExample}` }
}

function prismaModel(app: App): Piece | null {
  const path = 'prisma/schema.prisma'
  const before = read(app, path)
  if (before === null)
    return { path, advice: 'does not exist: run `npx prisma init`, then this command again' }
  if (/^model TokenCache\b/m.test(before)) return null
  return { path, before, after: `${before.replace(/\n*$/, '\n\n')}${texts.prismaModel}` }
}
