import { randomBytes } from 'node:crypto'
import { UsageError, type Command } from './command'
import { print } from './terminal'

/** The size of an `encryptionKey`: 256 bits. */
const keyBytes = 32

/** A new key in the form that `encryptionKey` takes. */
export function newKey(): string {
  return randomBytes(keyBytes).toString('base64url')
}

export const keygen: Command = {
  summary: 'print a new encryption key',
  help: 'Prints 32 random bytes in base64url, for TOKEN_ENCRYPTION_KEY or encryptionKey.',
  run(args) {
    if (args.length > 0) throw new UsageError('keygen takes no arguments')
    print(newKey())
    return 0
  },
}
