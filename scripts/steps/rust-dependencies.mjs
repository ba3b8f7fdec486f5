// Licenses, duplicates, sources and known vulnerabilities of the Rust dependencies, by the rules in deny.toml.
import { cargoDeny } from '../support/cargo-deny.mjs'
import { run } from '../support/run.mjs'
import { settle } from '../support/steps.mjs'

export const rustDependencies = {
  name: 'cargo deny',
  async run() {
    const deny = await cargoDeny()
    const local = ['--locked', 'check', 'bans', 'licenses', 'sources']
    settle(await run(deny, local), `cargo deny ${local.join(' ')}`)
    const advisories = await run(deny, ['--locked', 'check', 'advisories'])
    if (advisories.code !== 0 && /failed to fetch advisory database/.test(advisories.output)) {
      return {
        closing: [
          'NOT CHECKED: advisories, because their database could not be fetched. Run it again online.',
        ],
      }
    }
    settle(advisories, 'cargo deny check advisories')
    return { closing: ['bans, licenses, sources and advisories: ok'] }
  },
}
