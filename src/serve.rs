//! `windlass serve`: runs schedules when they come due, for as long as it is left alone.
//!
//! It holds nothing in memory that matters. Each run is a process of its own (`windlass schedule run NAME --due`) that
//! claims its time durably, holds the schedule's lock and survives this one; what is due is decided again each second
//! from the files. So it can be killed and started again at any moment.

use crate::model::{Doing, Failure, Result};
use crate::project::Project;
use crate::schedule::decide::{Decision, Moment, decide, late};
use crate::schedule::files::Folder;
use crate::schedule::log::say;
use crate::schedule::view::View;
use crate::schedule::{Schedule, here, notify, shown};
use jiff::Timestamp;
use runs::Runs;
use status::Board;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

mod metrics;
mod runs;
mod service;
mod status;
mod watch;

/// It looks at everything at least so often.
const LOOK: Duration = Duration::from_secs(1);

/// And not more often than this.
const REST: Duration = Duration::from_millis(20);

/// Once the runs have been asked to end, they have so long. A run is killed sooner by its parent process.
const LAST_WAIT: Duration = Duration::from_secs(120);

/// What it is given.
pub struct Options {
    /// The project.
    pub project: Project,
    /// windlass itself.
    pub program: PathBuf,
    /// Where metrics are served; nowhere when not said.
    pub listen: Option<SocketAddr>,
    /// When it is asked to end, runs may go on for so long before they are interrupted.
    pub grace: Duration,
}

/// Serves until it is asked to end. Returns the exit code.
pub async fn run(options: Options) -> Result<u8> {
    let signals = service::Signals::new()?;
    let folder = Folder::open(&options.project.state())?;
    let Some(_alone) = folder.hold("serve.lock")? else {
        let why = format!("another `windlass serve` is at work on {}", options.project.root.display());
        return Err(Failure::new("start the scheduler", why).hint("one is enough for a project"));
    };
    let board = Arc::new(Board::default());
    if let Some(address) = options.listen {
        let address = metrics::listen(address, Arc::clone(&board)).await?;
        say(&format!("metrics are at http://{address}/metrics"));
    }
    let mut server = Server {
        here: here(&options.project.root),
        runs: Runs::new(options.program, &options.project.root),
        project: watch::Watched::new(options.project),
        folder,
        board,
        delivering: HashSet::new(),
        deliveries: JoinSet::new(),
        complained: HashMap::new(),
        started: Timestamp::now(),
    };
    server.serve(options.grace, signals).await
}

struct Server {
    project: watch::Watched,
    folder: Folder,
    here: String,
    runs: Runs,
    board: Arc<Board>,
    /// The schedules whose letters are on their way.
    delivering: HashSet<String>,
    deliveries: JoinSet<(String, Result<Vec<String>>)>,
    /// What was wrong with a schedule when it was last reported, so that it is not reported every second.
    complained: HashMap<String, String>,
    started: Timestamp,
}

