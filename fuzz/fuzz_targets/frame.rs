//! Feeds anything to the parser `frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("frame", bytes));
