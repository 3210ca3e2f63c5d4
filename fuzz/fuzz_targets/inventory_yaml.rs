//! Feeds anything to the parser `inventory_yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("inventory_yaml", bytes));
