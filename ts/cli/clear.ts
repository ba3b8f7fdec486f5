import { optionsOf, type Command } from './command'
import { targetHelp, targetOf, targetOptions } from './target'
import { print, withSpinner } from './terminal'

export const clear: Command = {
  summary: 'forget the stored token',
  usage: '[--revoke] [options]',
  help: `Removes the record from the store. Running apps that share the store drop the token within seconds. An app with a
store of its own (memory, another path) keeps its token: name that app with --endpoint.

  --revoke         also tells the server, where a revocation endpoint is known (RFC 7009)
${targetHelp}`,
  async run(args) {
    const { json, revoke, ...where } = optionsOf('clear', args, {
      ...targetOptions,
      revoke: { type: 'boolean', default: false },
    })
    const target = targetOf(where)
    try {
      await withSpinner('clearing', target.clear(revoke))
      print(json ? '{"cleared":true}' : 'The token is cleared.')
      return 0
    } finally {
      await target.close()
    }
  },
}
