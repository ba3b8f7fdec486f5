// Form, lints and documentation of the Rust side, each warning an error.
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const rustFormat = {
  name: 'format',
  run: async () => settle(await run('cargo', ['fmt', '--all', '--check']), 'cargo fmt --all --check'),
}

/** With and without napi: code behind a feature is not seen by a lint that runs without it. */
export const clippy = {
  name: 'clippy',
  async run() {
    for (const features of [['--workspace'], ['--no-default-features']]) {
      const args = ['clippy', '--locked', '--all-targets', ...features, '--', '-D', 'warnings']
      settle(await run('cargo', args), `cargo ${args.join(' ')}`)
    }
  },
}

export const rustDocs = {
  name: 'rustdoc',
  async run() {
    const args = ['doc', '--locked', '--no-deps', '--no-default-features', '--document-private-items']
    return settle(await run('cargo', args, { env: { RUSTDOCFLAGS: '-D warnings' } }), 'cargo doc')
  },
}
