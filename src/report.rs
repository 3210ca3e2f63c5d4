//! Tells people and programs what happens in a run: progress while it goes on, the answer when it is known. Both are
//! made from the one stream of events.

use crate::model::event::{Event, StepEnded};
use crate::model::run::{HostEvent, RunEvent, RunEventKind, RunKind};
use crate::model::{Doing, Result};
use crate::record::{Clean, RunRecord};
use jiff::tz::TimeZone;
use std::collections::HashSet;
use std::io::{ErrorKind, Write};

mod bars;
mod board;
pub mod compare;
pub mod escape;
mod exit;
pub mod file;
mod findings;
mod groups;
pub mod hosts;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
mod live;
pub mod markdown;
pub mod output_files;
mod plain;
mod printed;
pub mod recap;
pub mod sarif;
pub mod steps;
pub mod style;
pub mod transfers;
mod undo;

pub use exit::{INTERRUPTED, MOVED, check_exit_code, exit_code, exit_code_of_all};
pub use style::Style;

use bars::Bars;
use file::ReportFile;
use groups::Groups;
use live::Live;
use printed::UnderWay;
use transfers::Transfers;

/// How a run is reported.
#[derive(Clone, Debug)]
pub struct Options {
    /// What standard output gets.
    pub format: Format,
    /// How the human format looks there.
    pub view: View,
    /// How progress looks on standard error.
    pub progress: Progress,
    /// Whether what commands print is shown while they run, in the human format.
    pub live: bool,
    /// How many steps a host has before its handlers, as far as that is known.
    pub steps: Option<u32>,
    /// The report that is written once the run has ended.
    pub file: Option<ReportFile>,
    /// How far the transfers of the hosts are.
    pub transfers: Transfers,
}

/// What standard output gets. [`json`] and [`jsonl`] say what the fields are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Human,
    /// One JSON document at the end
    Json,
    /// A line of JSON for each event, as it comes
    Jsonl,
    /// One JUnit XML document at the end
    Junit,
    /// One report in Markdown at the end
    Markdown,
}

/// How much is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: failures and the recap.
    Quiet,
    /// Every step that was not skipped.
    #[default]
    Normal,
    /// `-v`: also what was skipped and why, what was done, and what commands said.
    Verbose,
}

/// How the human format looks.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Colours.
    pub style: Style,
    /// How much.
    pub verbosity: Verbosity,
    /// Whether diffs are shown.
    pub diff: bool,
    /// How wide the terminal is; `None`: lines may have any width.
    pub columns: Option<usize>,
}

/// How progress looks.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// Nothing is reported before the end.
    None,
    /// A line for each thing that matters, where standard error is not a terminal.
    Lines(Style),
    /// Lines that are drawn again and again, at the bottom of the terminal.
    Bars(Style),
}

/// Reads a run's events and reports them.
pub struct Reporter {
    options: Options,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    run: Option<Run>,
    bars: Option<Bars>,
    /// A question is on the screen, so that nothing is drawn.
    asks: bool,
    failed: Option<std::io::Error>,
}

/// What is known once the run has started.
struct Run {
    record: RunRecord,
    groups: Groups,
    live: Live,
    under_way: UnderWay,
    /// The hosts' steps whose output is on the screen already.
    shown: HashSet<(String, u32)>,
}

impl Reporter {
    /// Writes answers to `out` and progress to `err`. Bars are drawn on the terminal itself.
    pub fn new(options: Options, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let bars = match options.progress {
            Progress::Bars(style) => Some(Bars::new(style)),
            Progress::None | Progress::Lines(_) => None,
        };
        Reporter { options, out, err, run: None, bars, asks: false, failed: None }
    }

    /// Takes in what happened next. It never fails: a reader that has gone away is reported by [`finish`].
    ///
    /// [`finish`]: Reporter::finish
    pub fn event(&mut self, event: &Clean<RunEvent>) {
        if let RunEventKind::Started { intent, epoch } = &event.what {
            let record = RunRecord::new((**intent).clone(), *epoch);
            self.run = Some(Run {
                groups: Groups::new(&record),
                live: Live::new(&record, self.options.steps),
                under_way: UnderWay::default(),
                shown: HashSet::new(),
                record,
            });
        }
        let Some(run) = &mut self.run else { return };
        run.live.fold(event);
        let answer = match self.options.format {
            Format::Human => human(run, &self.options, event),
            Format::Jsonl => {
                run.record.fold(event);
                jsonl::line(&run.record.intent.run, event) + "\n"
            }
            Format::Json | Format::Junit | Format::Markdown => {
                run.record.fold(event);
                String::new()
            }
        };
        let progress = plain::line(&run.live, event, &self.options);
        self.tell(&answer, &progress);
        self.tick();
    }

