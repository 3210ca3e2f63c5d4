//! Feeds anything to the parser that `WINDLASS_FUZZ` names. One program for all of them: each takes minutes to link.
#![no_main]

use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| {
    let name = std::env::var("WINDLASS_FUZZ").unwrap_or_default();
    let is_known = windlass::fuzzing::PARSERS.iter().any(|(known, _)| *known == name);
    assert!(is_known, "name a parser of src/fuzzing.rs: WINDLASS_FUZZ=cron");
    name
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed(&NAME, bytes));
