//! What a service takes over from elsewhere in the file, by a merge key (`<<: *base`) or by `extends`: its ports may stand
//! there.

use super::{Line, Unreadable, deeper, key_of, keys_at, value_of, wrong};

/// One can take over from another, but not without end.
const DEPTH: usize = 8;

/// The lines of a compose file, and its services.
pub struct File<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Its lines.
    pub lines: &'a [Line],
    /// Each service's lines, and the line of its key.
    pub services: &'a [(&'a [Line], Line)],
}

impl File<'_> {
    /// Where the ports of a service stand that has no `ports:` of its own; `None` when it has, or takes over none.
    pub fn ports_elsewhere(&self, body: &[Line]) -> Option<Unreadable> {
        if self.line(body, "ports").is_some() {
            return None;
        }
        let (name, line) = self.sources(body).into_iter().find(|(name, _)| self.brings_ports(name, DEPTH))?;
        Some(wrong(line, format!("its ports are those of {name}; give the service a list of its own first")))
    }

    /// What a mapping takes over: `*anchor` or the name of a service, each with the line that says so.
    fn sources(&self, body: &[Line]) -> Vec<(String, usize)> {
        let merged = self.line(body, "<<").map(|at| self.words(body, at)).unwrap_or_default();
        let merged = merged.into_iter().filter(|(word, _)| word.starts_with('*'));
        let extended = self.line(body, "extends").map(|at| self.words(body, at)).unwrap_or_default();
        // `service: base`, or the name alone; what stands in another file cannot be looked at.
        let elsewhere = extended.iter().any(|(word, _)| word == "file:");
        let services = extended.into_iter().filter(|(word, _)| !elsewhere && !word.ends_with(':'));
        merged.chain(services).collect()
    }

    /// The words of a key's value, on its line and below.
    fn words(&self, body: &[Line], at: usize) -> Vec<(String, usize)> {
        let line = body[at];
        let start = key_of(self.text, line).map_or(line.end, |(_, start)| start);
        let below = deeper(&body[at + 1..], line.indent)
            .iter()
            .map(|line| (&self.text[line.start..line.end], line.number));
        let texts = std::iter::once((value_of(self.text, line, start), line.number)).chain(below);
        let split = |text: &str| {
            text.split([' ', ',', '[', ']', '{', '}', '"', '\'']).map(str::to_string).collect::<Vec<_>>()
        };
        let words = texts.flat_map(|(text, number)| split(text).into_iter().map(move |word| (word, number)));
        words.filter(|(word, _)| !word.is_empty() && word != "-").collect()
    }

    fn brings_ports(&self, name: &str, depth: usize) -> bool {
        let body = match name.strip_prefix('*') {
            Some(anchor) => self.anchored(anchor),
            None => self.services.iter().find(|(_, key)| self.is_named(*key, name)).map(|(body, _)| *body),
        };
        let Some(body) = body.filter(|_| depth > 0) else { return false };
        self.line(body, "ports").is_some()
            || self.sources(body).iter().any(|(name, _)| self.brings_ports(name, depth - 1))
    }

    fn is_named(&self, key: Line, name: &str) -> bool {
        key_of(self.text, key).is_some_and(|(known, _)| known == name)
    }

    /// The lines of the mapping that has this anchor.
    fn anchored(&self, anchor: &str) -> Option<&[Line]> {
        let has_it = |line: &Line| {
            let value = key_of(self.text, *line).map(|(_, start)| &self.text[start..line.end]);
            let named = value.and_then(|value| value.strip_prefix('&'));
            named.is_some_and(|named| named.split_whitespace().next() == Some(anchor))
        };
        let at = self.lines.iter().position(has_it)?;
        Some(deeper(&self.lines[at + 1..], self.lines[at].indent))
    }

    /// The line of a key of a mapping, among its lines.
    fn line(&self, body: &[Line], key: &str) -> Option<usize> {
        keys_at(self.text, body, body.first()?.indent, key).first().copied()
    }
}
