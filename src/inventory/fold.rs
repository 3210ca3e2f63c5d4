//! Lists of hosts, short: `web[01-14,17], db1`.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The names with their numbers folded into ranges, sorted. `expand` of each part gives the names back.
pub fn fold<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut families: BTreeMap<(String, bool, String), Vec<String>> = BTreeMap::new();
    for name in names {
        let (before, number, after) = split(name.as_ref());
        let key = (before.to_string(), !number.is_empty(), after.to_string());
        families.entry(key).or_default().push(number.to_string());
    }
    let folded = families.into_iter().map(|((before, _, after), numbers)| family(&before, numbers, &after));
    folded.collect::<Vec<_>>().join(",")
}

/// The last number of a name's first label, with what is before and after it. An address is left alone.
fn split(name: &str) -> (&str, &str, &str) {
    let label = name.find('.').unwrap_or(name.len());
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let end = name.as_bytes()[..label].iter().rposition(is_digit).map_or(0, |at| at + 1);
    let start = name.as_bytes()[..end].iter().rposition(|byte| !is_digit(byte)).map_or(0, |at| at + 1);
    let countable = name[start..end].parse::<u32>().is_ok() && name.parse::<IpAddr>().is_err();
    if countable { (&name[..start], &name[start..end], &name[end..]) } else { (name, "", "") }
}

fn family(before: &str, mut numbers: Vec<String>, after: &str) -> String {
    numbers.sort_by_key(|number| (number.parse::<u32>().unwrap_or(0), number.len()));
    numbers.dedup();
    match numbers.as_slice() {
        [only] => format!("{before}{only}{after}"),
        _ => format!("{before}[{}]{after}", runs(&numbers).join(",")),
    }
}

fn runs(numbers: &[String]) -> Vec<String> {
    let mut runs: Vec<(&str, &str)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((from, to)) if follows(from, to, number) => *to = number,
            _ => runs.push((number, number)),
        }
    }
    let shown = |(from, to): (&str, &str)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    runs.into_iter().map(shown).collect()
}

/// Whether a range from `from` that has come to `to` goes on with `next`, zeros in front included.
fn follows(from: &str, to: &str, next: &str) -> bool {
    let successor = to.parse::<u32>().ok().and_then(|number| number.checked_add(1));
    successor.is_some_and(|number| format!("{number:0width$}", width = from.len()) == next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::name::expand;
    use proptest::prelude::*;

    #[test]
    fn numbers_fold() {
        let web = (1..=14).chain([17]).map(|number| format!("web{number:02}"));
        assert_eq!(fold(web), "web[01-14,17]");
        assert_eq!(fold(["b", "a1", "a"]), "a,a1,b");
        assert_eq!(fold(["web9.x.de", "web10.x.de", "web1.y.de"]), "web[9-10].x.de,web1.y.de");
        assert_eq!(fold(["10.0.0.1", "10.0.0.2"]), "10.0.0.1,10.0.0.2");
        assert_eq!(fold(["a1", "a01", "a2"]), "a[1,01,2]");
        assert_eq!(fold(Vec::<String>::new()), "");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(names in proptest::collection::btree_set("[a-b]{0,2}[0-9]{0,3}(\\.[a-c1]{1,2})?", 0..12)) {
            let names: std::collections::BTreeSet<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            let folded = fold(&names);
            let mut depth = 0;
            let parts = folded.split(|letter: char| {
                depth += i32::from(letter == '[') - i32::from(letter == ']');
                letter == ',' && depth == 0
            });
            let back = parts.filter(|part| !part.is_empty()).flat_map(|part| expand(part).unwrap()).collect();
            prop_assert_eq!(names, back);
        }
    }
}
