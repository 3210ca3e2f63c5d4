//! Feeds anything to the parser `expression`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("expression", bytes));
