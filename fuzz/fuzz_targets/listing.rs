//! Feeds anything to the parser `listing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("listing", bytes));
