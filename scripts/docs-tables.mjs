// `npm run docs:tables`: writes the tables between `<!-- table: … -->` marks in the docs from the tables in ts/support.
// With `--check` it only says which line differs.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureLib } from './support/build.mjs'
import { root } from './support/root.mjs'
import { documents, findDifference, withTables } from './docs-tables/tables.mjs'

await ensureLib()
for (const document of documents) {
  const file = join(root, document)
  const text = await readFile(file, 'utf8')
  if (!process.argv.includes('--check')) await writeFile(file, await withTables(document, text))
  else {
    const difference = await findDifference(document, text)
    if (difference) throw new Error(`${difference}\nnpm run docs:tables writes it`)
  }
}
