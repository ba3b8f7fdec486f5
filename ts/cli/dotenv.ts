import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as util from 'node:util'
import { variableNames } from '../support/env-table'
import { printError } from './terminal'

interface NextEnv {
  loadEnvConfig(
    folder: string,
    isDevelopment: boolean,
    log: { info(): void; error(...details: unknown[]): void },
  ): { loadedEnvFiles: LoadedFile[] }
}

interface LoadedFile {
  path: string
  contents: string
}

/** The result of reading `.env` files. */
export interface Dotenv {
  /** The names of the files. */
  readonly files: readonly string[]
  /** Variables of evertoken whose text the loader changed because of a `$`. */
  readonly expanded: readonly { variable: string; file: string }[]
}

/**
 * Completes `process.env` from the `.env` files of a folder, as Next.js does: a variable that is already set stays, and
 * the file of the mode comes before the general one.
 *
 * In a project with Next.js, its own loader is used, which also expands `$OTHER` variables.
 */
export function loadDotenv(folder: string): Dotenv {
  const isDevelopment = process.env['NODE_ENV'] !== 'production'
  const next = nextEnv(folder)
  if (next) {
    const before = { ...process.env }
    const log = { info: () => {}, error: (...details: unknown[]) => printError(util.format(...details)) }
    const loaded = next.loadEnvConfig(folder, isDevelopment, log).loadedEnvFiles
    return { files: loaded.map(({ path }) => path), expanded: findExpanded(loaded, before) }
  }
  const names = fileNames(isDevelopment).filter((name) => existsSync(join(folder, name)))
  for (const name of names) {
    for (const [variable, value] of Object.entries(
      parseFile(readFileSync(join(folder, name), 'utf8'), name),
    )) {
      process.env[variable] ??= value
    }
  }
  return { files: names, expanded: [] }
}

/** The variables that contain a `$` in a file, and have another text now. */
function findExpanded(
  files: readonly LoadedFile[],
  before: NodeJS.ProcessEnv,
): { variable: string; file: string }[] {
  // Before Node 20.12 there is no parser for the original text.
  if (typeof util.parseEnv !== 'function') return []
  const read = files.map(({ path, contents }) => ({ file: path, values: util.parseEnv(contents) }))
  return variableNames().flatMap((variable) => {
    const source = read.find(({ values }) => values[variable] !== undefined)
    const written = source?.values[variable]
    if (source === undefined || written === undefined || before[variable] !== undefined) return []
    // An escaped `\$` stays.
    const isMeant = !written.includes('$') || process.env[variable] === written.replaceAll('\\$', '$')
    return isMeant ? [] : [{ variable, file: source.file }]
  })
}

function fileNames(isDevelopment: boolean): string[] {
  const isTest = process.env['NODE_ENV'] === 'test'
  const mode = isTest ? 'test' : isDevelopment ? 'development' : 'production'
  return [`.env.${mode}.local`, ...(isTest ? [] : ['.env.local']), `.env.${mode}`, '.env']
}

function parseFile(text: string, name: string): NodeJS.Dict<string> {
  // Since Node 20.12.
  if (typeof util.parseEnv === 'function') return util.parseEnv(text)
  throw new Error(
    `${name} cannot be read with Node.js ${process.version}: update Node.js to 20.12 or later, or set the variables yourself`,
  )
}

function nextEnv(folder: string): NextEnv | undefined {
  try {
    const next = createRequire(join(folder, 'package.json')).resolve('next/package.json')
    return createRequire(next)('@next/env') as NextEnv
  } catch {
    return undefined
  }
}
