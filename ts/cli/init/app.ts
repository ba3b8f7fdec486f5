import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TokenError } from '../../support/errors'

/** A Next.js app, as far as `init` needs to know it. */
export interface App {
  readonly folder: string
  /** `src/` if the app has that folder, else nothing. */
  readonly base: '' | 'src/'
  readonly router: 'app' | 'pages'
  readonly isTypeScript: boolean
  /** Whether the package is among its dependencies. */
  readonly hasEvertoken: boolean
}

/** @throws TokenError `ERR_TOKEN_CONFIG` if the folder is not a Next.js app. */
export function findApp(folder: string): App {
  const has = (path: string): boolean => existsSync(join(folder, path))
  const dependencies = has('package.json') ? dependenciesOf(join(folder, 'package.json')) : undefined
  if (dependencies === undefined || !('next' in dependencies)) {
    throw new TokenError(
      'ERR_TOKEN_CONFIG',
      `${folder} is not a Next.js app: its package.json does not depend on next`,
    )
  }
  const base = has('src/app') || has('src/pages') ? 'src/' : ''
  const hasLayout = ['tsx', 'jsx', 'js'].some((extension) => has(`${base}app/layout.${extension}`))
  return {
    folder,
    base,
    // A folder `app` that contains only routes, such as evertoken's own, has no pages.
    router: hasLayout || !has(`${base}pages`) ? 'app' : 'pages',
    isTypeScript: has('tsconfig.json'),
    hasEvertoken: 'evertoken' in dependencies,
  }
}

function dependenciesOf(file: string): Record<string, unknown> {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>
    return { ...dependencies, ...devDependencies }
  } catch (cause) {
    throw new TokenError('ERR_TOKEN_CONFIG', `${file} cannot be read`, { cause })
  }
}
