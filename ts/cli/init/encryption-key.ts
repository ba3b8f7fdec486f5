import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileVariable } from '../../support/env-table'
import { newKey } from '../keygen'
import type { App } from './app'
import type { Piece } from './piece'

const variable = 'TOKEN_ENCRYPTION_KEY'
const path = '.env.local'

/** The files that Next.js reads. */
const files = ['.env', '.env.local'].concat(
  ['development', 'production', 'test'].flatMap((mode) => [`.env.${mode}`, `.env.${mode}.local`]),
)

/**
 * A new key in `.env.local`, unless a key is set there or elsewhere. Without one, the stored token could not be decrypted
 * once the credential changes.
 */
export function encryptionKey({ folder }: App): Piece | null {
  const texts = new Map(files.map((file) => [file, textOf(join(folder, file))]))
  const names = [variable, fileVariable(variable)]
  const isSet = (name: string): boolean =>
    (process.env[name] ?? '').trim() !== '' || [...texts.values()].some((text) => hasValue(text ?? '', name))
  if (names.some(isSet)) return null
  const before = texts.get(path)?.replaceAll('\r\n', '\n') ?? null
  const line = `${variable}=${newKey()}`
  // A line without a value, as in `.env.example`, gets it.
  const unset = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${variable}[ \\t]*=[ \\t]*(?:""|''|#.*)?[ \\t]*$`, 'm')
  const text = before ?? ''
  const after = unset.test(text)
    ? text.replace(unset, () => line)
    : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`
  return { path, before, after, shown: [`+ ${variable}=(a new key)`] }
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function hasValue(text: string, name: string): boolean {
  return new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=[ \\t]*(?!""|''|#)[^\\s]`, 'm').test(text)
}
