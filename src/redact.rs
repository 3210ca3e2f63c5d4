//! Takes secrets out of texts before anything is stored or shown, in the forms in which they usually turn up, and the
//! passwords of any URL. The controller does so with all that it records and shows, a host with what it
//! keeps of a run.

mod beginnings;
mod forms;

use crate::model::backup::Said;
use crate::model::event::{Event, Output, Printed, StepEnded, UndoScope};
use crate::model::finding::Finding;
use crate::model::play::Given;
use crate::model::{Failure, Value, Values};
use std::collections::{BTreeMap, BTreeSet};

pub use forms::all as secret_forms;

/// Stands where a secret was.
pub const MASK: &str = "***";

/// A secret shorter than this, in characters, is not looked for: it is too common a text to be hidden.
pub const SHORTEST: usize = 4;

/// A secret of which a text was cut off is hidden when so much of it is left, in bytes.
const SHORTEST_REST: usize = 4;

/// What says that something is left out of a text.
const CUTS: [&[u8]; 3] = ["\n… ".as_bytes(), " bytes left out …\n".as_bytes(), " … (cut)".as_bytes()];

/// So many cuts in one text are looked at; windlass itself makes one or two.
const CUTS_LOOKED_AT: usize = 16;

/// A form of a secret at least this long, in bytes, is also looked for over line breaks, as base64 is wrapped.
const SHORTEST_WRAPPED: usize = 8;

/// Ends the part of a URL that may hold a login.
const ENDS_AUTHORITY: &[u8] = b"/?#\"'`<>|\\";

/// Knows a run's secrets, and replaces them by [`MASK`].
#[derive(Clone, Default)]
pub struct Redactor {
    /// Every form of every secret, by its first byte; none is empty.
    needles: BTreeMap<u8, Vec<Vec<u8>>>,
}

/// The margins that lines may have over which a form is wrapped.
const MARGINS: [&[u8]; 5] = [b"", b"+", b"-", b">", b"#"];

