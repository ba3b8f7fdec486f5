// Stores as users write them: in memory, in a file, and broken ones.

import { readFileSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'

/** Records in a `Map`, answering without promises. */
export class MapStore {
  records = new Map()
  get(service) {
    return this.records.get(service) ?? null
  }
  set(service, record) {
    this.records.set(service, record)
  }
  delete(service) {
    this.records.delete(service)
  }
}

/** Records in one JSON file, which is replaced as a whole; one write after the other. */
export class FileBackedStore {
  #path
  #turn = Promise.resolve()

  constructor(path) {
    this.#path = path
  }
  async get(service) {
    return new Map(await this.#read()).get(service) ?? null
  }
  set(service, record) {
    return this.#change((records) => [...records.filter(([name]) => name !== service), [service, record]])
  }
  delete(service) {
    return this.#change((records) => records.filter(([name]) => name !== service))
  }

  #change(change) {
    const done = this.#turn.then(async () => {
      const next = `${this.#path}.next`
      await writeFile(next, JSON.stringify(change(await this.#read())))
      await rename(next, this.#path)
    })
    this.#turn = done.catch(() => {})
    return done
  }
  async #read() {
    const text = await readFile(this.#path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return '[]'
      throw error
    })
    return JSON.parse(text)
  }
}

/** The file-backed store's records, as they are on the disk. */
export const recordsIn = (path) => new Map(JSON.parse(readFileSync(path, 'utf8')))

/** Stores that each do one thing wrong. */
export const brokenStores = {
  'that keeps nothing': class extends MapStore {
    set() {}
  },
  'that never forgets': class extends MapStore {
    delete() {}
  },
  'that has one record for all services': class extends MapStore {
    get() {
      return super.get('')
    }
    set(_, record) {
      super.set('', record)
    }
    delete() {
      super.delete('')
    }
  },
  'that minds no capitals': class extends MapStore {
    get(service) {
      return super.get(service.toLowerCase())
    }
    set(service, record) {
      super.set(service.toLowerCase(), record)
    }
    delete(service) {
      super.delete(service.toLowerCase())
    }
  },
  'that keeps its records in an object': class {
    records = {}
    get(service) {
      return this.records[service] ?? null
    }
    set(service, record) {
      this.records[service] = record
    }
    delete(service) {
      delete this.records[service]
    }
  },
  'that trims names': class extends MapStore {
    get(service) {
      return super.get(service.trim())
    }
    set(service, record) {
      super.set(service.trim(), record)
    }
    delete(service) {
      super.delete(service.trim())
    }
  },
  'that forgets the refresh token': class extends MapStore {
    set(service, { refreshToken, ...record }) {
      super.set(service, record)
    }
  },
  'that writes null as a text': class extends MapStore {
    set(service, record) {
      super.set(service, { ...record, refreshToken: String(record.refreshToken) })
    }
  },
  'that merges records': class extends MapStore {
    set(service, record) {
      const given = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null))
      super.set(service, { refreshToken: null, ...this.get(service), ...given })
    }
  },
  'that keeps whole seconds': class extends MapStore {
    set(service, record) {
      super.set(service, { ...record, expiresAt: Math.floor(Date.parse(record.expiresAt) / 1000) * 1000 })
    }
  },
  'that gives seconds for milliseconds': class extends MapStore {
    get(service) {
      const record = super.get(service)
      return record && { ...record, createdAt: Date.parse(record.createdAt) / 1000 }
    }
  },
  'that cuts long texts off': class extends MapStore {
    set(service, record) {
      super.set(service, { ...record, token: record.token.slice(0, 255) })
    }
  },
  'that mixes records set at once': class extends MapStore {
    earlier = 0
    async set(service, { token, ...record }) {
      super.set(service, { ...super.get(service), ...record })
      // The first to begin is the last to end.
      await new Promise((resolve) => setTimeout(resolve, 100 - 10 * this.earlier++))
      super.set(service, { ...super.get(service), token })
    }
  },
  'that loses what is set at once': class extends MapStore {
    all = {}
    get(service) {
      return this.all[`=${service}`] ?? null
    }
    async set(service, record) {
      const all = { ...this.all }
      await new Promise(setImmediate)
      this.all = { ...all, [`=${service}`]: record }
    }
    delete(service) {
      const { [`=${service}`]: _, ...rest } = this.all
      this.all = rest
    }
  },
  'that throws at what is not there': class extends MapStore {
    delete(service) {
      if (!this.records.delete(service)) throw new Error('no such record')
    }
  },
  'that throws': class extends MapStore {
    get() {
      throw new Error('no connection')
    }
  },
  'that gives no record': class extends MapStore {
    get(service) {
      return JSON.stringify(super.get(service))
    }
  },
}

/** Texts in a `Map`, which several processes could share if it were not in memory. */
export class MapOfTexts {
  texts = new Map()
  read(key) {
    return this.texts.get(key) ?? null
  }
  compareAndSet(key, expected, next) {
    if (this.read(key) !== expected) return false
    if (next === null) this.texts.delete(key)
    else this.texts.set(key, next)
    return true
  }
}

/** Stores of texts that each do one thing wrong. */
export const brokenSharedStores = {
  'that does not compare': class extends MapOfTexts {
    compareAndSet(key, _, next) {
      return super.compareAndSet(key, this.read(key), next)
    }
  },
  'that compares and sets in two steps': class extends MapOfTexts {
    async compareAndSet(key, expected, next) {
      if (this.read(key) !== expected) return false
      await new Promise(setImmediate)
      return super.compareAndSet(key, this.read(key), next)
    }
  },
  'that replaces a text where none is expected': class extends MapOfTexts {
    compareAndSet(key, expected, next) {
      return super.compareAndSet(key, expected ?? this.read(key), next)
    }
  },
  'that says nothing': class extends MapOfTexts {
    compareAndSet(...change) {
      super.compareAndSet(...change)
    }
  },
  'that never says no': class extends MapOfTexts {
    compareAndSet(...change) {
      super.compareAndSet(...change)
      return true
    }
  },
  'that does not delete': class extends MapOfTexts {
    compareAndSet(key, expected, next) {
      return next === null ? this.read(key) === expected : super.compareAndSet(key, expected, next)
    }
  },
  'that ignores case': class extends MapOfTexts {
    compareAndSet(key, expected, next) {
      const isExpected = this.read(key)?.toLowerCase() === expected?.toLowerCase()
      return isExpected && super.compareAndSet(key, this.read(key), next)
    }
  },
  'that trims keys': class extends MapOfTexts {
    read(key) {
      return super.read(key.trim())
    }
    compareAndSet(key, ...change) {
      return super.compareAndSet(key.trim(), ...change)
    }
  },
  'that keeps texts in an object': class extends MapOfTexts {
    texts = {
      object: {},
      get: (key) => this.texts.object[key],
      set: (key, text) => (this.texts.object[key] = text),
      delete: (key) => delete this.texts.object[key],
    }
  },
  'that cuts long texts off': class extends MapOfTexts {
    compareAndSet(key, expected, next) {
      return super.compareAndSet(key, expected?.slice(0, 255) ?? null, next?.slice(0, 255) ?? null)
    }
  },
}
