/**
 * `evertoken/testing`: what your own tests need. It works with any runner: Jest, Vitest, `node:test`.
 *
 * @packageDocumentation
 */

export { tokenStoreCases } from './store-cases'
export type { MakeStore, TokenStoreCase } from './store-cases'