impl Redactor {
    /// Knows these secrets. A secret with several lines is also looked for line by line.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let long = |secret: &S| secret.as_ref().chars().count() >= SHORTEST;
        let forms: BTreeSet<Vec<u8>> =
            secrets.into_iter().filter(long).flat_map(|secret| forms::all(secret.as_ref())).collect();
        let mut needles: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
        forms.into_iter().for_each(|form| needles.entry(form[0]).or_default().push(form));
        Redactor { needles }
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The bytes without secrets. All matches are found first, so that overlapping secrets are hidden whole.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let hidden = merged(self.matches(bytes));
        let mut clean = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for (start, end) in hidden {
            clean.extend_from_slice(&bytes[from..start]);
            clean.extend_from_slice(MASK.as_bytes());
            from = end;
        }
        clean.extend_from_slice(&bytes[from..]);
        clean
    }

    /// What a host says, without secrets.
    pub fn said(&self, event: Event) -> Event {
        match event {
            Event::StepStarted { step, item, name } => {
                Event::StepStarted { step, item, name: self.text(&name) }
            }
            Event::StepBackground { step, name } => Event::StepBackground { step, name: self.text(&name) },
            Event::AwaitsConsent { step, name } => Event::AwaitsConsent { step, name: self.text(&name) },
            Event::Progress { step, text } => Event::Progress { step, text: self.text(&text) },
            Event::Printed(printed) => {
                Event::Printed(Printed { chunk: self.bytes(&printed.chunk), ..printed })
            }
            Event::StepEnded(step) => Event::StepEnded(self.step(step)),
            Event::Note(note) => Event::Note(self.text(&note)),
            Event::Settled { run, outcome, steps } => Event::Settled {
                run,
                outcome,
                steps: steps.into_iter().map(|step| self.step(step)).collect(),
            },
            Event::Finished { nonce, outcome, failure } => {
                Event::Finished { nonce, outcome, failure: failure.map(|failure| self.failure(failure)) }
            }
            Event::Fetched { to, size, chunk, last } => {
                Event::Fetched { to, size, chunk: self.bytes(&chunk), last }
            }
            // What is in a backup is nobody's to read, and never comes here.
            Event::Backup { request, step, .. } => Event::Backup { request, step, said: Said::GivenUp },
            // Nor is the result of a step that hosts wait for: what is shown of it is in its end.
            Event::RanOnce { step, .. } | Event::Delegates { step, .. } => Event::AwaitsOnce { step },
            Event::RanDelegated { .. } => Event::Alive,
            Event::AwaitsPlay { play, .. } => Event::AwaitsPlay { play, given: Given::new() },
            Event::Gave(_) => Event::Gave(Given::new()),
            event @ (Event::Hello(_)
            | Event::AwaitsOnce { .. }
            | Event::AwaitsOthers { .. }
            | Event::At(_)
            | Event::Need { .. }
            | Event::Confirm { .. }
            | Event::Alive
            | Event::Booting(_)) => event,
        }
    }

    /// The end of a step without secrets.
    pub fn step(&self, step: StepEnded) -> StepEnded {
        let texts = |list: Vec<String>| list.iter().map(|text| self.text(text)).collect();
        StepEnded {
            name: self.text(&step.name),
            changes: texts(step.changes),
            diff: step.diff.map(|diff| self.text(&diff)),
            output: step.output.map(|output| self.output(output)),
            notes: texts(step.notes),
            findings: step.findings.into_iter().map(|finding| self.finding(finding)).collect(),
            failure: step.failure.map(|failure| self.failure(failure)),
            undo: UndoScope { not: texts(step.undo.not), ..step.undo },
            ..step
        }
    }

    fn output(&self, output: Output) -> Output {
        Output { stdout: self.bytes(&output.stdout), stderr: self.bytes(&output.stderr), ..output }
    }

    /// The failure without secrets.
    pub fn failure(&self, failure: Failure) -> Failure {
        Failure {
            doing: self.text(&failure.doing),
            why: self.text(&failure.why),
            hint: failure.hint.map(|hint| self.text(&hint)),
        }
    }

    fn finding(&self, finding: Finding) -> Finding {
        let text = |text: Option<String>| text.map(|text| self.text(&text));
        Finding {
            group: self.text(&finding.group),
            what: self.text(&finding.what),
            verdict: finding.verdict,
            seen: self.text(&finding.seen),
            cell: text(finding.cell),
            wanted: text(finding.wanted),
            hint: text(finding.hint),
            details: self.values(finding.details),
        }
    }

    /// The values without secrets.
    pub fn values(&self, values: Values) -> Values {
        values.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect()
    }

    /// Numbers and booleans that print as a secret does are replaced as well.
    fn value(&self, value: Value) -> Value {
        match value {
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(map) => Value::Object(self.values(map)),
            Value::String(text) => Value::String(self.text(&text)),
            scalar => {
                let shown = scalar.to_string();
                let clean = self.text(&shown);
                if clean == shown { scalar } else { Value::String(clean) }
            }
        }
    }

    /// Where secrets stand, each from its first byte to the one behind its last; the places may overlap.
    pub fn matches(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = self.whole(bytes, 1);
        found.extend(passwords_of_urls(bytes));
        if !self.needles.is_empty() {
            found.extend(self.wrapped(bytes));
            found.extend(self.cut(bytes));
        }
        found
    }

    /// Where forms of at least this length stand.
    fn whole(&self, bytes: &[u8], shortest: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (start, first) in bytes.iter().enumerate() {
            let needles = self.needles.get(first).into_iter().flatten();
            let matching =
                needles.filter(|needle| needle.len() >= shortest && bytes[start..].starts_with(needle));
            found.extend(matching.map(|needle| (start, start + needle.len())));
        }
        found
    }

    /// Where forms stand over several lines, which may be indented, quoted, or lines of a diff.
    fn wrapped(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        if !bytes.contains(&b'\n') {
            return Vec::new();
        }
        let mut found = Vec::new();
        for margin in MARGINS {
            let places = unwrapped(bytes, margin);
            let text: Vec<u8> = places.iter().map(|place| bytes[*place]).collect();
            let matching = self.whole(&text, SHORTEST_WRAPPED);
            found.extend(matching.into_iter().map(|(start, end)| (places[start], places[end - 1] + 1)));
        }
        found
    }

    /// Where the beginning of a form ends in a cut, or the end of one follows a cut. The ends of a text count as cuts where
    /// at least half of a form is left.
    fn cut(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let needles = || self.needles.values().flatten();
        for cut in CUTS {
            for at in positions(bytes, cut).into_iter().take(CUTS_LOOKED_AT) {
                found.extend(
                    needles().filter_map(|needle| ends_with_start(&bytes[..at], needle, SHORTEST_REST)),
                );
                let after = at + cut.len();
                let rest =
                    needles().filter_map(|needle| starts_with_end(&bytes[after..], needle, SHORTEST_REST));
                found.extend(rest.map(|length| (after, after + length)));
            }
        }
        let half = |needle: &Vec<u8>| SHORTEST_WRAPPED.max(needle.len().div_ceil(2));
        let trimmed = bytes.trim_ascii_end();
        found.extend(needles().filter_map(|needle| ends_with_start(trimmed, needle, half(needle))));
        let starting = needles().filter_map(|needle| starts_with_end(bytes, needle, half(needle)));
        found.extend(starting.map(|length| (0, length)));
        found
    }
}

