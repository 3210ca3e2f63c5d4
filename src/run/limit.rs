//! A number of hosts, or a share of them: `3` or `25%`.

use crate::model::{Failure, Result};
use std::str::FromStr;

/// A number of hosts, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Hosts(usize),
    /// So many of a hundred, rounded down.
    Percent(usize),
}

impl Limit {
    /// How many of `total` hosts that is.
    pub fn of(self, total: usize) -> usize {
        match self {
            Limit::Hosts(hosts) => hosts,
            Limit::Percent(percent) => total.saturating_mul(percent) / 100,
        }
    }
}

impl FromStr for Limit {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Failure::new(format!("read {text:?}"), "it is neither a number of hosts nor a share like 25%");
        match text.strip_suffix('%') {
            None => text.parse().map(Limit::Hosts).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Limit::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_shares() {
        assert_eq!("3".parse::<Limit>().unwrap().of(100), 3);
        assert_eq!("25%".parse::<Limit>().unwrap().of(10), 2);
        assert!("x".parse::<Limit>().is_err());
        assert!("101%".parse::<Limit>().is_err());
    }
}
