import type { TokenServiceConfig } from '../../index'

/** The default header: the others take another path, so that this one has no extra cost. */
export const usualHeader = 'Authorization'

/** The configured header with this token, for the fake, which has no core to fill it in. */
export function headerFor(
  header: TokenServiceConfig['header'],
  scheme: string,
  token: string,
): { name: string; value: string } {
  const { name, value } =
    typeof header === 'object' ? header : { name: header ?? usualHeader, value: undefined }
  const isUsual = name.toLowerCase() === usualHeader.toLowerCase()
  const frame = value ?? (isUsual ? '{scheme} {token}' : '{token}')
  // Functions, because a replacement text would be searched for `$&` and others.
  const filled = frame.replaceAll('{scheme}', () => scheme).replaceAll('{token}', () => token)
  return { name: isUsual ? usualHeader : name, value: filled }
}