/// Those of the secrets that are in a value, in any form.
pub fn contained(secrets: &[String], value: &impl serde::Serialize) -> Vec<String> {
    let text = serde_json::to_string(value).unwrap_or_default();
    // The passwords of URLs are hidden whatever the secrets are.
    let without = Redactor::default().text(&text);
    let is_in = |secret: &&String| Redactor::new([secret]).text(&text) != without;
    secrets.iter().filter(is_in).cloned().collect()
}

/// The longest beginning of `needle`, of at least `shortest` bytes, with which `bytes` ends.
fn ends_with_start(bytes: &[u8], needle: &[u8], shortest: usize) -> Option<(usize, usize)> {
    let mut lengths = (shortest..needle.len().min(bytes.len() + 1)).rev();
    let length = lengths.find(|length| bytes.ends_with(&needle[..*length]))?;
    Some((bytes.len() - length, bytes.len()))
}

/// The length of the longest end of `needle`, of at least `shortest` bytes, with which `bytes` starts.
fn starts_with_end(bytes: &[u8], needle: &[u8], shortest: usize) -> Option<usize> {
    let mut lengths = (shortest..needle.len().min(bytes.len() + 1)).rev();
    lengths.find(|length| bytes.starts_with(&needle[needle.len() - length..]))
}

fn positions(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(text.len()).enumerate();
    windows.filter(|(_, window)| *window == text).map(|(at, _)| at).collect()
}

/// The places of all bytes that are neither line breaks nor blanks and one margin at the start of a line.
fn unwrapped(bytes: &[u8], margin: &[u8]) -> Vec<usize> {
    let mut places = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'\n' | b'\r') {
            at += 1;
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            at += bytes[at..].iter().take_while(|byte| blank(byte)).count();
            if !margin.is_empty() && bytes[at..].starts_with(margin) {
                at += margin.len();
                at += bytes[at..].iter().take_while(|byte| blank(byte)).count();
            }
            continue;
        }
        places.push(at);
        at += 1;
    }
    places
}

/// Where the passwords of URLs stand: `scheme://user:PASSWORD@host`. No variable needs to be a secret for that.
fn passwords_of_urls(bytes: &[u8]) -> Vec<(usize, usize)> {
    let starts = bytes.windows(3).enumerate().filter(|(_, window)| window == b"://").map(|(at, _)| at + 3);
    starts.filter_map(|start| password_at(bytes, start)).collect()
}

fn password_at(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || ENDS_AUTHORITY.contains(byte);
    let authority = bytes[start..].split(ends).next()?;
    let end = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..end].iter().position(|byte| *byte == b':')?;
    (colon + 1 < end).then_some((start + colon + 1, start + end))
}

