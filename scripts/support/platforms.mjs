// The platforms there are prebuilt addons for, as package.json's `napi.targets` lists them.
import { readManifest } from './root.mjs'

const SYSTEMS = { linux: 'linux', darwin: 'darwin', windows: 'win32' }
const PROCESSORS = { x86_64: 'x64', aarch64: 'arm64' }

/**
 * What a Rust target is to npm: `{ target, platform, os, cpu, libc, packageName, addon }`. `platform` is the word in
 * file and package names (`linux-x64-gnu`); `libc` is null where npm knows only one.
 */
function describeTarget(target, { name, napi } = readManifest()) {
  const [processor, , system, abi] = target.split('-')
  const os = SYSTEMS[system]
  const cpu = PROCESSORS[processor]
  if (os === undefined || cpu === undefined) throw new Error(`package.json: unknown target ${target}`)
  const platform = [os, cpu, abi].filter(Boolean).join('-')
  const libc = os === 'linux' ? { gnu: 'glibc', musl: 'musl' }[abi] : null
  return {
    target,
    platform,
    os,
    cpu,
    libc,
    packageName: `${name}-${platform}`,
    addon: `${napi.binaryName}.${platform}.node`,
  }
}

/** All platforms of the package. */
export const allPlatforms = (manifest = readManifest()) =>
  manifest.napi.targets.map((target) => describeTarget(target, manifest))

/** The platform this process runs on; throws when the package has no addon for it. */
export function thisPlatform(manifest = readManifest()) {
  const libc = process.platform === 'linux' ? currentLibc() : null
  const found = allPlatforms(manifest).find(
    ({ os, cpu, libc: needed }) => os === process.platform && cpu === process.arch && needed === libc,
  )
  if (found !== undefined) return found
  throw new Error(`no addon is built for ${[process.platform, process.arch, libc].filter(Boolean).join(' ')}`)
}

/** glibc tells its version in Node's diagnostic report; musl tells nothing. */
const currentLibc = () => (process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl')
