import { constants, type Stats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'

/** A secret is shorter. A path that leads to another file must not fill the memory. */
const maxBytes = 64 * 1024

/** What a file was when it was last read. */
interface ReadFile {
  path: string
  version: string
  secret: string
}

let last: ReadFile | undefined

/**
 * The secret in a file, without one line end after it, by the rules of the core (`src/secret_source/file.rs`). A file
 * that has not changed is not read again.
 *
 * @throws Error whose message says what is wrong with the file, to follow the name of its variable.
 */
export async function readSecretFile(path: string): Promise<string> {
  // Opening a pipe waits for its writer.
  const version = versionOf(await stat(path).catch(unreadable))
  if (last?.path === path && last.version === version) return last.secret
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(unreadable)
  try {
    // What is there may have been replaced in between.
    const version = versionOf(await file.stat())
    const secret = secretIn(await read(file))
    last = { path, version, secret }
    return secret
  } finally {
    await file.close()
  }
}

/** Differs when the file was replaced or written. */
function versionOf(stats: Stats): string {
  if (stats.isDirectory()) throw new Error('names a directory, but must name a file')
  if (!stats.isFile()) throw new Error('must name a regular file, not a pipe, a socket or a device')
  return [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join()
}

async function read(file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    length += bytesRead
    if (length > maxBytes) throw new Error(`names a file that is larger than ${maxBytes / 1024} KiB`)
    if (bytesRead === 0) return buffer.subarray(0, length)
  }
}

function secretIn(bytes: Buffer): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Error('names a file that is not UTF-8 text')
  }
  const secret = text.replace(/\r?\n$/, '')
  if (secret.trim() === '') throw new Error('names an empty file')
  return secret
}

/** Without the path: it may be a secret that was set in the wrong place. */
function unreadable(error: NodeJS.ErrnoException): never {
  throw new Error(
    error.code === 'ENOENT'
      ? 'names a file that does not exist'
      : `names a file that cannot be read: ${error.code}`,
  )
}
