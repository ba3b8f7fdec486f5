/** The changed lines between two texts, marked with `+` and `-`, with two lines of context. */
export function diff(before: string, after: string): string[] {
  const [old, now] = [before, after].map((text) =>
    text === '' ? [] : text.replace(/\n$/, '').split('\n'),
  ) as [string[], string[]]
  // The length of the longest common subsequence of the remaining lines.
  const common = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0))
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i]![j] =
        old[i] === now[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const lines: string[] = []
  for (let i = 0, j = 0; i < old.length || j < now.length; ) {
    if (i < old.length && old[i] === now[j]) {
      lines.push(`  ${old[i]}`)
      i += 1
      j += 1
    } else if (i < old.length && (j === now.length || common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push(`- ${old[i]}`)
      i += 1
    } else {
      lines.push(`+ ${now[j]}`)
      j += 1
    }
  }
  return lines.filter((_, at) =>
    lines.slice(Math.max(0, at - 2), at + 3).some((line) => !line.startsWith('  ')),
  )
}
