//! Names for runs: their time and a few random letters, so that names sort by age and can be typed by their end.

use crate::model::job::RunId;
use jiff::Timestamp;
use rand::RngExt;

/// How many random letters: with four, two runs of one second meet once in 160,000.
const LETTERS: usize = 4;

/// Letters that cannot be taken for digits or for each other, and spell no words.
const ALPHABET: &[u8] = b"bcdfghjkmnpqrstvwxyz";

/// A new name, for example `20260314-150926-kxqz`. The time is UTC.
pub fn new(now: Timestamp) -> RunId {
    let mut random = rand::rng();
    let letters = (0..LETTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    named(now, &letters.collect::<String>())
}

fn named(now: Timestamp, letters: &str) -> RunId {
    let text = format!("{}-{letters}", now.strftime("%Y%m%d-%H%M%S"));
    // Digits, dashes and letters are all that a run's name may hold.
    RunId::try_from(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_time_and_letters() {
        let name = named(Timestamp::from_second(1_773_500_966).unwrap(), "kxqz");
        assert_eq!(name.as_str(), "20260314-150926-kxqz");
    }

    #[test]
    fn no_two_are_the_same() {
        let now = Timestamp::now();
        let names: std::collections::BTreeSet<RunId> = (0..10).map(|_| new(now)).collect();
        assert!(names.len() > 8);
    }
}
