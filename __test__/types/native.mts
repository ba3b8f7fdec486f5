// What ts/ believes of the addon, held against the types that napi generates from the Rust code. Like public-api.mts,
// this file is compiled and never run.
import type * as generated from '../../native/index.cjs'
import type { Native } from '../../ts/binding/native.js'

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(_: Equals<A, B>): void

type Generated = Omit<typeof generated, '__napiBindingTarget' | 'default' | 'module.exports'>

// No function more and none less.
same<keyof Native, keyof Generated>(true)

/** An outcome as what the addon has: text. */
type Plain<T> = T extends Promise<infer R> ? Promise<Plain<R>> : T extends string ? string : T
/** napi takes `null` and `undefined` where ts/ passes only one of the two. */
type Given<T> = Exclude<T, null | undefined>
type Shape<F> = F extends (...args: infer A) => infer R
  ? { parameters: { [I in keyof A]-?: Given<A[I]> }; result: Plain<R> }
  : never

/** The functions whose parameters or results are not the same. */
type Different = {
  [Name in keyof Native]: Equals<Shape<Native[Name]>, Shape<Generated[Name & keyof Generated]>> extends true
    ? never
    : Name
}[keyof Native]
same<Different, never>(true)
