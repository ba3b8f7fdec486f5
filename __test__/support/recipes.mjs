// The recipes of docs/servers.md, as data.

import { readFile } from 'node:fs/promises'
import { configFromEnv } from 'evertoken'

const page = new URL('../../docs/servers.md', import.meta.url)

/**
 * Each recipe with its variants: `env`, `code`, and the `config` that the two make. An `sh` block begins a variant,
 * which a `ts` block completes; a `ts` block that reads `process.env` is a variant of its own. The `json` block is
 * what the server answers.
 */
export async function readRecipes() {
  const [, ...sections] = (await readFile(page, 'utf8')).split(/^## /m)
  return sections.map(recipe)
}

function recipe(section) {
  const [product] = section.split('\n')
  const fences = section.matchAll(/^```(sh|ts|json)\n([\s\S]*?)^```$/gm)
  const blocks = [...fences].map(([, language, text]) => ({ language, text }))
  const variants = []
  for (const { language, text } of blocks) {
    if (language === 'sh') variants.push({ env: variables(text), code: {} })
    else if (text.includes('process.env')) variants.push({ env: {}, code: config(text) })
    else if (language === 'ts') variants.at(-1).code = config(text)
  }
  return {
    product,
    answer: JSON.parse(blocks.find(({ language }) => language === 'json').text),
    variants: variants.map(({ env, code }) => {
      return { title: titleOf(env, code), env, code, config: { ...configFromEnv(env), ...code } }
    }),
  }
}

function titleOf(env, code) {
  if (Object.keys(env).length === 0) return 'code'
  const way = env.OAUTH_ISSUER === undefined ? 'environment' : 'environment with an issuer'
  return Object.keys(code).length === 0 ? way : `${way}, and code`
}

const variables = (text) =>
  Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map((match) => match.slice(1)))

/** What the code hands to `initializeTokenService`; each variable that it reads holds a text of its own. */
function config(text) {
  const process = { env: new Proxy({}, { get: (_, name) => `the ${name}: 100%+` }) }
  const found = []
  new Function('initializeTokenService', 'process', text)((...args) => found.push(...args), process)
  if (found.length !== 1) throw new Error(`a recipe makes one service with one configuration:\n${text}`)
  return found[0]
}
