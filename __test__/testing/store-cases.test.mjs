import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { sharedTokenStoreCases, tokenStoreCases } from 'evertoken/testing'
import { storeFolder } from '../support/custom-stores.mjs'
import {
  brokenSharedStores,
  brokenStores,
  FileBackedStore,
  MapOfTexts,
  MapStore,
} from '../support/stores.mjs'

describe('the cases for stores', () => {
  describe('pass for a store in memory', () => {
    for (const { name, run } of tokenStoreCases) test(name, () => run(() => new MapStore()))
  })

  describe('pass for a store in a file', () => {
    for (const { name, run } of tokenStoreCases) {
      test(name, (t) => run(async () => new FileBackedStore(join(storeFolder(t), 'records.json'))))
    }
  })

  for (const [name, Broken] of Object.entries(brokenStores)) {
    test(`fail for a store ${name}`, async () => {
      const failed = []
      for (const { name, run } of tokenStoreCases)
        await run(() => new Broken()).catch(() => failed.push(name))
      assert.notEqual(failed.length, 0)
    })
  }
})

describe('the cases for shared stores', () => {
  describe('pass for texts in memory', () => {
    for (const { name, run } of sharedTokenStoreCases) test(name, () => run(() => new MapOfTexts()))
  })

  for (const [name, Broken] of Object.entries(brokenSharedStores)) {
    test(`fail for a store ${name}`, async () => {
      const failed = []
      for (const { name, run } of sharedTokenStoreCases)
        await run(() => new Broken()).catch(() => failed.push(name))
      assert.notEqual(failed.length, 0)
    })
  }
})

test('a store that throws for a missing record fails only the case about that', async () => {
  for (const remove of [
    (records, name) => {
      if (!records.delete(name)) throw new Error('no such record')
    },
    async (records, name) => {
      if (!records.delete(name)) throw null
    },
  ]) {
    const failed = []
    for (const { name, run } of tokenStoreCases) {
      await run(() => {
        const store = new MapStore()
        return Object.assign(store, { delete: (service) => remove(store.records, service) })
      }).catch(({ code, message }) => failed.push({ name, code, message }))
    }
    assert.deepEqual(
      failed.map(({ name, code }) => [name, code]),
      [['delete() of a service without a record does not throw', 'ERR_ASSERTION']],
    )
    assert.match(
      failed[0].message,
      /^delete\(\) of a service without a record must not throw; it threw (Error: no such record|null)$/,
    )
  }
})

test('a store that cannot delete fails the cases about deleting', async () => {
  const failed = []
  for (const { name, run } of tokenStoreCases) {
    await run(() =>
      Object.assign(new MapStore(), {
        delete() {
          throw new Error('read-only')
        },
      }),
    ).catch(() => failed.push(name))
  }
  assert.deepEqual(failed, [
    'a store keeps services with similar names apart',
    'a store returns nothing after a record was deleted',
    'delete() of a service without a record does not throw',
  ])
})
