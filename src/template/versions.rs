//! Compares versions: loosely as Python's `distutils` did, or by the rules of semantic versioning and PEP 440.

use super::call::Arguments;
use super::fault::{Fault, Result};
use super::machine::Machine;
use super::regular::{Options, Pattern};
use std::cmp::Ordering;

/// Whether an order is the one that an operator asks for.
type Holds = fn(Ordering) -> bool;

const OPERATORS: &[(&str, Holds)] = &[
    ("==", Ordering::is_eq),
    ("=", Ordering::is_eq),
    ("eq", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<>", Ordering::is_ne),
    ("ne", Ordering::is_ne),
    ("<", Ordering::is_lt),
    ("lt", Ordering::is_lt),
    ("<=", Ordering::is_le),
    ("le", Ordering::is_le),
    (">", Ordering::is_gt),
    ("gt", Ordering::is_gt),
    (">=", Ordering::is_ge),
    ("ge", Ordering::is_ge),
];

/// `x is version('1.2', '>=')`.
pub fn version(_: &mut Machine, arguments: &mut Arguments) -> Result<bool> {
    let one = arguments.value_text()?;
    let other = arguments.required_text("version")?;
    let operator = arguments.text("operator")?.unwrap_or_else(|| "eq".to_string());
    let strict = arguments.take("strict").map_or(Ok(false), |strict| strict.truth())?;
    let kind = arguments.text("version_type")?;
    if one.is_empty() || other.is_empty() {
        return Err(Fault::new("a version is empty"));
    }
    let Some((_, holds)) = OPERATORS.iter().find(|(known, _)| *known == operator) else {
        return Err(Fault::new(format!("`{operator}` compares nothing")).hint("it is one of == != < <= > >="));
    };
    let kind = kind.as_deref().unwrap_or(if strict { "strict" } else { "loose" });
    let order = match kind {
        "loose" => loose(&one, &other)?,
        "strict" => of_both(&one, &other, strict_parts)?,
        "semver" | "semantic" => of_both(&one, &other, semantic)?,
        "pep440" => of_both(&one, &other, pep440)?,
        other => {
            let fault = Fault::new(format!("there is no kind `{other}` of versions"));
            return Err(fault.hint("it is loose, strict, semver or pep440"));
        }
    };
    Ok(holds(order))
}

fn of_both<T: Ord>(one: &str, other: &str, read: fn(&str) -> Option<T>) -> Result<Ordering> {
    let read =
        |text: &str| read(text).ok_or_else(|| Fault::new(format!("`{text}` is no version of that kind")));
    Ok(read(one)?.cmp(&read(other)?))
}

/// Numbers and words, as `distutils.version.LooseVersion` parts them.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

fn loose_parts(text: &str) -> Result<Vec<Part>> {
    let letters: Vec<char> = text.chars().collect();
    let pattern = Pattern::new(r"\d+|[a-z]+|\.|[^.\da-z]+", Options::default())?;
    let found = pattern.find_all(&letters, usize::MAX)?;
    let words = found.iter().filter_map(|found| found.text(0, &letters)).filter(|word| word != ".");
    Ok(words.map(|word| word.parse().map_or_else(|_| Part::Word(word.clone()), Part::Number)).collect())
}

fn loose(one: &str, other: &str) -> Result<Ordering> {
    let (left, right) = (loose_parts(one)?, loose_parts(other)?);
    for pair in left.iter().zip(&right) {
        let order = match pair {
            (Part::Number(one), Part::Number(other)) => one.cmp(other),
            (Part::Word(one), Part::Word(other)) => one.cmp(other),
            _ => {
                let fault = Fault::new(format!(
                    "the versions `{one}` and `{other}` differ in where they have numbers"
                ));
                return Err(fault.hint("compare them as version_type='semver' or version_type='pep440'"));
            }
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// Three numbers, and the letter and number of what comes before that release.
type StrictParts = ([u64; 3], Option<(char, u64)>);

/// `1.2.3b4`: what comes before a release is less than it.
fn strict_parts(text: &str) -> Option<StrictParts> {
    let (numbers, pre) = match text.find(['a', 'b']) {
        Some(at) => (&text[..at], Some((text[at..].chars().next()?, text[at + 1..].parse().ok()?))),
        None => (text, None),
    };
    let parts: Vec<u64> = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let numbers = match parts.as_slice() {
        [major, minor] => [*major, *minor, 0],
        [major, minor, patch] => [*major, *minor, *patch],
        _ => return None,
    };
    Some((numbers, Some(pre.unwrap_or(('z', 0)))))
}

/// Numbers, then whether it is a release, then the parts of what comes before one.
type Semantic = ([u64; 3], bool, Vec<(bool, u64, String)>);

fn semantic(text: &str) -> Option<Semantic> {
    let text = text.split_once('+').map_or(text, |(text, _)| text);
    let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let parts: Vec<u64> = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [major, minor, patch] = parts.as_slice() else { return None };
    let part = |part: &str| match part.parse() {
        Ok(number) => (false, number, String::new()),
        Err(_) => (true, 0, part.to_string()),
    };
    let pre_parts = pre.map(|pre| pre.split('.').map(part).collect()).unwrap_or_default();
    Some(([*major, *minor, *patch], pre.is_none(), pre_parts))
}

/// Epoch, release, phase (dev, a, b, rc, final, post) with its number, dev number, local part.
type Pep440 = (u64, Vec<u64>, (i64, u64), u64, Vec<(bool, u64, String)>);

fn pep440(text: &str) -> Option<Pep440> {
    let letters: Vec<char> = text.trim().to_lowercase().chars().collect();
    let pattern = Pattern::new(
        r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:(?:-(\d+))|(?:[-_.]?(post|rev|r)[-_.]?(\d*)))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\Z",
        Options::default(),
    )
    .ok()?;
    let found = pattern.match_start(&letters).ok()??;
    let part = |group: usize| found.text(group, &letters);
    let number = |group: usize| part(group).and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0);
    let mut release: Vec<u64> = part(2)?.split('.').filter_map(|digits| digits.parse().ok()).collect();
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let is_post = part(5).is_some() || part(6).is_some();
    let is_dev = part(8).is_some();
    let phase = match (part(3).as_deref(), is_post, is_dev) {
        (None, false, true) => (-1, 0),
        (Some("a" | "alpha"), ..) => (0, number(4)),
        (Some("b" | "beta"), ..) => (1, number(4)),
        (Some(_), ..) => (2, number(4)),
        (None, false, false) => (3, 0),
        (None, true, _) => (4, number(5) + number(7)),
    };
    let dev = if is_dev { number(9) } else { u64::MAX };
    let local = part(10).unwrap_or_default();
    let local_part = |word: &str| match word.parse() {
        Ok(number) => (true, number, String::new()),
        Err(_) => (false, 0, word.to_string()),
    };
    let local = local.split(['-', '_', '.']).filter(|word| !word.is_empty()).map(local_part).collect();
    Some((number(1), release, phase, dev, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        assert_eq!(loose("1.10", "1.9").unwrap(), Ordering::Greater);
        assert_eq!(loose("1.0", "1").unwrap(), Ordering::Greater);
        assert!(loose("1.a", "1.1").is_err());
        assert!(semantic("1.0.0-rc.1") < semantic("1.0.0"));
        assert!(
            pep440("1.0.dev1") < pep440("1.0a1")
                && pep440("1.0rc1") < pep440("1.0")
                && pep440("1.0") < pep440("1.0.post1")
        );
        assert_eq!(pep440("1.0"), pep440("1"));
    }
}
