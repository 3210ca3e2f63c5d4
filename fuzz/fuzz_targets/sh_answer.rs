//! Feeds anything to the parser `sh_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("sh_answer", bytes));
