//! `--report FILE`: the report of a run as a file, in the format that its name ends with.

use super::{html, json, junit, markdown, sarif};
use crate::model::{Doing, Failure, Result};
use crate::record::RunRecord;
use jiff::tz::TimeZone;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

type Document = fn(&RunRecord) -> String;

/// The formats, by the ending of the file's name.
const FORMATS: [(&str, Document); 6] = [
    ("html", |record| html::document(record, &TimeZone::system())),
    ("md", |record| markdown::document(record, &TimeZone::system())),
    ("markdown", |record| markdown::document(record, &TimeZone::system())),
    ("xml", junit::document),
    ("sarif", sarif::document),
    ("json", |record| json::document(record) + "\n"),
];

/// Where a report goes, and what makes it.
#[derive(Clone, Debug)]
pub struct ReportFile {
    path: PathBuf,
    document: Document,
}

impl ReportFile {
    /// Refuses a name whose ending says nothing, and a directory that does not exist, before anything is run.
    pub fn at(path: &Path) -> Result<Self> {
        let doing = format!("write the report {}", path.display());
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let format = FORMATS.iter().find(|(known, _)| *known == ending);
        let Some((_, document)) = format else {
            let failure = Failure::new(doing, "its name does not say in which format");
            return Err(failure.hint("end it with .html, .md, .xml (JUnit), .sarif or .json"));
        };
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        match directory.is_none_or(Path::is_dir) {
            true => Ok(ReportFile { path: path.to_path_buf(), document: *document }),
            false => Err(Failure::new(doing, "its directory does not exist")),
        }
    }

    /// Writes it. What it says of hosts may be private: only its owner may read a new file.
    pub fn write(&self, record: &RunRecord) -> Result<()> {
        let text = (self.document)(record);
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path);
        let written = open.and_then(|mut file| file.write_all(text.as_bytes()));
        written.doing(format!("write the report {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::*;

    #[test]
    fn the_ending_of_its_name_says_the_format() {
        let directory = tempfile::tempdir().unwrap();
        let record = record(intent(&["web01"]), &[]);
        for (name, start) in [
            ("a.html", "<!DOCTYPE html>"),
            ("a.MD", "# fix-dns"),
            ("a.xml", "<?xml"),
            ("a.sarif", "{\n  \"$schema\""),
            ("a.json", "{\n  \"version\""),
        ] {
            let path = directory.path().join(name);
            ReportFile::at(&path).unwrap().write(&record).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(start), "{name}: {text}");
        }
        let refused = |path: &str| ReportFile::at(Path::new(path)).unwrap_err().to_string();
        assert_eq!(
            refused("report"),
            "write the report report: its name does not say in which format\n  hint: end it with .html, .md, .xml \
             (JUnit), .sarif or .json"
        );
        assert_eq!(refused("/no/a.html"), "write the report /no/a.html: its directory does not exist");
    }
}
