//! The parsers of what others write, in one table: `fuzz/` feeds them anything, and a test feeds them the seeds of `fuzz/seeds`,
//! so that what once broke one is tried ever after. Only for these two.

use crate::model::event::Event;
use crate::system::pretend::Empty;
use crate::wire::{Frames, MARKER};
use std::collections::BTreeMap;

/// A parser by name. It may refuse what it is given; it must not panic, and must end.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub const PARSERS: [Parser; 23] = [
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
    use std::path::Path;

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
