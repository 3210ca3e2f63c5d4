//! What is kept of a stream that may never end: its head, its tail, and how long it was.

use super::OUTPUT_KEPT;
use std::collections::VecDeque;

/// How the line begins and ends that says how many bytes are left out.
const MARK: &str = "… ";
const LEFT_OUT: &str = " bytes left out …\n";

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

/// Head and tail of `total` bytes with a line between them that says how many are left out. Both are cut at an end of line
/// where there is one near, so that no number is cut in two.
pub fn join(mut head: Vec<u8>, tail: &[u8], total: u64) -> Vec<u8> {
    if (head.len() + tail.len()) as u64 >= total {
        head.extend_from_slice(tail);
        return head;
    }
    head.truncate(end_of_lines(&head));
    let tail = &tail[start_of_line(tail)..];
    let left_out = total - (head.len() + tail.len()) as u64;
    let start = if head.ends_with(b"\n") { "" } else { "\n" };
    head.extend_from_slice(format!("{start}{MARK}{left_out}{LEFT_OUT}").as_bytes());
    head.extend_from_slice(tail);
    head
}

/// Head and tail of what may be head and tail already; the line between them counts all that is left out.
pub fn shortened(bytes: &[u8], head: usize, tail: usize) -> Vec<u8> {
    if bytes.len() <= head + tail {
        return bytes.to_vec();
    }
    let before = left_out_of(&bytes[head..bytes.len() - tail]);
    join(bytes[..head].to_vec(), &bytes[bytes.len() - tail..], bytes.len() as u64 + before)
}

/// How many more bytes were left out, by the line that says so, than that line has itself.
fn left_out_of(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let Some((before, _)) = text.split_once(LEFT_OUT) else { return 0 };
    let digits = before.rsplit(MARK).next().unwrap_or_default();
    let line = MARK.len() + digits.len() + LEFT_OUT.len();
    digits.parse::<u64>().map_or(0, |count| count.saturating_sub(line as u64))
}

/// Where the last whole line ends, unless most would be lost.
fn end_of_lines(head: &[u8]) -> usize {
    let end = head.iter().rposition(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    if end * 2 < head.len() { head.len() } else { end }
}

/// Where the first whole line begins, unless most would be lost.
fn start_of_line(tail: &[u8]) -> usize {
    let start = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if start * 2 > tail.len() { 0 } else { start }
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

    #[test]
    fn no_line_is_cut_in_two_and_all_that_is_left_out_is_counted() {
        let numbers: String = (100..200).map(|number| format!("{number}\n")).collect();
        let mut kept = Kept::at_most(42);
        kept.push(numbers.as_bytes());
        let once = kept.into_bytes();
        let text = String::from_utf8(once.clone()).unwrap();
        assert!(text.contains("109\n… 320 bytes left out …\n190\n"), "{text}");
        let twice = String::from_utf8(shortened(&once, 10, 10)).unwrap();
        assert_eq!(twice, "100\n101\n… 384 bytes left out …\n198\n199\n");
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
