import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { cleanEnvironment } from '../support/clean-environment.mjs'
import { serviceOver } from '../support/custom-stores.mjs'
import { useTokenServer } from '../support/service.mjs'

const server = useTokenServer()
afterEach(cleanEnvironment)

describe('a store that loses records', { concurrency: true }, () => {
  const keptFor = (milliseconds) => {
    const records = new Map()
    return {
      get: (name) => records.get(name) ?? null,
      set(name, record) {
        records.set(name, record)
        setTimeout(() => records.get(name) === record && records.delete(name), milliseconds).unref()
      },
      delete: (name) => void records.delete(name),
    }
  }
  const shownAfter = (milliseconds) => {
    const writes = []
    const write = (name, record) => void writes.push({ name, record, at: Date.now() })
    return {
      get: (name) =>
        writes.findLast((one) => one.name === name && one.at <= Date.now() - milliseconds)?.record ?? null,
      set: write,
      delete: (name) => write(name, null),
    }
  }
  const replicated = () => {
    const replicas = [new Map(), new Map()]
    let turn = 0
    const next = () => replicas[turn++ % 2]
    return {
      get: (name) => next().get(name) ?? null,
      set: (name, record) => void next().set(name, record),
      delete(name) {
        for (const replica of replicas) replica.delete(name)
      },
    }
  }
  const losing = {
    'drops every write': () => ({ get: () => null, set() {}, delete() {} }),
    'evicts after a second': () => keptFor(1_000),
    'reads from a replica that lags by three seconds': () => shownAfter(3_000),
    'reads from and writes to two replicas in turn': replicated,
  }
  for (const [name, make] of Object.entries(losing)) {
    test(`that ${name} costs no second request, and is called rarely`, async (t) => {
      const store = make()
      const calls = { get: 0, set: 0, delete: 0 }
      const counted =
        (of) =>
        (...given) => {
          calls[of] += 1
          return store[of](...given)
        }
      const service = serviceOver(t, server, {
        get: counted('get'),
        set: counted('set'),
        delete: counted('delete'),
      })
      const token = await service.getToken()
      for (
        const end = Date.now() + 8_000;
        Date.now() < end;
        await new Promise((resolve) => setTimeout(resolve, 100))
      ) {
        assert.equal(await service.getToken(), token)
      }
      assert.ok(calls.set <= 8 && calls.get <= 60, JSON.stringify(calls))
      assert.deepEqual(
        service.status().history.map(({ outcome }) => outcome),
        ['refreshed'],
      )
    })
  }

  test('that lags by three seconds does not bring a cleared token back', async (t) => {
    const service = serviceOver(t, server, shownAfter(3_000))
    const first = await service.getToken()
    await new Promise((resolve) => setTimeout(resolve, 3_500))
    await service.clear()
    assert.notEqual(await service.getToken(), first)
  })
})
