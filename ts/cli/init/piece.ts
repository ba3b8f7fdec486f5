/** One file that is created or changed, or advice about a file to change by hand. */
export type Piece =
  | {
      readonly path: string
      readonly before: string | null
      readonly after: string
      /** What is shown of the change, for a file with secrets; only its owner may read it when it is new. */
      readonly shown?: readonly string[]
    }
  | { readonly path: string; readonly advice: string }
