//! What the keys of nginx's step kinds are when a playbook does not give them.

use crate::model::duration::TimeSpan;

/// Every status that is no failure of a server.
pub fn below_500() -> Vec<u16> {
    (200..500).collect()
}

/// How long an answer may take: a worker that starts needs a second or two.
pub fn ten_seconds() -> TimeSpan {
    TimeSpan::seconds(10)
}

/// The program, as it is found by `PATH`.
pub fn nginx() -> String {
    "nginx".to_string()
}
