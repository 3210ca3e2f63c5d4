//! What the script says of a path besides bytes, mode and owner: extended attributes, hard links, times.

use super::listing;
use super::wire::Reply;
use crate::model::attributes::{Attributes, BOUND_TO_BYTES, Modified};
use crate::model::hexadecimal;
use crate::system::Details;

/// What the script prints where the host has no program that shows attributes.
const UNSEEN: &str = "unseen";

/// Digits of a second's fraction.
const FRACTION: usize = 9;

/// Reads an answer.
pub fn read(reply: &Reply) -> Option<Details> {
    let part = |index: usize| reply.parts.get(index).map(Vec::as_slice).unwrap_or_default();
    Some(Details {
        stat: Some(listing::parse(part(1), part(2))?),
        attributes: attributes(&text(reply, 5)),
        is_shared: has_links(&text(reply, 1)),
        is_mount_point: !text(reply, 4).trim().is_empty(),
        modified: modified(&text(reply, 3)),
        ..of_nothing(reply)
    })
}

/// Reads an answer about a path where nothing is: only the time of its directory is known.
pub fn of_nothing(reply: &Reply) -> Details {
    Details { around: modified(&text(reply, 0)), ..Details::default() }
}

/// Attributes as words of hexadecimal digits: name and value, which is how a journal keeps them too.
pub fn words(attributes: &Attributes) -> Vec<String> {
    attributes
        .iter()
        .flat_map(|(name, value)| [hexadecimal::of(name.as_bytes()), hexadecimal::of(&value)])
        .collect()
}

fn text(reply: &Reply, index: usize) -> String {
    String::from_utf8_lossy(reply.parts.get(index).map(Vec::as_slice).unwrap_or_default()).into_owned()
}

/// Whether a regular file has more names than this one: the second column of `ls -ldn`.
fn has_links(line: &str) -> bool {
    let names = line.split_ascii_whitespace().nth(1).and_then(|names| names.parse::<u64>().ok());
    line.starts_with('-') && names.is_some_and(|names| names > 1)
}

/// `1700000000.123456789` or `1700000000`.
fn modified(text: &str) -> Option<Modified> {
    let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let nanos = format!("{fraction:0<FRACTION$}");
    Some(Modified(seconds.parse().ok()?, nanos.get(..FRACTION)?.parse().ok()?))
}

fn attributes(lines: &str) -> Option<Attributes> {
    if lines.trim() == UNSEEN {
        return None;
    }
    let mut attributes = Attributes::default();
    for line in lines.lines() {
        let (name, value) = line.split_once(' ')?;
        let name = hexadecimal::bytes_of(name)?;
        if BOUND_TO_BYTES.contains(&name.as_slice()) {
            continue;
        }
        // One that is no text is no attribute that a program sets.
        if let Ok(name) = String::from_utf8(name) {
            attributes.add(&name, &hexadecimal::bytes_of(value.trim())?);
        }
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_a_fraction() {
        assert_eq!(modified("1700000000.123456789\n"), Some(Modified(1_700_000_000, 123_456_789)));
        assert_eq!(modified("1700000000\n"), Some(Modified(1_700_000_000, 0)));
        assert_eq!(modified("-1.5"), Some(Modified(-1, 500_000_000)));
        assert_eq!(modified("unknown\n"), None);
    }

    #[test]
    fn attributes_are_words_of_digits() {
        let read =
            attributes("757365722e6e6f7465 00ff \n757365722e65  \n73656375726974792e696d61 01 \n").unwrap();
        let values: Vec<_> = read.iter().collect();
        assert_eq!(values, [("user.e", vec![]), ("user.note", vec![0, 255])]);
        assert_eq!(words(&read), ["757365722e65", "", "757365722e6e6f7465", "00ff"]);
        assert_eq!(attributes("unseen\n"), None);
        assert_eq!(attributes(""), Some(Attributes::default()));
    }

    #[test]
    fn only_files_have_hard_links() {
        assert!(has_links("-rw-r--r-- 2 0 0 3 Jan 1 00:00 x"));
        assert!(!has_links("-rw-r--r-- 1 0 0 3 Jan 1 00:00 x"));
        assert!(!has_links("drwxr-xr-x 9 0 0 3 Jan 1 00:00 x"));
    }
}
