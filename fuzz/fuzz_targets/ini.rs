//! Feeds anything to the parser `ini`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("ini", bytes));