/// Sorted ranges without overlaps.
pub fn merged(mut ranges: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redacted(secret: &str, text: &str) -> String {
        Redactor::new([secret]).text(text)
    }

    #[test]
    fn hides_a_secret_as_it_is() {
        assert_eq!(redacted("hunter2", "login with hunter2: denied"), "login with ***: denied");
    }

    #[test]
    fn hides_base64_at_every_alignment() {
        assert_eq!(redacted("hunter2-hunter2", "aHVudGVyMi1odW50ZXIy"), "***");
        // `user:hunter2-hunter2`, as in an Authorization header.
        assert!(!redacted("hunter2-hunter2", "Basic dXNlcjpodW50ZXIyLWh1bnRlcjI=").contains("1bnRlcj"));
    }

    #[test]
    fn hides_base64_that_is_wrapped() {
        let key =
            "correct horse battery staple, and a few more words so that it takes several lines of base64";
        let encoded = "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSwgYW5kIGEgZmV3IG1vcmUgd29yZHMgc28gdGhhdCBpdCB0YWtlcyBzZXZlcmFsIGxpbmVzIG9mIGJhc2U2NA==";
        for (wrap, margin) in [(64, ""), (76, ""), (40, "  "), (64, "+"), (64, "-"), (76, "> ")] {
            let lines: Vec<String> = encoded
                .as_bytes()
                .chunks(wrap)
                .map(|line| format!("{margin}{}", String::from_utf8_lossy(line)))
                .collect();
            let clean = redacted(key, &format!("key:\n{}\nend", lines.join("\n")));
            assert!(
                !clean.contains("Y29y") && !clean.contains("c3RhcGxl") && !clean.contains("bGluZXM"),
                "{clean}"
            );
            assert!(clean.starts_with("key:") && clean.ends_with("end"), "{clean}");
        }
    }

    #[test]
    fn hides_what_a_cut_left_of_a_secret() {
        let secret = "hunter2-hunter2-hunter2";
        for (text, clean) in [
            (
                "it is hunter2-hun\n… 70 bytes left out …\nnter2 or so",
                "it is ***\n… 70 bytes left out …\n*** or so",
            ),
            ("it is hunter2-hu … (cut)", "it is *** … (cut)"),
            ("it is hunter2-hunte\n", "it is ***\n"),
            ("r2-hunter2-hunter2 it is", "*** it is"),
            ("a hunter", "a hunter"),
        ] {
            assert_eq!(redacted(secret, text), clean);
        }
    }

    #[test]
    fn a_secret_that_is_too_short_is_not_looked_for() {
        assert_eq!(redacted("abc", "abc abc"), "abc abc");
        assert_eq!(redacted("abcd", "abcd"), "***");
    }

    #[test]
    fn hides_escaped_forms() {
        assert_eq!(redacted("a/b c\"d'", r#"x=a%2Fb%20c%22d%27"#), "x=***");
        assert_eq!(redacted("a/b c\"d'", r#"{"x":"a/b c\"d'"}"#), r#"{"x":"***"}"#);
        assert_eq!(redacted("it's", r"echo 'it'\''s'"), r"echo '***'");
    }

    #[test]
    fn hides_the_lines_of_a_key_one_by_one() {
        let key = "-----BEGIN-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END-----\n";
        assert_eq!(redacted(key, "+MIIEvQIBADANBg\n+kqhkiG9w0BAQEF\n"), "+***\n+***\n");
    }

    #[test]
    fn passwords_of_urls_are_hidden_whoever_wrote_them() {
        let shown = |text: &str| Redactor::default().text(text);
        for (text, clean) in [
            ("x postgres://app:pw@db/app y", "x postgres://app:***@db/app y"),
            (
                "{\"a\":\"mysql://r:p%40@h\",\"b\":\"redis://:pw@h\"}",
                "{\"a\":\"mysql://r:***@h\",\"b\":\"redis://:***@h\"}",
            ),
            ("https://u:a:b@c@host/?x=y:z@w", "https://u:***@host/?x=y:z@w"),
            ("https://host:80/a:b@c", "https://host:80/a:b@c"),
            ("https://user@host https://u:@h", "https://user@host https://u:@h"),
            ("see http://a:1 and b@c", "see http://a:1 and b@c"),
        ] {
            assert_eq!(shown(text), clean);
        }
    }

    #[test]
    fn the_secrets_in_a_value_are_found() {
        let secrets = ["hunter2-x", "another", "abc"].map(str::to_string);
        let of = |value| contained(&secrets, &value).join(" ");
        assert_eq!(of(serde_json::json!({ "a": ["x", { "b": "is hunter2-x" }], "c": "abc" })), "hunter2-x");
        assert_eq!(of(serde_json::json!("aHVudGVyMi14")), "hunter2-x");
        assert_eq!(of(serde_json::json!("postgres://u:p@h")), "");
    }

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        assert_eq!(Redactor::new(["abcd", "cdef"]).text("xabcdefx"), "x***x");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert_eq!(redacted("", "as it was"), "as it was");
    }

    #[test]
    fn names_of_values_are_texts_too() {
        let values = serde_json::json!({ "a": { "hunter2": 1 } });
        let Value::Object(values) = values else { unreachable!("it is written as an object above") };
        let clean = Redactor::new(["hunter2"]).values(values);
        assert_eq!(Value::Object(clean).to_string(), r#"{"a":{"***":1}}"#);
    }

    #[test]
    fn numbers_are_values_too() {
        let params = serde_json::json!({ "pin": 4711, "port": 80 });
        let Value::Object(params) = params else { unreachable!("it is written as an object above") };
        let clean = Redactor::new(["4711"]).values(params);
        assert_eq!(Value::Object(clean).to_string(), r#"{"pin":"***","port":80}"#);
    }

    proptest! {
        /// Neither the secret nor its encodings survive in any text around it. A secret that holds a `*` could be
        /// made of the mask itself, which says nothing.
        #[test]
        fn a_secret_never_survives(
            before in "\\PC{0,20}", after in "\\PC{0,20}", secret in "[^*\\p{Cc}]{4,24}", other in "[^*\\p{Cc}]{4,8}",
        ) {
            let redactor = Redactor::new([&secret, &other]);
            for form in forms::all(&secret) {
                let form = String::from_utf8_lossy(&form).into_owned();
                let clean = redactor.text(&format!("{before}{form}{after}{form}{other}"));
                prop_assert!(!clean.contains(&secret), "{clean:?} holds {secret:?}");
                prop_assert!(!clean.contains(&form), "{clean:?} holds {form:?}");
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, secrets in proptest::collection::vec("\\PC{0,16}", 0..3)) {
            let _clean = Redactor::new(&secrets).bytes(&bytes);
        }
    }
}
