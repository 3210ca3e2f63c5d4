//! Feeds anything to the parser `find_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("find_reply", bytes));
