//! What is kept of a stream that may never end: its head, its tail, and how long it was.

use super::OUTPUT_KEPT;
use std::collections::VecDeque;

/// Takes any number of bytes and keeps few of them.
#[derive(Debug)]
pub struct Kept {
    limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Kept::at_most(OUTPUT_KEPT)
    }
}

impl Kept {
    /// Keeps `limit` bytes of each end.
    pub fn at_most(limit: usize) -> Self {
        Kept { limit, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.limit - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.limit)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(self.limit);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
    }

    /// How many bytes it was given.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bytes; where some are left out, a line says how many.
    pub fn into_bytes(self) -> Vec<u8> {
        let tail: Vec<u8> = self.tail.into();
        join(self.head, &tail, self.total)
    }
}

/// Head and tail of `total` bytes with a line between them that says how many are left out.
pub fn join(mut head: Vec<u8>, tail: &[u8], total: u64) -> Vec<u8> {
    let left_out = total.saturating_sub((head.len() + tail.len()) as u64);
    if left_out > 0 {
        head.extend_from_slice(format!("\n… {left_out} bytes left out …\n").as_bytes());
    }
    head.extend_from_slice(tail);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(pieces: &[&[u8]]) -> String {
        let mut kept = Kept::at_most(4);
        pieces.iter().for_each(|piece| kept.push(piece));
        String::from_utf8(kept.into_bytes()).unwrap()
    }

    #[test]
    fn short_output_is_whole_and_long_output_says_what_is_missing() {
        assert_eq!(kept(&[b"abcdefgh"]), "abcdefgh");
        assert_eq!(kept(&[b"abc", b"def", b"ghijklm"]), "abcd\n… 5 bytes left out …\njklm");
    }

    proptest! {
        #[test]
        fn cutting_does_not_matter(bytes: Vec<u8>, size in 1usize..20) {
            let (mut whole, mut cut) = (Kept::at_most(7), Kept::at_most(7));
            whole.push(&bytes);
            bytes.chunks(size).for_each(|piece| cut.push(piece));
            prop_assert_eq!(whole.total(), cut.total());
            prop_assert_eq!(whole.into_bytes(), cut.into_bytes());
        }
    }
}
