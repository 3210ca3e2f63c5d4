//! Feeds anything to the parser `tar_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("tar_index", bytes));
