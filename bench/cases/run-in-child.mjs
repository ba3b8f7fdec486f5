// The process of one case and one contender: `run-in-child.mjs <case> <contender> <token url> [more]`.
import { createRequire } from 'node:module'

const [, , caseName, contenderName, tokenUrl, ...more] = process.argv
const contender = createRequire(import.meta.url)(`../contenders/${contenderName}.cjs`)
const { run } = await import(`./${caseName}.mjs`)
process.send(await run(contender, tokenUrl, ...more))
