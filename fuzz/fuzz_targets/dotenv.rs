//! Feeds anything to the parser `dotenv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("dotenv", bytes));
