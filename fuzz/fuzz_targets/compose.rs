//! Feeds anything to the parser `compose`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("compose", bytes));
