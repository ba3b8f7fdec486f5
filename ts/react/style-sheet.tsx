import type { ReactElement } from 'react'
import { styles } from './styles.js'

/** The styles, next to the elements that they style. */
export function StyleSheet({ nonce }: { nonce: string | undefined }): ReactElement {
  // Browsers hide the nonce of an element on the page, and React 18 would take that for a mismatch.
  return (
    <style nonce={nonce} suppressHydrationWarning>
      {styles}
    </style>
  )
}
