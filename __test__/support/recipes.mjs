// The configurations of docs/providers, as data.

import { readdir, readFile } from 'node:fs/promises'
import { configFromEnv } from 'evertoken'

const folder = new URL('../../docs/providers/', import.meta.url)

/**
 * Each configuration with its variants: `env`, `code`, and the `config` that the two make. An `sh` block begins a
 * variant, which a `ts` block completes; a `ts` block that reads `process.env` is a variant of its own. `answer` is
 * the `json` block, what the server answers, if the page shows it.
 */
export async function readConfigurations() {
  const names = (await readdir(folder)).filter((name) => name !== 'README.md')
  const pages = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')))
  return pages.flatMap((page) => page.split(/^## /m).slice(1).map(configuration))
}

/** Those that show what the server answers. */
export const readRecipes = async () => (await readConfigurations()).filter(({ answer }) => answer)

function configuration(section) {
  const [product] = section.split('\n')
  const fences = section.matchAll(/^```(sh|ts|json)\n([\s\S]*?)^```$/gm)
  const blocks = [...fences].map(([, language, text]) => ({ language, text }))
  const variants = []
  for (const { language, text } of blocks) {
    if (language === 'sh') variants.push({ env: variables(text), code: {} })
    else if (text.includes('process.env')) variants.push({ env: {}, code: config(text) })
    else if (language === 'ts') variants.at(-1).code = config(text)
  }
  const answer = blocks.find(({ language }) => language === 'json')
  return {
    product,
    answer: answer && JSON.parse(answer.text),
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

/** What a secret's variable holds: not only letters, so that a mistake in its encoding shows. */
const secretIn = (name) => `the ${name}: 100%+`

const variables = (text) =>
  Object.fromEntries(
    [...text.matchAll(/^(\w+)="?(.*?)"?$/gm)].map(([, name, value]) => [
      name,
      value === '…' ? secretIn(name) : value,
    ]),
  )

/** Where `fetch` of a configuration that is a function leads; a test sets it. */
export const network = { fetch: undefined }

/** What the code hands to `initializeTokenService`; each variable that it reads holds a text of its own. */
function config(text) {
  const process = { env: new Proxy({}, { get: (_, name) => secretIn(name) }) }
  const found = []
  new Function('initializeTokenService', 'process', 'fetch', text)(
    (...args) => found.push(...args),
    process,
    (...args) => network.fetch(...args),
  )
  if (found.length !== 1) throw new Error(`a recipe makes one service with one configuration:\n${text}`)
  return found[0]
}
