//! Feeds anything to the parser `ssh_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("ssh_config", bytes));
