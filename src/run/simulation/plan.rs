//! What a seed decides: the options of a run, its hosts, what their steps do, and what goes wrong when.

use super::Dice;
use crate::keys::Share;
use crate::model::job::{Envelope, HostWork, JobStep, Mode, OnFailure, RunId};
use crate::model::once::Once;
use crate::model::outcome::StepOutcome;
use crate::render::contents::Contents;
use crate::run::{self, Options, Task, Work};
use crate::ssh::Target;
use std::time::Duration;

/// The time limit of every step; none takes so long by itself.
const STEP_TIMEOUT: Duration = Duration::from_secs(300);

/// More than one host may take: a login, four steps that are given up a minute after their time limit, silence.
const LONGEST_HOST: Duration = Duration::from_secs(10 + 4 * (300 + 60) + 90 + 5);

/// A run and its faults.
#[derive(Clone, Debug)]
pub struct Plan {
    pub hosts: Vec<HostPlan>,
    pub forks: usize,
    pub serial: Vec<u32>,
    pub max_failures: Option<u32>,
    pub undoes: bool,
    /// The first step is run by the first host for all.
    pub once: bool,
    /// Of a whole host.
    pub timeout: Option<Duration>,
    /// When Ctrl-C is pressed, each after the one before.
    pub interrupts: Vec<Duration>,
    /// How long the reader of events takes for each.
    pub slow_reader: Duration,
}

/// One host.
#[derive(Clone, Debug)]
pub struct HostPlan {
    pub name: String,
    pub address: String,
    pub reach: Reach,
    /// It refuses every login after the first.
    pub gone_later: bool,
    /// What its login prints first.
    pub noise: &'static str,
    /// What it says arrives in pieces of so many bytes.
    pub piece: usize,
    pub steps: Vec<StepPlan>,
    /// What goes wrong, so long after the login.
    pub fault: Option<(Duration, Fault)>,
}

/// How a login ends.
#[derive(Clone, Debug)]
pub enum Reach {
    After(Duration),
    RefusedAfter(Duration),
}

/// What a step does.
#[derive(Clone, Debug)]
pub struct StepPlan {
    pub takes: Duration,
    pub outcome: StepOutcome,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is reset; the host works on, unheard.
    Reset,
    /// Nothing arrives any more, without a word.
    Silence,
    /// Nothing arrives for a while, then all of it.
    Delay(Duration),
    /// The agent is killed.
    Crash,
    /// The agent is suspended.
    Hang,
    /// The step does not end, and the agent says that it lives.
    Endless,
    /// Bytes that mean nothing.
    Garbage,
    /// A good verdict that is not this job's.
    Forged,
    /// The channel closes without a word.
    Closed,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut dice = Dice::of(seed);
        let count = dice.number(1..13);
        let calm = dice.once_in(8);
        let steps = dice.number(1..5);
        let hosts = (0..count).map(|number| HostPlan::of(number, steps, calm, &mut dice)).collect();
        let serial = dice.one_of(&[vec![], vec![], vec![], vec![1], vec![3], vec![1, 2, 4]]);
        let timeout = dice.once_in(5).then(|| dice.millis(1..400_000));
        let interrupts = match dice.number(0..6) {
            0 => vec![dice.millis(0..300_000)],
            1 => vec![dice.millis(0..200_000), dice.millis(0..60_000)],
            _ => vec![],
        };
        Plan {
            hosts,
            forks: dice.number(1..8) as usize,
            serial,
            max_failures: dice.one_of(&[None, None, Some(1), Some(2), Some(5)]),
            undoes: dice.once_in(4),
            once: dice.once_in(4),
            timeout,
            interrupts,
            slow_reader: dice.one_of(&[Duration::ZERO, Duration::ZERO, Duration::from_millis(20)]),
        }
    }

    /// After so long every run is over.
    pub fn longest(&self) -> Duration {
        // In the worst case each host waits for the one before, and is undone afterwards. A slow reader holds up all.
        let hosts = self.hosts.len() as u32;
        LONGEST_HOST * (2 * hosts + 1) + self.slow_reader * 1000 * hosts
    }

    /// What is asked of the run.
    pub fn options(&self) -> Options {
        Options {
            forks: self.forks,
            serial: self.serial.iter().map(|size| Share::Count(*size)).collect(),
            max_failures: self.max_failures.map(Share::Count),
            on_failure: if self.undoes { OnFailure::Undo } else { OnFailure::Stop },
        }
    }

    /// The names of the hosts of each batch.
    pub fn batches(&self) -> Vec<Vec<String>> {
        let shares: Vec<Share> = self.options().serial;
        let batches = run::batches(self.work(), &shares);
        batches.into_iter().map(|batch| batch.into_iter().map(|work| work.host).collect()).collect()
    }

    /// The hosts' jobs.
    pub fn work(&self) -> Vec<Work> {
        self.hosts.iter().enumerate().map(|(number, host)| self.work_of(number, host)).collect()
    }

    fn work_of(&self, number: usize, host: &HostPlan) -> Work {
        let first = &self.hosts[0].name;
        let step = |index: usize| JobStep {
            index: index as u32,
            kind: "command".to_string(),
            timeout: Some(STEP_TIMEOUT),
            once: (self.once && index == 0).then(|| match number {
                0 => Once::Here,
                _ => Once::On(first.clone()),
            }),
            ..JobStep::default()
        };
        let envelope = Envelope {
            run: RunId::default(),
            host: host.name.clone(),
            nonce: format!("nonce of {}", host.name),
            ..Envelope::default()
        };
        let steps = (0..host.steps.len()).map(step).collect();
        let work = HostWork { mode: Mode::Apply, steps, ..HostWork::default() };
        Work {
            host: host.name.clone(),
            target: Target::new(&host.name, &host.address, 22, "root"),
            becoming: None,
            password: None,
            task: Task::Job(Box::new(envelope.job(work)), Contents::default()),
        }
    }
}

