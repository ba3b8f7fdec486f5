// docs/reference is generated: it must be what the types say now.
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../scripts/support/root.mjs'
import { mustRun } from '../../scripts/support/run.mjs'

test('the reference is what the types say (npm run reference)', () =>
  mustRun(process.execPath, [join(root, 'scripts', 'reference.mjs'), '--check'], { quiet: true }))