    /// Draws the bars again, so that their times go on; call it several times a second.
    pub fn tick(&mut self) {
        if self.asks {
            return;
        }
        if let (Some(bars), Some(run)) = (&mut self.bars, &self.run) {
            bars.draw(&run.live, &self.options.transfers, crate::model::run::now());
        }
    }

    /// Shows a question at the bottom of the terminal; nothing is drawn there until [`answered`].
    ///
    /// [`answered`]: Reporter::answered
    pub fn ask(&mut self, question: &str) {
        self.asks = true;
        if let Some(bars) = &mut self.bars {
            bars.clear();
        }
        self.tell("", question);
    }

    /// The question has its answer, or needs none any more.
    pub fn answered(&mut self) {
        self.asks = false;
    }

    /// Tells the end of the answer. Returns what is known of the run; texts of steps are not in it unless the format
    /// needed them. Fails when standard output could not be written; a closed pipe is fine.
    pub fn finish(mut self) -> Result<Option<RunRecord>> {
        if let Some(bars) = &mut self.bars {
            bars.clear();
        }
        let Some(mut run) = self.run.take() else { return Ok(None) };
        let answer = match self.options.format {
            Format::Human => {
                let rest = steps::all(&run.groups.rest(), &run.record, &self.options.view);
                rest + &recap::recap(&run.record, &self.options.view)
            }
            Format::Json => json::document(&run.record) + "\n",
            Format::Junit => junit::document(&run.record),
            Format::Markdown => markdown::document(&run.record, &TimeZone::system()),
            Format::Jsonl => String::new(),
        };
        self.tell(&answer, "");
        if let Some(file) = &self.options.file {
            file.write(&run.record)?;
        }
        match self.failed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).doing("write to standard output")
            }
            _ => Ok(Some(run.record)),
        }
    }

    fn tell(&mut self, answer: &str, progress: &str) {
        if answer.is_empty() && progress.is_empty() {
            return;
        }
        let Reporter { out, err, failed, bars, .. } = self;
        let mut write = || {
            // Progress that cannot be known is no reason to stop.
            let _told_or_not = err.write_all(progress.as_bytes()).and_then(|()| err.flush());
            if failed.is_none() {
                *failed = out.write_all(answer.as_bytes()).and_then(|()| out.flush()).err();
            }
        };
        match bars {
            Some(bars) => bars.around(write),
            None => write(),
        }
    }
}

impl View {
    /// Whether what commands said belongs to the answer.
    pub fn shows_output(&self, kind: RunKind) -> bool {
        let asked_for = matches!(kind, RunKind::Command | RunKind::Script);
        self.verbosity == Verbosity::Verbose || (asked_for && self.verbosity == Verbosity::Normal)
    }
}

/// A run that is on record, shown as it was when it ran.
pub fn told(record: &RunRecord, view: &View) -> String {
    let groups = Groups::of(record, view.shows_output(record.intent.kind)).rest();
    steps::all(&groups, record, view) + &recap::recap(record, view)
}

/// Takes in an event and returns the lines of all steps that are settled by it, or of what a command prints.
fn human(run: &mut Run, options: &Options, event: &RunEvent) -> String {
    let view = &options.view;
    if let RunEventKind::Host { host, event } = &event.what {
        run.under_way.fold(host, event);
    }
    match &event.what {
        RunEventKind::Host { host, event: HostEvent::Said(Event::Printed(printed)) } => {
            if !options.live {
                return String::new();
            }
            run.shown.insert((host.clone(), printed.step));
            let step = run.under_way.name(host, printed.step);
            return printed::lines(host, steps::hosts_width(&run.record), step, printed, view.style);
        }
        RunEventKind::Host { host, event: HostEvent::Said(Event::StepEnded(step)) }
            if run.shown.contains(&(host.clone(), step.step)) =>
        {
            // It was shown while it was printed.
            let shown = with_end(event, |step| step.output = None);
            run.groups.fold(&shown, view.shows_output(run.record.intent.kind));
        }
        _ => run.groups.fold(event, view.shows_output(run.record.intent.kind)),
    }
    match options.file {
        Some(_) => run.record.fold(event),
        // Only the record on disk keeps these: thousands of hosts' diffs would not fit in memory.
        None => run.record.fold(&with_end(event, |step| {
            (step.changes, step.notes, step.diff, step.output) = (Vec::new(), Vec::new(), None, None);
        })),
    }
    steps::all(&run.groups.settled(), &run.record, view)
}

/// The event; where it ends a step, with that changed.
fn with_end(event: &RunEvent, change: impl FnOnce(&mut StepEnded)) -> RunEvent {
    let mut event = event.clone();
    if let RunEventKind::Host { event: HostEvent::Said(Event::StepEnded(step)), .. } = &mut event.what {
        change(step);
    }
    event
}

#[cfg(test)]
mod tests;
