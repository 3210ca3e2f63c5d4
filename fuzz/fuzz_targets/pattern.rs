//! Feeds anything to the parser `pattern`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("pattern", bytes));
