//! Feeds anything to the parser `sums`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("sums", bytes));
