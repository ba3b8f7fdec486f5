// Names of services that stores mix up.

export const oddNames = [
  'a',
  'A',
  'a.b',
  'a/b',
  '../a',
  '__proto__',
  'constructor',
  'billing (eu)',
  `it's "quoted" \\ %00 $1`,
  'ключ',
  'é',
  '鍵🔑',
].map((name) => `evertoken case ${name}`)
/** Under names that start with a space, evertoken stores notes about a service and that its record was removed. */
export const spacedNames = [
  'evertoken case note',
  ' evertoken case note',
  ' note evertoken case',
  ' removed evertoken case',
  'removed evertoken case',
]
/** Without a prefix, which would make them harmless. */
export const bareNames = ['__proto__', 'constructor', 'toString', '../evertoken-case', '*', '%']
