//! The names at the beginning of a line of hosts as Ansible reads them: a name or an address, ranges such as
//! `web[01:09:4]`, and a port.

use std::net::Ipv6Addr;

/// One name with ranges in it stands for at most this many.
const RANGE_LIMIT: usize = 20_000;

/// The names and the port that a text stands for: `app[2:3].example.com:2223`, `[2001:db8::7]:22`.
pub fn names_and_port(text: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (pattern, port) = match split_port(text).filter(|(address, _)| is_address(address)) {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let port = match port {
        // Ansible takes port 0 for none.
        Some(port) => {
            Some(port.parse().map_err(|_| format!("`{port}` is not a port"))?).filter(|port| *port != 0)
        }
        None if text.ends_with(':') => return Err(format!("`{text}` ends in `:` without a port")),
        None => None,
    };
    Ok((expand(pattern)?, port))
}

/// `[HOST]:PORT`, or `HOST:PORT` where no other `:` stands outside of brackets.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (address, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed.filter(|inside| !inside.is_empty()) {
        Some(inside) => Some((inside, port)),
        None => (!has_colon_outside(address)).then_some((address, port)),
    }
}

fn has_colon_outside(text: &str) -> bool {
    let mut inside = false;
    text.chars().any(|letter| {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        letter == ':' && !inside
    })
}

/// Whether Ansible takes it for an address: what it does not know keeps its `:` and the digits behind it.
fn is_address(text: &str) -> bool {
    let Some(sample) = without_ranges(text) else { return false };
    let label = |label: &str| {
        let fits = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with(['-', '_'])
            && label.chars().all(fits)
    };
    sample.parse::<Ipv6Addr>().is_ok() || sample.split('.').all(label)
}

/// The text with `1` for each range, or nothing when a bracket is no range.
fn without_ranges(text: &str) -> Option<String> {
    let Some((before, rest)) = text.split_once('[') else { return Some(text.to_string()) };
    let (range, after) = rest.split_once(']')?;
    let parts: Vec<&str> = range.split(':').collect();
    let is_digits = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_letter = |text: &&str| text.len() == 1 && text.as_bytes()[0].is_ascii_alphabetic();
    let bounds = parts.iter().take(2);
    let fits = matches!(parts.len(), 2 | 3)
        && (bounds.clone().all(is_digits) || bounds.clone().all(is_letter))
        && parts.get(2).is_none_or(|step| is_digits(&step.trim_start_matches('-')));
    fits.then(|| Some(format!("{before}1{}", without_ranges(after)?)))?
}

/// The names that a text with Ansible's ranges stands for, in order.
fn expand(text: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('[') else { return Ok(vec![text.to_string()]) };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("`{text}` has a `[` without a `]`"))?;
    let ends = expand(after)?;
    let middles = elements(range)?;
    if middles.len().saturating_mul(ends.len()) > RANGE_LIMIT {
        return Err(format!("`{text}` stands for more than {RANGE_LIMIT} names"));
    }
    let names =
        middles.iter().flat_map(|middle| ends.iter().map(move |end| format!("{before}{middle}{end}")));
    Ok(names.collect())
}

/// The elements of `01:20`, `01:20:2`, `a:c` or `:5`.
fn elements(range: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`[{range}]` is not a range of Ansible's; write it like [01:20] or [01:20:2]");
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, "1"),
        [from, to, step] => (*from, *to, *step),
        _ => return Err(wrong()),
    };
    let from = if from.is_empty() { "0" } else { from };
    let (step, is_down) = match step.strip_prefix('-') {
        Some(step) => (step, true),
        None => (step, false),
    };
    let step = step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
    if let (Some(first), Some(last), false) = (letter_index(from), letter_index(to), is_down) {
        let letters = || (first..=last).step_by(step).map(|at| char::from(LETTERS[at]).to_string());
        return if first <= last { Ok(letters().collect()) } else { Err(backwards(range)) };
    }
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (first, last) = number(from).zip(number(to)).ok_or_else(wrong)?;
    let width = if from.starts_with('0') && from.len() > 1 { from.len() } else { 0 };
    let is_empty = if is_down { first <= last } else { first > last };
    if is_empty {
        return Err(backwards(range));
    }
    if width > 0 && width != to.len() {
        return Err(format!("the ends of `[{range}]` do not have the same number of digits"));
    }
    if first.abs_diff(last) as usize / step >= RANGE_LIMIT {
        return Err(format!("`[{range}]` stands for more than {RANGE_LIMIT} names"));
    }
    let shown = |number| format!("{number:0width$}");
    Ok(match is_down {
        // As in Ansible, the last number of a range that counts down is not in it.
        true => (last + 1..=first).rev().step_by(step).map(shown).collect(),
        false => (first..=last).step_by(step).map(shown).collect(),
    })
}

fn backwards(range: &str) -> String {
    format!("`[{range}]` ends before it starts")
}

/// In this order, because Ansible's ranges of letters go over both cases.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter_index(text: &str) -> Option<usize> {
    let [letter] = text.as_bytes() else { return None };
    LETTERS.iter().position(|known| known == letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        match names_and_port(text) {
            Ok((names, Some(port))) => format!("{} port {port}", names.join(" ")),
            Ok((names, None)) => names.join(" "),
            Err(why) => why,
        }
    }

    #[test]
    fn names_ranges_and_ports_are_read_as_ansible_does() {
        assert_eq!(read("app1.example.com:2222"), "app1.example.com port 2222");
        assert_eq!(read("app[2:3].example.com:2223"), "app2.example.com app3.example.com port 2223");
        assert_eq!(read("198.51.100.7:2224"), "198.51.100.7 port 2224");
        assert_eq!(read("198.51.100.[7:8]:22"), "198.51.100.7 198.51.100.8 port 22");
        assert_eq!(read("2001:db8::8"), "2001:db8::8");
        assert_eq!(read("[2001:db8::7]:2225"), "2001:db8::7 port 2225");
        assert_eq!(read("[web1]:22"), "web1 port 22");
        assert_eq!(read("app-[01:09:4]"), "app-01 app-05 app-09");
        assert_eq!(read("r[a:c]s[1:2]"), "ras1 ras2 rbs1 rbs2 rcs1 rcs2");
        assert_eq!(read("r[a:e:2]"), "ra rc re");
        assert_eq!(read("w[8:11]"), "w8 w9 w10 w11");
        assert_eq!(read("w[:2]"), "w0 w1 w2");
        assert_eq!(read("w_1:22"), "w_1 port 22");
        assert_eq!(read("w-:22"), "w-:22");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(read("w[3:1]"), "`[3:1]` ends before it starts");
        assert_eq!(read("w[1-3]"), "`[1-3]` is not a range of Ansible's; write it like [01:20] or [01:20:2]");
        assert_eq!(read("w[01:100]"), "the ends of `[01:100]` do not have the same number of digits");
        assert_eq!(
            read("w[1:9:0]"),
            "`[1:9:0]` is not a range of Ansible's; write it like [01:20] or [01:20:2]"
        );
        assert_eq!(read("w[1"), "`w[1` has a `[` without a `]`");
        assert_eq!(read("w:"), "`w:` ends in `:` without a port");
        assert_eq!(read("w:70000"), "`70000` is not a port");
        assert_eq!(read("w[1:99999999]"), "`[1:99999999]` stands for more than 20000 names");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c0-9\\[\\]:.ü-]{0,20}") {
            let _ = names_and_port(&text).map(|(names, _)| assert!(names.len() <= RANGE_LIMIT));
        }
    }
}
