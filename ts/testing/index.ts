/**
 * `evertoken/testing`: tools for your own tests. They work with any test runner: Jest, Vitest, `node:test`.
 *
 * @module evertoken/testing
 */

export { createFakeEvertoken } from './fake'
export type { FakeEvertoken, FakeOptions } from './fake'
export type { Granting } from './grants'
export { startMockTokenServer } from './mock-server'
export type { MockTokenServer, MockTokenServerOptions, Scripted, ScriptedAnswer } from './mock-server'
export type { RecordedRequest } from './recorded-request'
export { sharedTokenStoreCases } from './shared-store-cases'
export { tokenStoreCases } from './store-cases'
export type { MakeStore, TokenStoreCase } from './store-cases'
