import * as assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { SharedTokenStore } from '../../index'
import { bareNames, oddNames, spacedNames } from './odd-names'
import type { TokenStoreCase } from './store-cases'

/** A store, and what the cases do with it. */
interface Bench {
  /** A key that no other case uses. */
  key: string
  /** What is stored, or `null`. */
  read(key?: string): Promise<string | null>
  /** Compares and sets, and resolves with whether it did. */
  swap(expected: string | null, next: string | null, key?: string): Promise<boolean>
}

/** @param keys What the check uses besides the case's own key. */
function sharedStoreCase(
  name: string,
  check: (bench: Bench) => Promise<void>,
  keys: readonly string[] = [],
): TokenStoreCase<SharedTokenStore> {
  return {
    name,
    async run(makeStore) {
      const store = await makeStore()
      const own = `evertoken-case-${randomUUID()}`
      const read = async (key = own): Promise<string | null> => (await store.read(key)) ?? null
      const swap = async (expected: string | null, next: string | null, key = own): Promise<boolean> => {
        const isSet: unknown = await store.compareAndSet(key, expected, next)
        assert.equal(typeof isSet, 'boolean', 'compareAndSet() returns whether it replaced the text')
        return isSet as boolean
      }
      const tidy = async (): Promise<void> => {
        for (const key of [own, ...keys]) {
          const left = await read(key)
          if (left !== null) await swap(left, null, key)
        }
      }
      await tidy()
      try {
        await check({ key: own, read, swap })
      } finally {
        await tidy()
      }
    },
  }
}

const allNames = [...oddNames, ...spacedNames, ...bareNames]
/** Texts that a database may take for equal. */
const similarTexts = ['text', 'Text', 'text ', ' text', 'te\u0301xt', 't\u00e9xt', 'text.']
const eight = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']

/**
 * What your own {@link SharedTokenStore} must do, as cases for any test runner.
 *
 * ```ts
 * import { test } from 'node:test'
 * import { sharedTokenStoreCases } from 'evertoken/testing'
 *
 * for (const { name, run } of sharedTokenStoreCases) test(name, () => run(() => new MyStore()))
 * ```
 */
export const sharedTokenStoreCases: readonly TokenStoreCase<SharedTokenStore>[] = Object.freeze([
  sharedStoreCase(
    'a shared store returns nothing for a key without a text',
    async ({ key, read }) => {
      for (const name of [key, ...bareNames]) assert.equal(await read(name), null, JSON.stringify(name))
    },
    bareNames,
  ),

  sharedStoreCase('a shared store sets a text only where there is none', async ({ read, swap }) => {
    assert.equal(await swap(null, 'one'), true)
    assert.equal(await swap(null, 'two'), false)
    assert.equal(await read(), 'one')
  }),

  sharedStoreCase('a shared store replaces a text only if it is as expected', async ({ read, swap }) => {
    assert.equal(await swap('one', 'two'), false, 'there is none')
    assert.equal(await read(), null)
    await swap(null, 'one')
    assert.equal(await swap('two', 'three'), false)
    assert.equal(await read(), 'one')
    assert.equal(await swap('one', 'two'), true)
    assert.equal(await read(), 'two')
  }),

  sharedStoreCase('a shared store deletes a text only if it is as expected', async ({ read, swap }) => {
    await swap(null, 'one')
    assert.equal(await swap('two', null), false)
    assert.equal(await read(), 'one')
    assert.equal(await swap('one', null), true)
    assert.equal(await read(), null)
    assert.equal(await swap('one', 'two'), false, 'a text that was deleted is not expected')
    assert.equal(await swap(null, 'two'), true, 'a text that is set after that is stored')
    assert.equal(await read(), 'two')
  }),

  sharedStoreCase('a shared store compares every character', async ({ read, swap }) => {
    for (const text of similarTexts) {
      assert.equal(await swap(await read(), text), true)
      assert.equal(await read(), text)
      for (const other of similarTexts.filter((each) => each !== text)) {
        const pair = `${JSON.stringify(text)} is not ${JSON.stringify(other)}`
        assert.equal(await swap(other, 'changed'), false, pair)
      }
    }
  }),

  sharedStoreCase('a shared store keeps and compares a text of 100 kB', async ({ read, swap }) => {
    const text = (end: string): string => `{"token":"${'x'.repeat(100_000)}${end}"}`
    assert.equal(await swap(null, text('1')), true)
    assert.equal(await read(), text('1'))
    assert.equal(await swap(text('2'), 'changed'), false)
    assert.equal(await swap(text('1'), text('2')), true)
    assert.equal(await read(), text('2'))
  }),

  sharedStoreCase(
    'a shared store keeps similar keys apart',
    async ({ read, swap }) => {
      for (const [index, name] of allNames.entries()) {
        assert.equal(await swap(null, `text ${index}`, name), true, JSON.stringify(name))
      }
      for (const [index, name] of allNames.entries()) {
        assert.equal(await read(name), `text ${index}`, JSON.stringify(name))
      }
      const [first, ...others] = allNames
      assert.equal(await swap('text 0', null, first), true)
      for (const [index, name] of others.entries()) {
        assert.equal(await read(name), `text ${index + 1}`, JSON.stringify(name))
      }
    },
    allNames,
  ),

  sharedStoreCase('a shared store lets one of several claims succeed', async ({ read, swap }) => {
    for (let round = 0; round < 10; round += 1) {
      const expected = await read()
      const claims = eight.map((name) => `${round} ${name}`)
      const won = await Promise.all(claims.map((claim) => swap(expected, claim)))
      assert.equal(won.filter(Boolean).length, 1, `claims that succeeded in round ${round}`)
      assert.equal(await read(), claims[won.indexOf(true)], 'the claim that succeeded is stored')
    }
  }),

  sharedStoreCase('a shared store loses no change', async ({ read, swap }) => {
    const increment = async (): Promise<void> => {
      for (let tries = 0; tries < 1000; tries += 1) {
        const text = await read()
        if (await swap(text, String(Number(text ?? 0) + 1))) return
      }
      assert.fail('of several changes at the same time, none succeeds')
    }
    await Promise.all(
      eight.map(async () => {
        for (let count = 0; count < 5; count += 1) await increment()
      }),
    )
    assert.equal(await read(), '40')
  }),
])
