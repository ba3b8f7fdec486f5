// Whether something built is older than what it was built from.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** When a file, or the youngest file in a folder, was written: milliseconds since 1970, 0 when there is none. */
async function youngest(path) {
  const info = await stat(path).catch(() => null)
  if (info === null) return 0
  if (!info.isDirectory()) return info.mtimeMs
  const times = await Promise.all((await readdir(path)).map((name) => youngest(join(path, name))))
  return Math.max(0, ...times)
}

/** Whether `output` is missing or older than any of `inputs`, files or folders. */
export async function isStale(output, inputs) {
  const built = await stat(output).catch(() => null)
  if (built === null) return true
  const times = await Promise.all(inputs.map(youngest))
  return times.some((time) => time > built.mtimeMs)
}
