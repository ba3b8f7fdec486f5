// The steps of `npm test`, in order, and those that `npm run ready` puts around them.
import { browserTests } from './browser-tests.mjs'
import { build } from './build.mjs'
import { cleanTree } from './clean-tree.mjs'
import { jsFormat, jsLint, unused } from './js-lint.mjs'
import { nodeTests, packageTests } from './node-tests.mjs'
import { packageLint } from './package-lint.mjs'
import { rustDependencies } from './rust-dependencies.mjs'
import { clippy, rustDocs, rustFormat } from './rust-lint.mjs'
import { rustTests } from './rust-tests.mjs'
import { spelling } from './spelling.mjs'
import { typeTests } from './type-tests.mjs'
import { phrases } from './words.mjs'

export const testSteps = [rustTests, build, nodeTests, packageTests, browserTests]

/** The cheap ones first: a forgotten blank is not worth twenty minutes of waiting. */
export const readySteps = [
  rustFormat,
  jsFormat,
  jsLint,
  unused,
  spelling,
  phrases,
  clippy,
  rustDocs,
  ...testSteps,
  typeTests,
  packageLint,
  rustDependencies,
  cleanTree,
]
