//! How much of one text, failure or value is kept, no matter which host sent it.

use super::{Failure, Value};

/// One text, such as a note, a line or a reason, in bytes.
pub const TEXT: usize = 64 * 1024;

/// Values that a host hands on to other hosts are no deeper in one another: a frame to those holds them within other values,
/// and what is too deep for it would end hosts that have done nothing wrong.
const HANDED_ON_DEPTH: usize = 32;

/// A failure with as much of its words as is kept.
pub fn fitted_failure(failure: Failure) -> Failure {
    Failure {
        doing: text(failure.doing, TEXT),
        why: text(failure.why, TEXT),
        hint: failure.hint.map(|hint| text(hint, TEXT)),
    }
}

/// The text, cut at a limit in bytes, with a mark where it was cut.
pub fn text(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let whole = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(whole.unwrap_or(0));
        text.push_str(" … (cut)");
        text.shrink_to_fit();
    }
    text
}

/// Whether a value is too deep to be handed on to other hosts.
pub fn is_too_deep(value: &Value) -> bool {
    fn is_deeper(value: &Value, than: usize) -> bool {
        let mut within: Box<dyn Iterator<Item = &Value>> = match value {
            Value::Array(list) => Box::new(list.iter()),
            Value::Object(map) => Box::new(map.values()),
            _ => return false,
        };
        than == 0 || within.any(|inner| is_deeper(inner, than - 1))
    }
    is_deeper(value, HANDED_ON_DEPTH)
}