impl HostPlan {
    fn of(number: u64, steps: u64, calm: bool, dice: &mut Dice) -> HostPlan {
        let name = format!("h{number}");
        // Some are one machine under several names.
        let address = if dice.once_in(6) { "shared".to_string() } else { name.clone() };
        let reach = match dice.number(0..8) {
            0 if !calm => Reach::RefusedAfter(dice.millis(0..10_000)),
            _ => Reach::After(dice.millis(0..9_000)),
        };
        let fault = Fault::of(dice);
        HostPlan {
            name,
            address,
            reach,
            gone_later: dice.once_in(6),
            noise: dice.one_of(&["", "", "Last login: today\n"]),
            piece: dice.one_of(&[1, 7, 100, 100_000, 100_000]),
            steps: (0..steps).map(|_| StepPlan::of(calm, dice)).collect(),
            fault: (!calm && dice.once_in(2)).then(|| (dice.millis(0..150_000), fault)),
        }
    }

    /// What goes wrong, for the figures.
    pub fn fault_name(&self) -> String {
        match (&self.reach, &self.fault) {
            (Reach::RefusedAfter(_), _) => "Refused".to_string(),
            (_, None) => "none".to_string(),
            (_, Some((_, fault))) => format!("{fault:?}").split('(').next().unwrap_or_default().to_string(),
        }
    }
}

impl StepPlan {
    fn of(calm: bool, dice: &mut Dice) -> StepPlan {
        let outcome = match dice.number(0..12) {
            0 if !calm => StepOutcome::Failed,
            1..6 => StepOutcome::Changed,
            _ => StepOutcome::Ok,
        };
        StepPlan { takes: dice.millis(0..70_000), outcome }
    }
}

impl Fault {
    fn of(dice: &mut Dice) -> Fault {
        let delay = Fault::Delay(dice.millis(0..200_000));
        let all = [
            Fault::Reset,
            Fault::Silence,
            delay,
            Fault::Crash,
            Fault::Hang,
            Fault::Endless,
            Fault::Garbage,
            Fault::Forged,
            Fault::Closed,
        ];
        dice.one_of(&all)
    }
}
