import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as util from 'node:util'
import { complain } from './terminal'

interface NextEnv {
  loadEnvConfig(
    folder: string,
    isDevelopment: boolean,
    log: { info(): void; error(...details: unknown[]): void },
  ): { loadedEnvFiles: { path: string }[] }
}

/**
 * Completes `process.env` from the `.env` files of a folder, as Next.js does it: a variable that is set stays, and a
 * file of the mode comes before the general one. Resolves with the names of the files that were read.
 *
 * In a project with Next.js its own loader is used, which also fills in `$OTHER` variables.
 */
export function loadDotenv(folder: string): string[] {
  const isDevelopment = process.env['NODE_ENV'] !== 'production'
  const next = nextEnv(folder)
  if (next) {
    const log = { info: () => {}, error: (...details: unknown[]) => complain(util.format(...details)) }
    return next.loadEnvConfig(folder, isDevelopment, log).loadedEnvFiles.map(({ path }) => path)
  }
  const names = fileNames(isDevelopment).filter((name) => existsSync(join(folder, name)))
  for (const name of names) {
    for (const [variable, value] of Object.entries(parsed(readFileSync(join(folder, name), 'utf8'), name))) {
      process.env[variable] ??= value
    }
  }
  return names
}

function fileNames(isDevelopment: boolean): string[] {
  const isTest = process.env['NODE_ENV'] === 'test'
  const mode = isTest ? 'test' : isDevelopment ? 'development' : 'production'
  return [`.env.${mode}.local`, ...(isTest ? [] : ['.env.local']), `.env.${mode}`, '.env']
}

function parsed(text: string, name: string): NodeJS.Dict<string> {
  // From Node 20.12 on.
  if (typeof util.parseEnv === 'function') return util.parseEnv(text)
  throw new Error(`${name} cannot be read on Node ${process.version}: update it to 20.12, or set the variables yourself`)
}

function nextEnv(folder: string): NextEnv | undefined {
  try {
    const next = createRequire(join(folder, 'package.json')).resolve('next/package.json')
    return createRequire(next)('@next/env') as NextEnv
  } catch {
    return undefined
  }
}
