// `npm run ready`: all that CI checks, in one go. `npm run ready -- --only clippy` runs a part of it.
import { runSteps } from './support/steps.mjs'
import { readySteps } from './steps/index.mjs'

if (!(await runSteps('npm run ready', readySteps))) process.exitCode = 1
