//! The parsers of what others write, in one table: `fuzz/` feeds them anything, and a test feeds them the seeds of `fuzz/seeds`,
//! so that what once broke one is tried ever after. Only for these two.

use crate::model::event::Event;
use crate::system::pretend::Empty;
use crate::wire::{Frames, MARKER};
use std::collections::BTreeMap;
use std::path::Path;

/// A parser by name. It may refuse what it is given; it must not panic, and must end.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub const PARSERS: [Parser; 39] = [
    ("frame", frame),
    ("find_reply", |bytes| drop(crate::ssh::ship::bare(bytes))),
    ("listing", |bytes| drop(crate::system::shell::listing::parse(bytes, bytes))),
    ("tar_index", |bytes| drop(crate::store::index::each_entry(&mut &bytes[..], &mut |_| Ok(())))),
    ("sums", |bytes| drop(crate::store::sums::Sums::parse(&text(bytes)))),
    ("ini", ini),
    ("range", |bytes| drop(crate::inventory::name::expand(&text(bytes)))),
    ("pattern", |bytes| drop(crate::inventory::pattern::among(&text(bytes), &["web1", "web2", "db"]))),
    ("known_hosts", |bytes| crate::ssh::known_hosts::parse_any(&text(bytes))),
    ("expression", expression),
    ("template", template),
    ("toml", |bytes| drop(crate::source::Node::parse(&crate::source::Source::new("x.toml", text(bytes))))),
    ("cron", |bytes| drop(crate::schedule::cron::Cron::parse(&text(bytes)))),
    ("nginx", |bytes| {
        drop(crate::nginx::Configuration::of(&Empty, &"/etc/nginx/nginx.conf".into(), bytes));
    }),
    ("sql_postgres", |bytes| drop(crate::sql::split::split(crate::sql::Dialect::Postgres, &text(bytes)))),
    ("sql_mysql", |bytes| drop(crate::sql::split::split(crate::sql::Dialect::MySql, &text(bytes)))),
    ("sh_answer", crate::system::shell::wire::answer_any),
    ("manifest", manifest),
    ("inventory_json", inventory_json),
    ("inventory_yaml", inventory_yaml),
    ("ssh_config", |bytes| crate::ssh::config::lines_any(&text(bytes))),
    ("compose", |bytes| crate::step::read_any_compose(&text(bytes))),
    ("dotenv", |bytes| drop(crate::audit::dotenv::read(&text(bytes)))),
    ("handed_on", handed_on),
    ("printed", printed),
    ("redacted", redacted),
    ("secrets_file", |bytes| drop(crate::secrets::Document::parse(&text(bytes)))),
    ("recipients", |bytes| {
        drop(crate::secrets::Recipients::parse(&text(bytes).lines().map(str::to_string).collect::<Vec<_>>()))
    }),
    ("revoked", |bytes| crate::ssh::read_any_revoked(bytes)),
    ("schedules", schedules),
    ("plan_file", |bytes| drop(serde_json::from_slice::<crate::saved_plan::SavedPlan>(bytes))),
    ("sql_url", |bytes| drop(crate::sql::url::Database::try_from(text(bytes)))),
    ("sql_answer", sql_answer),
    ("fstab", |bytes| text(bytes).lines().for_each(|line| drop(crate::fstab::Entry::of(line)))),
    ("ports", |bytes| crate::step::read_any_ports(&text(bytes))),
    ("yaml", yaml),
    ("words", words),
    ("javascript", javascript),
    ("escaped", escaped),
];

