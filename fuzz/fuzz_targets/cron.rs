//! Feeds anything to the parser `cron`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("cron", bytes));
