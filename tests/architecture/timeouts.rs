//! The constants of time in `src/`, as the table in `ARCHITECTURE.md` lists them.

use crate::graph::{code, is_test, sources, src};

/// The units of the table, in milliseconds, the longest first.
const UNITS: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];

/// `` `NAME` | `file.rs` | value`` of every constant.
pub fn constants() -> Vec<String> {
    let mut found = Vec::new();
    for path in sources(&src()).iter().filter(|path| !is_test(path)) {
        let file = path.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/");
        for line in code(path).lines() {
            let Some((name, rest)) = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": "))
            else {
                continue;
            };
            let Some((kind, value)) = rest.split_once(" = ") else { continue };
            if matches!(kind, "Duration" | "Backoff") {
                found.push(format!("`{name}` | `{file}` | {}", spell(value)));
            }
        }
    }
    found.sort();
    found
}

/// The rows of the table, without their last column.
pub fn rows(text: &str) -> Vec<String> {
    let table = text
        .split("## Every timeout and interval of the core")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut rows: Vec<_> = rows
        .map(|row| row.split('|').map(str::trim).skip(1).take(3).collect::<Vec<_>>().join(" | "))
        .collect();
    rows.sort();
    rows
}

/// `Backoff::new(Duration::from_secs(1), Duration::from_secs(2 * 60))` as `1 s … 2 min`.
fn spell(value: &str) -> String {
    let spans = value.split("Duration::from_").skip(1).map(|span| {
        let (unit, rest) = span.split_once('(').unwrap();
        let factors = rest.split(')').next().unwrap().split('*');
        let number: u64 =
            factors.map(|factor| factor.trim().replace('_', "").parse::<u64>().unwrap()).product();
        let millis = number * if unit == "secs" { 1000 } else { 1 };
        let (length, unit) = UNITS.into_iter().find(|(length, _)| millis.is_multiple_of(*length)).unwrap();
        format!("{} {unit}", millis / length)
    });
    spans.collect::<Vec<_>>().join(" … ")
}
