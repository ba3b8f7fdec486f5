import { envTable, fileVariable } from '../support/env-table'
import { configError } from '../support/errors'
import { readSecretFile } from '../support/secret-file'
import { pathFrom } from './env'

const row = envTable.find(({ name }) => name === 'EVERTOKEN_ADMIN_SECRET')!

/**
 * The secret of the routes, from the environment or the file that it names; `undefined` where neither is set.
 *
 * @throws TokenError `ERR_TOKEN_CONFIG` naming the variable of a file that cannot be read, or is set besides the other.
 */
export async function adminSecret(): Promise<string | undefined> {
  const path = pathFrom(process.env, row)
  if (path === undefined) return process.env[row.name]?.trim() || undefined
  try {
    return (await readSecretFile(path)).trim()
  } catch (error) {
    throw configError(fileVariable(row.name), (error as Error).message)
  }
}
