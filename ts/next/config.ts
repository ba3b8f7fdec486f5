import { createRequire } from 'node:module'
import { dirname, relative } from 'node:path'

/** The members of a Next.js configuration that are extended; all others stay as they are. */
export interface TracedConfig {
  serverExternalPackages?: string[]
  outputFileTracingIncludes?: Record<string, string[]>
}

/** Bundling the addon's loader would separate it from the addon; Next.js needs to bundle the rest of the package. */
const external = 'evertoken/native'

/** Every route, including pages and instrumentation: the first one that runs loads the addon. */
const everyRoute = '/**'

/**
 * Prepares a Next.js configuration for evertoken: the native addon stays outside the bundles, with Turbopack and with
 * webpack, and `output: 'standalone'` copies it. All other settings stay as they are.
 *
 * @param config A configuration, a promise of one, or a function that returns one; the same kind is returned.
 *
 * @example
 * ```ts
 * import type { NextConfig } from 'next'
 * import { withEvertoken } from 'evertoken/next'
 *
 * const nextConfig: NextConfig = { output: 'standalone' }
 *
 * export default withEvertoken(nextConfig)
 * ```
 */
export function withEvertoken<Config extends object = TracedConfig>(config?: Config): Config {
  if (typeof config === 'function') {
    const make = (...args: unknown[]) => applyTo(Reflect.apply(config, undefined, args), extendConfig)
    return make as unknown as Config
  }
  return applyTo(config ?? {}, extendConfig) as Config
}

function applyTo(config: unknown, change: (config: TracedConfig) => TracedConfig): unknown {
  return isPromise(config)
    ? config.then((there) => change(there ?? {}))
    : change((config as TracedConfig | undefined) ?? {})
}

function isPromise(value: unknown): value is PromiseLike<TracedConfig | undefined> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function extendConfig(config: TracedConfig): TracedConfig {
  const packages = config.serverExternalPackages ?? []
  if (packages.includes('evertoken')) {
    console.warn(
      "evertoken: remove 'evertoken' from serverExternalPackages: withEvertoken keeps the addon external, and Next.js " +
        'must bundle the React component.',
    )
  }
  const includes = config.outputFileTracingIncludes ?? {}
  return {
    ...config,
    serverExternalPackages: [...new Set([...packages, external])],
    outputFileTracingIncludes: {
      ...includes,
      [everyRoute]: [...new Set([...(includes[everyRoute] ?? []), ...addonFiles()])],
    },
  }
}

/** The folders of the loader and the addon, as patterns relative to the project's folder. */
function addonFiles(): string[] {
  const loader = locate(createRequire(__filename), external)
  if (loader === undefined) return []
  const fromLoader = createRequire(loader)
  const folders = [dirname(loader)]
  for (const name of platformPackages(fromLoader)) {
    const manifest = locate(fromLoader, `${name}/package.json`)
    if (manifest !== undefined) folders.push(dirname(manifest))
  }
  return folders.map((folder) => `${relative(process.cwd(), folder).replaceAll('\\', '/')}/**/*`)
}

/** The packages with the addon of one platform each; npm installs the matching one. */
function platformPackages(fromLoader: NodeJS.Require): string[] {
  const { optionalDependencies = {} } = fromLoader('evertoken/package.json') as {
    optionalDependencies?: Record<string, string>
  }
  return Object.keys(optionalDependencies)
}

function locate(from: NodeJS.Require, name: string): string | undefined {
  try {
    return from.resolve(name)
  } catch {
    return undefined
  }
}
