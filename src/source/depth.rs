//! A budget for how deep TOML may be: keys with dots and values in one another become tables in one another, which are read
//! and dropped by functions that call themselves.

use std::ops::Range;

/// So many parts may a key have, and so many lists and tables may be in one another.
const DEEPEST: usize = 64;

/// Where TOML is too deep.
pub fn too_deep(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut open, mut dots) = (0, 0usize, 0);
    while at < bytes.len() {
        let start = at;
        at += match bytes[at] {
            b'#' => bytes[at..].iter().take_while(|byte| **byte != b'\n').count(),
            quote @ (b'"' | b'\'') => quoted(&bytes[at..], quote),
            b'[' | b'{' => {
                (open, dots) = (open + 1, 0);
                1
            }
            b']' | b'}' => {
                (open, dots) = (open.saturating_sub(1), 0);
                1
            }
            b'=' | b',' | b'\n' => {
                dots = 0;
                1
            }
            b'.' => {
                dots += 1;
                1
            }
            _ => 1,
        };
        if open > DEEPEST || dots >= DEEPEST {
            return Some(start..at);
        }
    }
    None
}

/// The length of a text with its quotes, of one line or of several.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let end = [quote; 3];
    let many = bytes.starts_with(&end);
    let end = if many { &end[..] } else { &end[..1] };
    let mut at = end.len();
    while at < bytes.len() && !bytes[at..].starts_with(end) {
        if !many && bytes[at] == b'\n' {
            return at;
        }
        at += if bytes[at] == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    (at + end.len()).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Node, Source};

    fn why(text: &str) -> Option<String> {
        Node::parse(&Source::new("x.toml", text.to_string())).err().map(|problems| problems.to_string())
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        for text in [
            format!("a{} = 1", ".a".repeat(50_000)),
            format!("[a{}]", ".a".repeat(50_000)),
            format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
            format!("a = {}1{}", "{ a = ".repeat(50_000), "}".repeat(50_000)),
            format!("a = {{ a{} = 1 }}", ".a".repeat(50_000)),
            format!("a = {}", "[\n".repeat(50_000)),
        ] {
            let why = why(&text).unwrap();
            assert!(why.contains("too deep"), "{}", &why[..why.len().min(300)]);
        }
    }

    #[test]
    fn what_people_write_is_fine() {
        for text in [
            "a = \"....................................................................................\"",
            "# ...............................................................................................\na = 1.5",
            "a = '''\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n'''",
            "a.b.c = [[1.5, \"\\\"]]\"], { x = { y = 1 } }]",
        ] {
            assert_eq!(why(text), None, "{text}");
        }
        let many = "[[a.b]]\nc.d = [1.5, 2.5]\n".repeat(10_000);
        assert_eq!(too_deep(&many), None);
    }
}
