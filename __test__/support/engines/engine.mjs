// What all engines have in common.

import { lastLine } from './programs.mjs'

/** A server of the tests' own. Its class sets `process` when it opens it. */
export class Engine {
  host = '127.0.0.1'
  /** @type {import('./process.mjs').EngineProcess | undefined} */
  process

  stop = () => this.process.stop()
  kill = () => this.process.kill()
  freeze = () => this.process.freeze()
  thaw = () => this.process.thaw()
  start = () => this.process.start()
  restart = () => this.process.restart()
  log = () => this.process.log()

  /** Ends it and removes its folder. */
  async close() {
    await this.process?.close()
  }
}

/**
 * Resolves with the engine once it is open or, if it cannot be opened, with `{ reason }` in a sentence.
 *
 * @template {Engine & { name: string, open(): Promise<void> }} E
 * @param {E} engine
 * @returns {Promise<E | { reason: string }>}
 */
export async function opened(engine) {
  try {
    await engine.open()
    return engine
  } catch (error) {
    await engine.close()
    return { reason: `${engine.name} cannot be started: ${lastLine(error)}` }
  }
}