/// Feeds the parser of this name.
pub fn feed(name: &str, bytes: &[u8]) {
    if let Some((_, parser)) = PARSERS.iter().find(|(known, _)| *known == name) {
        parser(bytes);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn frame(bytes: &[u8]) {
    let mut frames = Frames::of_host();
    frames.push(MARKER);
    frames.push(&(bytes.len() as u32).to_be_bytes());
    frames.push(bytes);
    if let Ok(Some(event)) = frames.take::<Event>() {
        drop(crate::model::bounds::fitted(event));
    }
}

fn ini(bytes: &[u8]) {
    let mut problems = crate::diagnostic::Diagnostics::default();
    drop(crate::inventory::ansible::ini::read(
        "x",
        &crate::source::Source::new("x", text(bytes)),
        &mut problems,
    ));
}

fn manifest(bytes: &[u8]) {
    let place = crate::store::BackupPath::of("web", "n", "20261121T084500Z-web-n-kxqz");
    place.into_iter().for_each(|place| drop(crate::store::Manifest::parse(&text(bytes), &place)));
}

/// The parts between zero bytes.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split(|byte| *byte == 0).collect()
}

/// What a host gives other hosts.
fn handed_on(bytes: &[u8]) {
    let Ok(values) = serde_json::from_slice::<crate::model::Values>(bytes) else { return };
    let given = values.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let set: BTreeMap<_, _> = given.collect();
    drop(crate::model::play::taken(set.clone(), &["a".to_string(), "known".to_string()]));
    let outcome = crate::model::outcome::StepOutcome::Ok;
    let ended = crate::model::once::OnceEnded {
        outcome,
        failure: None,
        known: values,
        partial: false,
        set,
        secrets: Vec::new(),
    };
    drop(ended.taken(&["a".to_string()].into()));
}

/// Pieces of output, in which a secret may be.
fn printed(bytes: &[u8]) {
    use crate::model::event::{Printed, Stream};
    use crate::model::run::{HostEvent, RunEvent};
    let redactor = crate::redact::Redactor::new(["hunter2-hunter2", "aaaa"]);
    let mut lines = crate::record::Lines::default();
    let mut shown = Vec::new();
    for piece in parts(bytes) {
        let printed = Printed { step: 0, stream: Stream::Stdout, left_out: 0, chunk: piece.to_vec() };
        let event = RunEvent::of_host("a", HostEvent::Said(Event::Printed(printed)));
        for event in lines.take(&redactor, event) {
            if let crate::model::run::RunEventKind::Host {
                event: HostEvent::Said(Event::Printed(printed)),
                ..
            } = &event.what
            {
                shown.extend_from_slice(&printed.chunk);
            }
        }
    }
    assert!(!shown.windows(15).any(|window| window == b"hunter2-hunter2"), "a secret is shown");
}

/// A text, and what is a secret in it, before the first zero byte.
fn redacted(bytes: &[u8]) {
    let [secret, texts @ ..] = &parts(bytes)[..] else { return };
    let secret = text(secret);
    let redactor = crate::redact::Redactor::new([&secret]);
    for text in texts {
        let clean = redactor.bytes(text);
        // One that holds a `*` could be made of the mask itself.
        let is_hidden = secret.chars().count() >= crate::redact::SHORTEST && !secret.contains('*');
        let is_there = clean.windows(secret.len().max(1)).any(|window| window == secret.as_bytes());
        assert!(!(is_hidden && is_there), "a secret is shown");
    }
}

fn schedules(bytes: &[u8]) {
    let Ok(node) = crate::source::Node::parse(&crate::source::Source::new("windlass.toml", text(bytes)))
    else {
        return;
    };
    let mut problems = crate::diagnostic::Diagnostics::default();
    let channels = crate::schedule::config::channels(&node, &mut problems);
    drop(crate::schedule::config::schedules(&node, &channels, &mut problems));
}

fn sql_answer(bytes: &[u8]) {
    use crate::sql::Dialect;
    use crate::sql::answer::{Rows, ServerError, bare};
    for dialect in [Dialect::Postgres, Dialect::MySql] {
        let total = bytes.len() as u64;
        let (stdout, stderr) = (bytes.to_vec(), bytes.to_vec());
        let answer = crate::model::op::Answer { status: 0, stdout, stderr, total };
        drop(Rows::headed(dialect, &answer));
        drop(bare(dialect, &answer));
        drop(ServerError::read(dialect, &answer));
    }
}

fn yaml(bytes: &[u8]) {
    let mut problems = crate::diagnostic::Diagnostics::default();
    drop(crate::yaml::parse(&crate::source::Source::new("x.yml", text(bytes)), &mut problems));
}

/// Short texts with a syntax of their own.
fn words(bytes: &[u8]) {
    let text = text(bytes);
    drop(crate::model::duration::TimeSpan::parse(&text));
    drop(crate::model::mode::Mode::parse(&text));
    drop(crate::model::size::Size::parse(&text));
    drop(crate::model::pattern::Pattern::parse(&text));
    drop(text.parse::<crate::model::run::Scheduled>());
}

fn javascript(bytes: &[u8]) {
    use crate::javascript::{import, parse, variables};
    let text = text(bytes);
    for name in ["x.ts", "x.jsx", "x.vue"] {
        drop(parse::each(Path::new(name), &text, |program, lines| {
            drop(import::of(program, lines));
            drop(variables::of(program, lines));
        }));
    }
}

fn escaped(bytes: &[u8]) {
    use crate::report::escape;
    let is_harmless =
        |text: &str| text.chars().all(|character| escape::harmless(character) || character == '\t');
    let json = escape::json(serde_json::json!({ "text": text(bytes) }).to_string());
    assert!(
        is_harmless(&escape::bytes(bytes)) && is_harmless(&escape::line(&text(bytes))) && is_harmless(&json)
    );
}

fn inventory_json(bytes: &[u8]) {
    let mut problems = crate::diagnostic::Diagnostics::default();
    drop(crate::inventory::ansible::printed("x", "x", &text(bytes), &mut problems));
}

fn inventory_yaml(bytes: &[u8]) {
    let mut problems = crate::diagnostic::Diagnostics::default();
    drop(crate::inventory::ansible::yaml(
        "x",
        &crate::source::Source::new("x.yml", text(bytes)),
        &mut problems,
    ));
}

fn expression(bytes: &[u8]) {
    let templates = crate::template::Templates::new(&BTreeMap::new());
    drop(templates.expression(&text(bytes), &context()));
}

fn template(bytes: &[u8]) {
    let templates = crate::template::Templates::new(&BTreeMap::new());
    drop(templates.text(&text(bytes), &context()));
}

fn context() -> crate::model::Values {
    crate::model::Values::from_iter([("a".to_string(), 1.into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seeds_are_parsed_or_refused() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let mut fed = 0;
        for (name, parser) in PARSERS {
            for seed in std::fs::read_dir(seeds.join(name)).into_iter().flatten() {
                parser(&std::fs::read(seed.unwrap().path()).unwrap());
                fed += 1;
            }
            for bytes in
                [&b""[..], b"\0", b"\xff\xff\xff\xff", &[b'('; 5_000], &[b'['; 5_000], &[b'.'; 5_000]]
            {
                parser(bytes);
            }
        }
        assert!(fed >= PARSERS.len(), "each parser has a seed: {fed}");
    }

    /// Numbers that look random, the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end.max(1) as u64) as usize
        }
    }

    /// One text with pieces of another, with pieces twice, without pieces, and with other bytes.
    fn mutated(numbers: &mut Numbers, one: &[u8], other: &[u8]) -> Vec<u8> {
        const BYTES: &[u8] = b"\0\xff\x7f\x80\n\r\t \"'\\(){}[]<>:;,.=*?!-+%$#@|&/0189azAZ\xdd\xc0\xdf";
        let mut bytes = one.to_vec();
        for _ in 0..=numbers.below(8) {
            let at = numbers.below(bytes.len() + 1);
            let most = 1 << numbers.below(8);
            let length = numbers.below(most);
            let until = (at + length).min(bytes.len());
            match numbers.below(5) {
                0 => drop(bytes.drain(at..until)),
                1 => bytes.insert(at, BYTES[numbers.below(BYTES.len())]),
                2 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
                3 => {
                    let piece = bytes[at..until].repeat(1 + numbers.below(4));
                    drop(bytes.splice(at..at, piece));
                }
                _ => {
                    let from = numbers.below(other.len() + 1);
                    let piece = other[from..(from + length).min(other.len())].to_vec();
                    drop(bytes.splice(at..at, piece));
                }
            }
        }
        bytes.truncate(1 << 16);
        bytes
    }

    /// So many of each parser, or as many as `WINDLASS_FUZZ_SECONDS` leaves time for.
    #[test]
    fn mutations_of_the_seeds_are_parsed_or_refused() {
        let seconds = std::env::var("WINDLASS_FUZZ_SECONDS").map_or(0, |text| text.parse().unwrap());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let mut broken = Vec::new();
        for (name, parser) in PARSERS {
            let seeds = std::fs::read_dir(root.join("seeds").join(name)).unwrap();
            let mut texts: Vec<Vec<u8>> =
                seeds.map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect();
            let (began, mut fed) = (std::time::Instant::now(), 0);
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
            while fed < 100 || began.elapsed().as_secs() < seconds {
                let [one, other] = [0, 0].map(|_| numbers.below(texts.len()));
                let bytes = mutated(&mut numbers, &texts[one], &texts[other]);
                let once = std::time::Instant::now();
                let is_parsed = std::panic::catch_unwind(|| parser(&bytes)).is_ok();
                if !is_parsed || once.elapsed().as_secs() >= 10 {
                    let folder = root.join("artifacts").join(name);
                    std::fs::create_dir_all(&folder).unwrap();
                    let path = folder.join(crate::model::digest::Digest::of(&bytes).as_str());
                    std::fs::write(&path, &bytes).unwrap();
                    broken.push(path.display().to_string());
                }
                fed += 1;
                // What is parsed at length is worth going on from.
                if texts.len() < 2_000 && numbers.below(16) == 0 {
                    texts.push(bytes);
                }
            }
            println!("{name}: {fed} texts");
        }
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn anything_is_parsed_or_refused(bytes: Vec<u8>, words in "[a-z0-9 =.,:;{}()\\[\\]\"'|%$#@!*/\\\\\n-]{0,200}") {
            for (_, parser) in PARSERS {
                parser(&bytes);
                parser(words.as_bytes());
            }
        }
    }
}
