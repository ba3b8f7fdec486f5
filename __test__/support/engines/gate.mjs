// A way to an engine that stands between it and its clients, and stops at the moment that a test is about.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Opens a gate to a port of this machine; it closes with the test. */
export async function openGate(t, target) {
  const gate = new Gate(target)
  await gate.open()
  t.after(() => gate.close())
  return gate
}

class Gate {
  #target
  #server = createServer((client) => this.#connect(client))
  #sockets = new Set()
  #pattern
  #afterwards
  #isHeld = false
  #held = []

  constructor(target) {
    this.#target = target
  }

  async open() {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = this.#server.address().port
  }

  /**
   * Once a client has sent a message that matches, and it has been passed on, nothing that clients send later passes.
   * Resolves at that moment.
   */
  holdAfter(pattern) {
    return this.#when(pattern, () => {
      this.#isHeld = true
    })
  }

  /** Once a client has sent a message that matches, and it has been passed on, every connection breaks. */
  breakAfter(pattern) {
    return this.#when(pattern, () => {
      // The engine must have it, and the client not its answer.
      for (const socket of this.#sockets) socket.pause()
      setTimeout(() => this.#breakAll(), 200)
    })
  }

  #when(pattern, act) {
    return new Promise((resolve) => {
      this.#pattern = pattern
      this.#afterwards = () => {
        act()
        resolve()
      }
    })
  }

  /** Lets everything pass. */
  release() {
    this.#isHeld = false
    for (const pass of this.#held.splice(0)) pass()
  }

  #connect(client) {
    const engine = connect(this.#target, '127.0.0.1')
    for (const [socket, other] of [
      [client, engine],
      [engine, client],
    ]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    engine.on('data', (bytes) => client.write(bytes))
    client.on('data', (bytes) => this.#pass(bytes, engine))
  }

  #pass(bytes, engine) {
    if (this.#isHeld) {
      this.#held.push(() => engine.write(bytes))
      return
    }
    engine.write(bytes)
    if (this.#pattern === undefined || !this.#pattern.test(bytes.toString('latin1'))) return
    this.#pattern = undefined
    this.#afterwards()
  }

  #breakAll() {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close() {
    this.#server.close()
    this.#breakAll()
    await once(this.#server, 'close')
  }
}
