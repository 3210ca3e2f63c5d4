//! Where secrets may begin of which only the first part has come.

use super::{MARGINS, Redactor, SHORTEST_WRAPPED, unwrapped};

impl Redactor {
    /// Where secrets may begin of which only the first part has come. `telling`: so much of one is needed where a line break
    /// follows.
    pub fn beginnings(&self, bytes: &[u8], telling: usize) -> Vec<usize> {
        let longest = self.needles.values().flatten().map(Vec::len).max().unwrap_or(0);
        if longest == 0 {
            return Vec::new();
        }
        // A form may be wrapped into lines, each with a margin.
        let from = bytes.len().saturating_sub(longest * 2 + 256);
        let tail = &bytes[from..];
        let is_over = tail.ends_with(b"\n") || tail.ends_with(b"\r");
        let same_line = || {
            let text: Vec<usize> = (0..tail.len()).collect();
            self.beginning(tail, &text, 1, 1)
        };
        let mut found: Vec<usize> = if is_over { Vec::new() } else { same_line().into_iter().collect() };
        for margin in MARGINS {
            let places = unwrapped(tail, margin);
            let least = if is_over { telling } else { 1 };
            found.extend(self.beginning(tail, &places, least, SHORTEST_WRAPPED));
        }
        found.into_iter().map(|start| from + start).collect()
    }

    /// The earliest place of `tail` from which on it is the beginning of a form, of at least so many bytes; `places` are those
    /// that count.
    fn beginning(&self, tail: &[u8], places: &[usize], least: usize, shortest: usize) -> Option<usize> {
        let text: Vec<u8> = places.iter().map(|place| tail[*place]).collect();
        let starts = (0..text.len()).filter(|start| text.len() - start >= least);
        let opens = |start: &usize| {
            let rest = &text[*start..];
            let forms = self.needles.get(&rest[0]).into_iter().flatten();
            forms
                .filter(|form| form.len() >= shortest)
                .any(|form| form.len() > rest.len() && form.starts_with(rest))
        };
        starts.into_iter().find(opens).map(|start| places[start])
    }
}
