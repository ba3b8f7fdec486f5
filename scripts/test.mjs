// `npm test`: every test there is, from a fresh clone after `npm ci`. `npm test -- --only node,package` runs some.
import { runSteps } from './support/steps.mjs'
import { testSteps } from './steps/index.mjs'

if (!(await runSteps('npm test', testSteps))) process.exitCode = 1
