// What withEvertoken adds to a Next.js configuration, and what it leaves alone.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { withEvertoken } from 'evertoken/next'

const everyRoute = '/**'

describe('withEvertoken', () => {
  it('keeps the addon external and traced, with no configuration at all', () => {
    const config = withEvertoken()
    assert.deepEqual(config.serverExternalPackages, ['evertoken/native'])
    const folders = config.outputFileTracingIncludes[everyRoute].map((pattern) =>
      pattern.replace('/**/*', ''),
    )
    assert.ok(
      folders.some((folder) => existsSync(`${folder}/index.cjs`)),
      'the loader is where the pattern says',
    )
  })

  it('adds to existing settings and changes none', () => {
    const webpack = () => {}
    const config = Object.freeze({
      output: 'standalone',
      webpack,
      serverExternalPackages: Object.freeze(['sharp']),
      outputFileTracingIncludes: Object.freeze({ '/a': ['one'], [everyRoute]: ['two'] }),
    })
    const made = withEvertoken(config)
    assert.equal(made.output, 'standalone')
    assert.equal(made.webpack, webpack)
    assert.deepEqual(made.serverExternalPackages, ['sharp', 'evertoken/native'])
    assert.deepEqual(made.outputFileTracingIncludes['/a'], ['one'])
    assert.equal(made.outputFileTracingIncludes[everyRoute][0], 'two')
  })

  it('adds nothing twice', () => {
    assert.deepEqual(withEvertoken(withEvertoken({})), withEvertoken({}))
  })

  it('accepts a function, and passes it the arguments of Next.js', () => {
    const made = withEvertoken((phase, { defaultConfig }) => ({ env: { phase, from: defaultConfig.from } }))
    const config = made('phase-production-build', { defaultConfig: { from: 'next' } })
    assert.deepEqual(config.env, { phase: 'phase-production-build', from: 'next' })
    assert.deepEqual(config.serverExternalPackages, ['evertoken/native'])
  })

  it('accepts an asynchronous function and a promise', async () => {
    const fromFunction = await withEvertoken(async () => ({ basePath: '/shop' }))('phase', {})
    const fromPromise = await withEvertoken(Promise.resolve({ basePath: '/shop' }))
    for (const config of [fromFunction, fromPromise]) {
      assert.equal(config.basePath, '/shop')
      assert.deepEqual(config.serverExternalPackages, ['evertoken/native'])
    }
  })

  it('warns if the whole package is external, which separates its React component from React', (context) => {
    const warn = context.mock.method(console, 'warn', () => {})
    withEvertoken({ serverExternalPackages: ['evertoken'] })
    assert.equal(warn.mock.callCount(), 1)
    assert.match(warn.mock.calls[0].arguments[0], /serverExternalPackages/)
  })
})
