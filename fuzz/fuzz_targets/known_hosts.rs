//! Feeds anything to the parser `known_hosts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("known_hosts", bytes));
