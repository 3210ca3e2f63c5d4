//! What a file or directory has besides its bytes, mode and owner: extended attributes, ACLs and capabilities among them,
//! and when it was modified. An undo restores them.

use super::hexadecimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Extended attributes by name, each value in hexadecimal digits, which is what a journal can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, String>);

/// These belong to the bytes of a file, and would make others fail their check: they are neither copied nor restored.
pub const BOUND_TO_BYTES: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// When something was modified last: seconds since 1970 and nanoseconds, as the host's own clock had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Modified(pub i64, pub u32);

impl Attributes {
    /// Adds one.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.to_string(), hexadecimal::of(value));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of this name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Each with its value. What is no hexadecimal digit, in a journal that was damaged, is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.0.iter().filter_map(|(name, hex)| Some((name.as_str(), hexadecimal::bytes_of(hex)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_survives_a_journal() {
        let mut attributes = Attributes::default();
        attributes.add("user.note", b"\x00\xff a");
        attributes.add("user.empty", b"");
        let kept = serde_json::to_string(&attributes).unwrap();
        assert_eq!(kept, r#"{"user.empty":"","user.note":"00ff2061"}"#);
        let read: Attributes = serde_json::from_str(&kept).unwrap();
        let values: Vec<_> = read.iter().collect();
        assert_eq!(values, [("user.empty", vec![]), ("user.note", b"\x00\xff a".to_vec())]);
        assert!(read.has("user.note") && !read.has("user.other"));
    }
}
