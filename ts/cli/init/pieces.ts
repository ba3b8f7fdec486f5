import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { App } from './app'
import * as texts from './texts'

/** One file that is made or changed, or that a person has to see to. */
export type Piece =
  | { readonly path: string; readonly before: string | null; readonly after: string }
  | { readonly path: string; readonly advice: string }

export interface Wishes {
  /** The model of the token table. */
  prisma: boolean
  /** A module under the path of the hand-written service that this one replaces. */
  migrate: boolean
}

/** What the app lacks. A file that is there is changed only where the place to change is plain, and never replaced. */
export function piecesFor(app: App, { prisma, migrate }: Wishes): Piece[] {
  const [ts, tsx] = app.isTypeScript ? ['ts', 'tsx'] : ['js', 'jsx']
  const page = app.router === 'app' ? `app/token/page.${tsx}` : `pages/token.${tsx}`
  return [
    newFile(app, `${app.base}app/api/token/[[...action]]/route.${ts}`, texts.route),
    instrumentation(app, `${app.base}instrumentation.${ts}`),
    newFile(app, `${app.base}${page}`, texts.page),
    nextConfig(app),
    dotenvExample(app),
    ...(prisma ? [prismaModel(app)] : []),
    ...(migrate
      ? [newFile(app, `${app.base}lib/services/token-refresh-service.${ts}`, texts.migration)]
      : []),
  ].filter((piece) => piece !== null)
}

/** The text of a file, with the line ends of evertoken's own; they are written as the file has them. */
function read(app: App, path: string): string | null {
  const file = join(app.folder, path)
  return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\r\n', '\n') : null
}

/** A file that is made where there is none; one of evertoken's is left as it is. */
function newFile(app: App, path: string, after: string): Piece | null {
  const before = read(app, path)
  if (before === null) return { path, before, after }
  return before.includes('evertoken')
    ? null
    : { path, advice: `is there already; this is what it would hold:\n\n${after}` }
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
    `is there already; its register() needs these lines:\n\n${texts.registration}`,
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
  const advice = `has to wrap what it exports:\n\n${texts.nextConfig}`
  if (exported === null) return editedFile(path, before, before, advice)
  const [statement, keyword, name] = exported
  const end = statement.endsWith(';') ? ';' : ''
  const load =
    keyword === 'export default'
      ? `import { withEvertoken } from "evertoken/next"${end}`
      : `const { withEvertoken } = require("evertoken/next")${end}`
  const wrapped = before.replace(statement, `${keyword} withEvertoken(${name})${end}`)
  // Comments and `'use strict'` at the top may have to stay there; behind the last import all is well.
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
  if (before === null) return { path, advice: 'is not there: run `npx prisma init`, and then this once more' }
  if (/^model TokenCache\b/m.test(before)) return null
  return { path, before, after: `${before.replace(/\n*$/, '\n\n')}${texts.prismaModel}` }
}
