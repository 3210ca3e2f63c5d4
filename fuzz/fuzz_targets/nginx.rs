//! Feeds anything to the parser `nginx`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("nginx", bytes));
