import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The path of a program that the shell would find, or `null`. */
export async function onPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name)
    if (await exists(path)) return path
  }
  return null
}

export const exists = (path) =>
  access(path).then(
    () => true,
    () => false,
  )
