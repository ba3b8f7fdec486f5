import * as assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { StoredToken, TokenStore } from '../../index'
import { plainRecord } from '../stores/record'
import { describeThrown } from '../support/user-code'
import { bareNames, oddNames, spacedNames } from './odd-names'

/** Creates the store under test. It may contain records already: the cases use their own names, and clean up. */
export type MakeStore<Store = TokenStore> = () => Store | PromiseLike<Store>

/** One requirement for a store. */
export interface TokenStoreCase<Store = TokenStore> {
  /** The requirement, as the name of a test. */
  readonly name: string
  /** Rejects with an `AssertionError` if the store does not meet it, or with the error that the store throws. */
  run(makeStore: MakeStore<Store>): Promise<void>
}

/** A record that differs from others in every string. */
function someRecord(name: string): StoredToken {
  return {
    token: `et1.k.AAAAAAAA.${name}-token`,
    expiresAt: '2027-01-15T09:30:00.125Z',
    refreshToken: `${name}-refresh`,
    tokenType: 'DPoP',
    createdAt: '2027-01-15T08:30:00.250Z',
    lastUsed: '2027-01-15T08:45:59.999Z',
  }
}

/** A store, and access to its records. */
interface Bench {
  store: TokenStore
  /** A name that no other case uses. */
  service: string
  /** What is stored, in the form in which it was set. */
  stored(service?: string): Promise<unknown>
}

/** @param services What the check uses besides the case's own service. */
function storeCase(
  name: string,
  check: (bench: Bench) => Promise<void>,
  services: readonly string[] = [],
): TokenStoreCase {
  return {
    name,
    async run(makeStore) {
      const store = await makeStore()
      const service = `evertoken-case-${randomUUID()}`
      const tidy = async (): Promise<void> => {
        // Other cases test whether a store can delete.
        for (const each of [service, ...services]) await thrownBy(() => store.delete(each))
      }
      await tidy()
      try {
        await check({ store, service, stored: async (of = service) => plainRecord(await store.get(of)) })
      } finally {
        await tidy()
      }
    },
  }
}

/** A description of what the call throws or rejects with. */
async function thrownBy(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    return describeThrown(error)
  }
}

/**
 * What your own {@link TokenStore} must do, as cases for any test runner.
 *
 * ```ts
 * import { test } from 'node:test'
 * import { tokenStoreCases } from 'evertoken/testing'
 *
 * for (const { name, run } of tokenStoreCases) test(name, () => run(() => new MyStore()))
 * ```
 */
export const tokenStoreCases: readonly TokenStoreCase[] = Object.freeze([
  storeCase(
    'a store returns nothing for a service without a record',
    async ({ service, stored }) => {
      for (const name of [service, ...bareNames]) assert.equal(await stored(name), null, JSON.stringify(name))
    },
    bareNames,
  ),

  storeCase('a store returns a record as it was set', async ({ store, service, stored }) => {
    await store.set(service, someRecord('one'))
    assert.deepEqual(await stored(), someRecord('one'))
    assert.deepEqual(await stored(), someRecord('one'), 'also the second time')
  }),

  storeCase('a store returns null for a value that was set to null', async ({ store, service, stored }) => {
    const record = { ...someRecord('one'), refreshToken: null }
    await store.set(service, record)
    assert.deepEqual(await stored(), record)
  }),

  storeCase('a store replaces the whole record', async ({ store, service, stored }) => {
    await store.set(service, someRecord('one'))
    const record: StoredToken = {
      token: 'et1.k.AAAAAAAA.two',
      expiresAt: '9999-12-30T22:00:00.000Z',
      refreshToken: null,
      tokenType: 'Bearer',
      createdAt: '1970-01-01T00:00:00.000Z',
      lastUsed: '2038-01-19T03:14:08.001Z',
    }
    await store.set(service, record)
    assert.deepEqual(await stored(), record)
  }),

  storeCase(
    'a store keeps services with similar names apart',
    async ({ store, stored }) => {
      const names = [...oddNames, ...spacedNames, ...bareNames]
      for (const [index, name] of names.entries()) await store.set(name, someRecord(`n${index}`))
      for (const [index, name] of names.entries()) {
        assert.deepEqual(await stored(name), someRecord(`n${index}`), `the record of ${JSON.stringify(name)}`)
      }
      const [first, ...others] = names
      await store.delete(first!)
      assert.equal(await stored(first), null)
      for (const name of others) {
        assert.notEqual(
          await stored(name),
          null,
          `deleting ${JSON.stringify(first)} also deleted ${JSON.stringify(name)}`,
        )
      }
    },
    [...oddNames, ...spacedNames, ...bareNames],
  ),

  storeCase('a store returns nothing after a record was deleted', async ({ store, service, stored }) => {
    await store.set(service, someRecord('one'))
    await store.delete(service)
    assert.equal(await stored(), null)
    await store.set(service, someRecord('two'))
    assert.deepEqual(await stored(), someRecord('two'), 'a record that is set after that is stored')
  }),

  storeCase('delete() of a service without a record does not throw', async ({ store, service, stored }) => {
    for (let round = 0; round < 2; round += 1) {
      const thrown = await thrownBy(() => store.delete(service))
      if (thrown !== undefined)
        assert.fail(`delete() of a service without a record must not throw; it threw ${thrown}`)
    }
    assert.equal(await stored(), null)
  }),

  storeCase('a store keeps a token of 100 kB', async ({ store, service, stored }) => {
    const record = { ...someRecord('one'), token: `et1.k.AAAAAAAA.${'x'.repeat(100_000)}` }
    await store.set(service, record)
    assert.deepEqual(await stored(), record)
  }),

  storeCase(
    'a store contains one complete record after several were set at the same time',
    async ({ store, service, stored }) => {
      const names = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']
      await Promise.all(names.map((name) => store.set(service, someRecord(name))))
      const found = JSON.stringify(await stored())
      const whole = names.map((name) => JSON.stringify(plainRecord(someRecord(name))))
      assert.ok(whole.includes(found), 'the stored record is one of them')
    },
  ),

  storeCase(
    'a store loses no record of services that are set at the same time',
    async ({ store, stored }) => {
      await Promise.all(oddNames.map((name, index) => store.set(name, someRecord(`n${index}`))))
      for (const [index, name] of oddNames.entries()) {
        assert.deepEqual(await stored(name), someRecord(`n${index}`), `the record of ${JSON.stringify(name)}`)
      }
    },
    oddNames,
  ),
])
