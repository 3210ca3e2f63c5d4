//! `--output-dir`: a file for each host with all that its commands print, to the last byte and without secrets.

use super::printed::left_out;
use crate::model::event::Event;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::model::{Doing, Result};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The files of one run, in a directory.
#[derive(Debug)]
pub struct OutputFiles {
    directory: PathBuf,
    files: HashMap<String, File>,
}

impl OutputFiles {
    /// Creates the directory where it does not exist. What is printed may be private: only its owner may read it.
    pub fn in_directory(directory: &Path) -> Result<Self> {
        let doing = || format!("create {}", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(directory).doing(doing())?;
        Ok(OutputFiles { directory: directory.to_path_buf(), files: HashMap::new() })
    }

    /// Writes what the event says that a host printed. Each host that is at work has a file, which replaces that of an
    /// earlier run.
    pub fn event(&mut self, event: &RunEvent) -> Result<()> {
        let RunEventKind::Host { host, event } = &event.what else { return Ok(()) };
        match event {
            HostEvent::Sent => self.file(host).map(drop),
            HostEvent::Said(Event::Printed(printed)) => {
                let doing = format!("write the output of {host} to {}", self.directory.display());
                let file = self.file(host)?;
                let mark = match printed.left_out {
                    0 => String::new(),
                    bytes => format!("\n{}\n", left_out(bytes)),
                };
                file.write_all(mark.as_bytes()).and_then(|()| file.write_all(&printed.chunk)).doing(doing)
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, host: &str) -> Result<&mut File> {
        if !self.files.contains_key(host) {
            let path = self.directory.join(format!("{}.log", host.replace('/', "_")));
            let doing = format!("create {}", path.display());
            // A file of an earlier run may belong to someone who reads it right now, or be a link.
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).doing(doing);
            }
            let file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).doing(doing)?;
            self.files.insert(host.to_string(), file);
        }
        Ok(self.files.entry(host.to_string()).or_insert_with(|| unreachable!("it was opened above")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Printed, Stream};

    fn says(host: &str, left_out: u64, text: &str) -> RunEvent {
        let printed = Printed { step: 0, stream: Stream::Stdout, left_out, chunk: text.as_bytes().to_vec() };
        RunEvent::of_host(host, HostEvent::Said(Event::Printed(printed)))
    }

    #[test]
    fn each_host_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let within = directory.path().join("new/output");
        for round in ["first", "second"] {
            let mut files = OutputFiles::in_directory(&within).unwrap();
            for event in [
                says("a", 0, "one\n"),
                says("b", 0, "two\n"),
                says("a", 5, round),
                RunEvent::of_host("c", HostEvent::Sent),
            ] {
                files.event(&event).unwrap();
            }
        }
        let read = |name: &str| std::fs::read_to_string(within.join(name)).unwrap();
        assert_eq!(read("a.log"), "one\n\n… 5 bytes left out …\nsecond");
        assert_eq!((read("b.log").as_str(), read("c.log").as_str()), ("two\n", ""));
    }
}