impl Server {
    async fn serve(&mut self, grace: Duration, mut signals: service::Signals) -> Result<u8> {
        let names: Vec<&str> =
            self.project.schedules().iter().map(|schedule| schedule.name.as_str()).collect();
        say(&format!("serving {} schedules: {}", names.len(), names.join(", ")));
        service::notify("READY=1");
        let mut ending: Option<Instant> = None;
        let mut urged = false;
        loop {
            let rest = self.look(ending.is_some());
            if let Some(deadline) = ending {
                if self.runs.is_empty() {
                    say("no run is left; the end");
                    return Ok(0);
                }
                if Instant::now() >= deadline {
                    if urged {
                        say("runs that do not end are left behind; the next start resolves them");
                        return Ok(0);
                    }
                    urged = true;
                    ending = Some(Instant::now() + LAST_WAIT);
                    say("runs take too long: they are interrupted, and continued at the next start");
                    self.runs.interrupt();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.runs.one_ended() => {}
                () = signals.next() => {
                    service::notify("STOPPING=1");
                    let asked_before = ending.is_some();
                    ending = Some(Instant::now() + if asked_before { Duration::ZERO } else { grace });
                    if !asked_before {
                        say(&format!("asked to end: no new runs; {} going on", self.runs.len()));
                    }
                }
            }
        }
    }

    /// Looks at every schedule once and does what is due. Returns how long nothing is.
    fn look(&mut self, ending: bool) -> Duration {
        let now = Timestamp::now();
        for line in self.project.look() {
            say(&line);
        }
        self.runs.reap();
        self.take_in_deliveries();
        let schedules = self.project.schedules().to_vec();
        let mut next = None;
        for schedule in &schedules {
            match self.look_at(schedule, now, ending) {
                Ok(until) => {
                    self.complained.remove(&schedule.name);
                    next = [next, until].into_iter().flatten().min();
                }
                Err(failure) => self.complain(&schedule.name, &failure),
            }
        }
        self.show(&schedules, now);
        service::notify("WATCHDOG=1");
        let until = next.and_then(|next| Duration::try_from(next.duration_since(Timestamp::now())).ok());
        until.unwrap_or(LOOK).clamp(REST, LOOK)
    }

    fn look_at(&mut self, schedule: &Schedule, now: Timestamp, ending: bool) -> Result<Option<Timestamp>> {
        let name = &schedule.name;
        let delay = schedule.delay(&self.here);
        let busy = self.runs.has(name) || self.folder.is_running(name);
        let root = self.project.root().display().to_string();
        let channels = self.project.channels();
        let (decision, told) = self.folder.change(schedule, now, |state| {
            if let Some(slot) = late(schedule, state, now, delay) {
                state.late(slot, now, schedule, channels, &root);
            }
            let decision = decide(schedule, state, Moment { now, delay, busy });
            if let Decision::LeaveOut { slot, many, why } = &decision {
                state.leave_out(*slot, *many, why);
            }
            (decision, state.letters.iter().any(|letter| letter.is_due(now)))
        })?;
        told.iter().for_each(|told| say(&format!("schedule {name}: {told}")));
        let (decision, letters) = decision;
        if letters {
            self.deliver(schedule);
        }
        match decision {
            Decision::Nothing { until } => return Ok(until),
            Decision::LeaveOut { slot, many, why } => {
                let before = if many > 1 { format!(" and {} before it", many - 1) } else { String::new() };
                say(&format!("schedule {name}: {}{before} left out: {why}", shown(slot, schedule)));
            }
            _ if ending => {}
            Decision::Run { slot, .. } => self.runs.start(name, &slot.to_string())?,
            Decision::Resume(claim) => {
                self.runs.start(name, &format!("{} attempt {}", claim.slot, claim.attempt))?
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, schedule: &Schedule) {
        if !self.delivering.insert(schedule.name.clone()) {
            return;
        }
        let (schedule, channels) = (schedule.clone(), self.project.channels().to_vec());
        let (folder, root) = (self.folder.clone(), self.project.root().to_path_buf());
        self.deliveries.spawn(async move {
            let lines = notify::deliver(&schedule, &channels, &folder, &root).await;
            (schedule.name, lines)
        });
    }

    fn take_in_deliveries(&mut self) {
        while let Some(done) = self.deliveries.try_join_next() {
            let Ok((name, lines)) = done else {
                // A delivery that crashed lets the others go on; its letters are still there.
                self.delivering.clear();
                continue;
            };
            self.delivering.remove(&name);
            match lines {
                Ok(lines) => lines.iter().for_each(|line| say(&format!("schedule {name}: {line}"))),
                Err(failure) => self.complain(&name, &failure),
            }
        }
    }

    fn complain(&mut self, name: &str, failure: &Failure) {
        let text = failure.to_string();
        if self.complained.insert(name.to_string(), text.clone()).as_ref() != Some(&text) {
            say(&format!("schedule {name}: {text}"));
        }
    }

    fn show(&mut self, schedules: &[Schedule], now: Timestamp) {
        let view = |schedule: &Schedule| View::of(schedule, Some(&self.folder), &self.here, now).ok();
        let views: Vec<View> = schedules.iter().filter_map(view).collect();
        let status = status::Status::new(self.project.root(), self.started, now, views);
        if self.board.put(status) {
            let written = self
                .board
                .json()
                .doing("write the status")
                .and_then(|json| self.folder.replace("status.json", json.as_bytes()));
            if let Err(failure) = written {
                self.complain("status", &failure);
            } else {
                self.complained.remove("status");
            }
        }
    }
}
