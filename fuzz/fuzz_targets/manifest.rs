//! Feeds anything to the parser `manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("manifest", bytes));
