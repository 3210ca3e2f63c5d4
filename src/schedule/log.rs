//! Lines of a service's log, on standard error.

use std::io::Write;

/// Writes a line, with the time where no journal adds it.
pub fn say(line: &str) {
    let line = crate::report::escape::line(line);
    let now = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => String::new(),
        None => jiff::Zoned::now().strftime("%F %T ").to_string(),
    };
    // A log that nobody takes must not end the service.
    let _taken_or_not = writeln!(std::io::stderr(), "{now}{line}");
}
