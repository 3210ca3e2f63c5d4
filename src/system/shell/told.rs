//! What the script and the host's programs say when something does not work.

use super::location::HAS_LINKS;
use super::wire::Reply;
use crate::model::Failure;
use crate::system::reason::{because, lowered};
use crate::system::too_large;

/// The script's own statuses, named at its beginning.
const WRONG_KIND: i32 = 90;
const TOO_LARGE: i32 = 91;

/// The host has no program for it.
pub const NO_MEANS: i32 = 92;

/// Somebody else has the lock.
pub const HELD: i32 = 93;

/// Whether it failed because there is nothing at the path.
pub fn is_absent(reply: &Reply) -> bool {
    matches!(words(&reply.errors).as_str(), "no such file or directory" | "not a directory")
}

/// Why the script refused.
pub fn refused(doing: &str, reply: &Reply) -> Failure {
    match reply.status {
        WRONG_KIND => Failure::new(doing, "something else than a file is there"),
        TOO_LARGE => too_large(doing),
        HAS_LINKS => Failure::new(doing, "another process there put a link in its way meanwhile"),
        status if reply.errors.trim().is_empty() => {
            Failure::new(doing, format!("the shell there gave status {status} and no reason"))
        }
        _ => because(doing, &words(&reply.errors)),
    }
}

/// The system's own words at the end of what programs print: `mv: cannot move 'a' to 'b': No space left on device`.
fn words(errors: &str) -> String {
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match last_part(last).as_str() {
        // How dash and busybox put it when a redirection fails.
        "no such file" | "directory nonexistent" | "nonexistent directory" => {
            "no such file or directory".into()
        }
        other => other.to_string(),
    }
}

/// What follows the last colon of a message.
pub fn last_part(line: &str) -> String {
    lowered(line.rsplit(": ").next().unwrap_or(line).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_systems_words_in_what_programs_print() {
        let full = "mv: warning\nmv: cannot move 'a: b' to './c': No space left on device\n";
        assert_eq!(words(full), "no space left on device");
        assert_eq!(
            words("sh: 33: eval: cannot create ./a: Directory nonexistent"),
            "no such file or directory"
        );
        assert_eq!(words("ash: can't open /x\ny: no such file"), "no such file or directory");
    }
}
