//! Why the operating system refused something: its error in words, and what a person can try.

use crate::model::Failure;
use crate::model::failure;
pub use crate::model::failure::lowered;
use rustix::io::Errno;
use std::fmt::Display;

/// A failure while doing `doing` because of a system error.
pub fn refused(doing: impl Display, errno: Errno) -> Failure {
    because(doing, &words(errno))
}

/// A failure because of `why`, with a hint when these words are known.
pub fn because(doing: impl Display, why: &str) -> Failure {
    let failure = Failure::new(doing, why);
    match hint(why) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The error as people read it: `no space left on device`.
pub fn words(errno: Errno) -> String {
    plain(&std::io::Error::from(errno))
}

/// An error of the standard library without its number and capital letter.
pub fn plain(error: &std::io::Error) -> String {
    lowered(&failure::plain(&error.to_string()))
}

fn hint(why: &str) -> Option<&'static str> {
    let hint = match why {
        "no space left on device" => {
            "free space or inodes on that file system; `df -h` and `df -i` show which is short"
        }
        "device or resource busy" => {
            "something is mounted there: change it where it is mounted from, or unmount it first"
        }
        "disk quota exceeded" => {
            "raise the quota of the user who runs there, or remove what that user no longer needs"
        }
        "read-only file system" => {
            "remount it writable; a disk with errors is remounted read-only, `dmesg` shows why"
        }
        "permission denied" | "operation not permitted" => "run it with become, or as the owner",
        _ => return None,
    };
    Some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_the_error_and_what_to_try() {
        expect![[r#"
            write /etc/motd: no space left on device
              hint: free space or inodes on that file system; `df -h` and `df -i` show which is short"#]]
        .assert_eq(&refused("write /etc/motd", Errno::NOSPC).to_string());
        expect!["write /etc/motd: input/output error"]
            .assert_eq(&refused("write /etc/motd", Errno::IO).to_string());
    }
}
