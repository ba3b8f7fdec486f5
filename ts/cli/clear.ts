import { optionsOf, type Command } from './command'
import { targetHelp, targetOf, targetOptions } from './target'
import { print, withSpinner } from './terminal'

export const clear: Command = {
  summary: 'remove the stored token',
  usage: '[--revoke] [options]',
  help: `Deletes the stored token. Running apps that share the store drop the token within seconds. An app with its own
store (memory, another path) keeps its token: use --endpoint for such an app.

  --revoke         also revokes it at the server, if evertoken knows the revocation endpoint (RFC 7009)
${targetHelp}`,
  async run(args) {
    const { json, revoke, ...where } = optionsOf('clear', args, {
      ...targetOptions,
      revoke: { type: 'boolean', default: false },
    })
    const target = targetOf(where)
    try {
      await withSpinner('clearing', target.clear(revoke))
      print(json ? '{"cleared":true}' : 'The token was cleared.')
      return 0
    } finally {
      await target.close()
    }
  },
}
