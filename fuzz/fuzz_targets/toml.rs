//! Feeds anything to the parser `toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("toml", bytes));
