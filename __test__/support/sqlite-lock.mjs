// Another program that holds an SQLite database: Node's own SQLite where it has one, else Python's.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

const inNode = `
  const { DatabaseSync } = require('node:sqlite')
  globalThis.database = new DatabaseSync(process.argv.at(-1))
  database.exec('BEGIN EXCLUSIVE')
  process.stdin.resume().on('end', () => process.exit())
  console.log('held')`
const inPython = `
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.read()`

const programs = [
  {
    command: process.execPath,
    trial: ['--eval', `require('node:sqlite')`],
    args: ['--no-warnings', '--eval', inNode, '--'],
  },
  { command: 'python3', trial: ['-c', 'import sqlite3'], args: ['-c', inPython] },
]
const program = programs.find(({ command, trial }) => spawnSync(command, trial).status === 0)

/** Whether this machine has neither of them. */
export const isMissing = program === undefined

/** Begins an exclusive transaction in a process of its own, which lasts until the function that this gives is called. */
export async function holdExclusively(path) {
  const holder = spawn(program.command, [...program.args, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(holder, 'exit')
  const failed = ended.then(([code]) => Promise.reject(new Error(`the database could not be held: ${code}`)))
  await Promise.race([once(holder.stdout, 'data'), failed])
  failed.catch(() => {})
  return async () => {
    holder.stdin.end()
    await ended
  }
}
