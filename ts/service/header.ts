import type { TokenServiceConfig } from '../../index'

/** The usual header: the others take another path, so that this one costs nothing more. */
export const usualHeader = 'Authorization'

/** The header of a configuration with this token, for the fake: it has no core that checks it and fills it in. */
export function headerFor(
  header: TokenServiceConfig['header'],
  scheme: string,
  token: string,
): { name: string; value: string } {
  const { name, value } =
    typeof header === 'object' ? header : { name: header ?? usualHeader, value: undefined }
  const isUsual = name.toLowerCase() === usualHeader.toLowerCase()
  const frame = value ?? (isUsual ? '{scheme} {token}' : '{token}')
  // Functions, as a text would be read for `$&` and its like.
  const filled = frame.replaceAll('{scheme}', () => scheme).replaceAll('{token}', () => token)
  return { name: isUsual ? usualHeader : name, value: filled }
}
