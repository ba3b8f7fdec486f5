import type { SchedulerOptions, SchedulerStatus } from '../../index'
import { native, unwrap } from '../binding/native'
import { assertObject, toPlainObject } from '../support/json'

/** Documented in `index.d.ts`. */
export function startTokenScheduler(options: SchedulerOptions = {}): SchedulerStatus {
  assertObject(options, 'options')
  return unwrap(native().startScheduler(JSON.stringify(toPlainObject(options))))
}

/** Documented in `index.d.ts`. */
export function stopTokenScheduler(): SchedulerStatus {
  return unwrap(native().stopScheduler())
}
