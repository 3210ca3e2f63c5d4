//! Feeds anything to the parser `sql_mysql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::feed("sql_mysql", bytes));
