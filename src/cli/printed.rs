//! Options that say what is shown, kept and written of a run: the output of commands, the report.

use super::{Global, Stop};
use crate::model::Failure;
use crate::model::job::{OutputWanted, Streaming};
use crate::model::size::Size;
use crate::report::file::ReportFile;
use crate::report::output_files::OutputFiles;
use crate::report::{Format, Progress, Verbosity};
use crate::run::{Task, Work};
use std::path::PathBuf;

/// What is shown and kept of the output of commands.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PrintedOptions {
    /// Show what commands and scripts print while they run, each line with its host; the default for a single host
    #[arg(long)]
    pub live: bool,
    /// How much of each command's output to keep: `64k`, `4M`. Of longer output the start and the end are kept
    /// [default: 1M]
    #[arg(long, value_name = "SIZE")]
    pub output_limit: Option<String>,
    /// Write the whole output of commands and scripts to this directory, one file HOST.log per host
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Write a report when the run has ended: FILE.html, .md, .xml (JUnit), .sarif or .json
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl PrintedOptions {
    /// The smallest limit: below it, head and tail say nothing.
    const LEAST: u64 = 1 << 10;

    /// Whether what commands print is shown while they run: when it is asked for, and of a single host.
    pub fn is_live(&self, hosts: usize, global: &Global) -> bool {
        let asked_for = self.live || hosts == 1;
        asked_for && global.format() == Format::Human && global.verbosity() != Verbosity::Quiet
    }

    /// What hosts send of the output of commands: what someone sees, or a file gets.
    pub fn wanted(&self, hosts: usize, global: &Global) -> Result<OutputWanted, Stop> {
        let limit = self.output_limit.as_deref().map_or(Ok(OutputWanted::USUAL), limit);
        let streaming = match (global.format(), global.progress()) {
            _ if self.output_dir.is_some() => Streaming::Whole,
            (Format::Jsonl, _) => Streaming::Live,
            _ if self.is_live(hosts, global) => Streaming::Live,
            (_, Progress::Bars(_)) => Streaming::LastLines,
            _ => Streaming::Nothing,
        };
        Ok(OutputWanted { limit: limit.map_err(Stop::misused)?, streaming })
    }

    /// Where all of it is written.
    pub fn files(&self) -> Result<Option<OutputFiles>, Stop> {
        self.output_dir.as_deref().map(OutputFiles::in_directory).transpose().map_err(Stop::misused)
    }

    /// The report that is written once the run has ended.
    pub fn report_file(&self) -> Result<Option<ReportFile>, Stop> {
        self.report.as_deref().map(ReportFile::at).transpose().map_err(Stop::misused)
    }
}

fn limit(text: &str) -> Result<u64, Failure> {
    let refuse = |why| Failure::new(format!("read --output-limit {text}"), why);
    match Size::parse(text).map_err(refuse)?.0 {
        bytes @ PrintedOptions::LEAST..=OutputWanted::MOST => Ok(bytes),
        bytes if bytes > OutputWanted::MOST => {
            let most = OutputWanted::MOST >> 20;
            let failure = refuse(format!("no more than {most}M of each output are kept on record"));
            Err(failure.hint("--output-dir DIR writes everything to a file for each host"))
        }
        _ => Err(refuse(format!("give at least {}", PrintedOptions::LEAST))),
    }
}

/// Has every host send that.
pub fn ask(work: &mut [Work], output: OutputWanted) {
    for work in work {
        if let Task::Job(job, _) = &mut work.task {
            job.envelope.output = output;
        }
    }
}

/// How many steps the host with the most of them has.
pub fn steps_of_each(work: &[Work]) -> Option<u32> {
    let steps = work.iter().filter_map(|work| match &work.task {
        Task::Job(job, _) => Some(job.work.steps.len() as u32),
        Task::Command(_) => None,
    });
    steps.max().filter(|steps| *steps > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_that_fits_a_record() {
        let read = |text: &str| limit(text).map_err(|failure| failure.to_string());
        assert_eq!((read("64k"), read("4M"), read("1024")), (Ok(65_536), Ok(4 << 20), Ok(1024)));
        assert_eq!(read("10").unwrap_err(), "read --output-limit 10: give at least 1024");
        assert_eq!(
            read("1G").unwrap_err(),
            "read --output-limit 1G: no more than 4M of each output are kept on record\n  hint: --output-dir DIR \
             writes everything to a file for each host"
        );
        assert!(read("much").unwrap_err().contains("is not a size"));
    }
}
