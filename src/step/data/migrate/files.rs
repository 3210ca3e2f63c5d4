//! The files of migrations: which there are, in which order, and what each says of itself.

use crate::model::digest::Digest;
use crate::step::NamedText;
use std::cmp::Ordering;
use std::fmt;

/// The number that a file's name begins with, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its number.
    pub version: Version,
    /// As it is called in the directory.
    pub name: String,
    /// Its SQL.
    pub text: String,
    /// The digest of its text.
    pub checksum: String,
}

/// So many letters of a checksum are compared and shown: enough to notice any change, few enough for a long record.
pub const SHORT: usize = 12;

/// Lines with which other tools divide a file into what applies and what rolls back.
const DIVIDED: &[&str] = &["-- migrate:down", "-- +goose down", "-- +migrate down"];

/// A line that lets a file run outside of a transaction.
const ALONE: &str = "-- windlass: no-transaction";

impl Version {
    /// Reads a number as people write it: `7`, `007`.
    pub fn read(text: &str) -> Result<Version, String> {
        let fits = !text.is_empty() && text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_digit());
        match fits {
            true => Ok(Version(
                Some(text.trim_start_matches('0')).filter(|rest| !rest.is_empty()).unwrap_or("0").to_string(),
            )),
            false => Err(format!("{text:?} is not the number of a file")),
        }
    }

    /// As it is kept in the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Version {
    /// As numbers, however long they are.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl File {
    /// The migrations of a directory in their order. Files that are no SQL, and those that undo, are none.
    pub fn of(texts: &[NamedText]) -> Result<Vec<File>, String> {
        let ups = texts.iter().filter(|text| is_up(&text.name));
        let mut files = ups.map(File::read).collect::<Result<Vec<File>, String>>()?;
        files.sort_by(|one, other| one.version.cmp(&other.version));
        match files.windows(2).find(|pair| pair[0].version == pair[1].version) {
            Some(pair) => Err(format!("{} and {} have the same number", pair[0].name, pair[1].name)),
            None => Ok(files),
        }
    }

    fn read(text: &NamedText) -> Result<File, String> {
        let name = text.name.clone();
        let lines = || text.text.lines().map(|line| line.trim().to_lowercase());
        if lines().any(|line| DIVIDED.iter().any(|mark| line.starts_with(mark))) {
            return Err(format!(
                "{name} also holds the SQL that undoes it: put that part into a .down.sql file"
            ));
        }
        // Flyway's files begin with a V.
        let digits = name.strip_prefix('V').unwrap_or(&name);
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        let version = Version::read(&digits[..end]).map_err(|_| {
            format!("{name} does not begin with a number, so its place in the order is unknown")
        })?;
        let checksum = Digest::of(text.text.as_bytes()).to_string();
        Ok(File { version, name, text: text.text.clone(), checksum })
    }

    /// The part of its checksum that is compared.
    pub fn short(&self) -> &str {
        &self.checksum[..SHORT]
    }

    /// Whether it asks to be run outside of a transaction.
    pub fn runs_alone(&self) -> bool {
        self.text.lines().any(|line| line.trim().eq_ignore_ascii_case(ALONE))
    }
}

fn is_up(name: &str) -> bool {
    name.ends_with(".sql") && !name.ends_with(".down.sql") && name.rsplit('/').next() != Some("down.sql")
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let texts: Vec<NamedText> = files
            .iter()
            .map(|(name, text)| NamedText { name: name.to_string(), text: text.to_string() })
            .collect();
        Ok(File::of(&texts)?.iter().map(|file| format!("{} {}", file.version, file.name)).collect())
    }

    #[test]
    fn files_come_in_the_order_of_their_numbers() {
        let files = [
            ("0010_b.sql", ""),
            ("2_a.up.sql", ""),
            ("2_a.down.sql", ""),
            ("README.md", ""),
            ("V1__first.sql", ""),
            ("20240131120000_x/migration.sql", ""),
            ("20240131120000_x/down.sql", ""),
        ];
        let told = of(&files).unwrap();
        assert_eq!(
            told,
            [
                "1 V1__first.sql",
                "2 2_a.up.sql",
                "10 0010_b.sql",
                "20240131120000 20240131120000_x/migration.sql"
            ]
        );
    }

    #[test]
    fn refuses_files_without_an_order_and_divided_ones() {
        assert_eq!(
            of(&[("1_a.sql", ""), ("001_b.sql", "")]).unwrap_err(),
            "1_a.sql and 001_b.sql have the same number"
        );
        assert_eq!(
            of(&[("users.sql", "")]).unwrap_err(),
            "users.sql does not begin with a number, so its place in the order is unknown"
        );
        assert_eq!(
            of(&[("1_a.sql", "-- migrate:up\nselect 1;\n-- migrate:down\ndrop table a;")]).unwrap_err(),
            "1_a.sql also holds the SQL that undoes it: put that part into a .down.sql file"
        );
    }
}
