//! A job: all that one host is to do in one run, complete in itself.

use super::arg::Arg;
use super::digest::Digest;
use super::failure::Failure;
use super::on::On;
use super::once::Once;
use super::op::Asset;
use super::outcome::StepOutcome;
use super::play::Given;
use super::tree::Tree;
use super::{Value, Values};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Everything one host needs for one run: what is to be done there, in its envelope. It travels in one frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Which run it belongs to, and what makes it this run's.
    pub envelope: Envelope,
    /// What is to be done.
    pub work: HostWork,
}

/// Which run a job belongs to, whose it is, and what the host must know beside the work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the run on host and controller.
    pub run: RunId,
    /// The host's name in the inventory.
    pub host: String,
    /// Echoed in the verdict, so that nothing but this job's agent can have sent it. Random.
    pub nonce: String,
    /// Whose epochs these are: all runs of a project, from any controller, are compared.
    pub controller: String,
    /// Grows with each run of a controller; a host refuses one lower than it has seen of it.
    pub epoch: u64,
    /// Who runs it, for the host's lock and journal: `alice@laptop`.
    pub who: String,
    /// Earlier runs whose verdict never arrived: the agent reports what its journal says of them.
    pub settle: Vec<RunId>,
    /// The run that this one retries, where its result was lost: what ended well in it is not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<RunId>,
    /// With what the host's journals are sealed where they hold secrets: 64 hexadecimal digits that only the controller
    /// keeps, other ones for each host. Empty: what would be sealed is not kept.
    pub journal_key: String,
    /// Set when the job is resumed after a reboot.
    pub resume: Option<Box<Resume>>,
    /// How long the host's lock is waited for when another run holds it; zero refuses at once.
    pub wait: Duration,
    /// What is wanted of the output of commands.
    pub output: OutputWanted,
    /// The person is asked before each step.
    pub asks: bool,
}

/// What is wanted of the output of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputWanted {
    /// So many bytes of each output are kept for the record: of a longer one, head and tail.
    pub limit: u64,
    /// What is sent while a command runs.
    pub streaming: Streaming,
}

impl OutputWanted {
    /// The limit when none is given.
    pub const USUAL: u64 = 1 << 20;

    /// The largest limit: what ends a step travels in one frame.
    pub const MOST: u64 = 4 << 20;

    /// So many bytes of each end of an output are kept.
    pub fn kept_of_each_end(self) -> usize {
        self.limit.min(Self::MOST) as usize / 2
    }
}

impl Default for OutputWanted {
    fn default() -> Self {
        OutputWanted { limit: Self::USUAL, streaming: Streaming::Nothing }
    }
}

/// How much of what commands print is sent while they run; each level has all of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// Nothing.
    #[default]
    Nothing,
    /// The last lines now and then, of what takes its time.
    LastLines,
    /// All of it, as long as it is not more than anyone can read.
    Live,
    /// Every byte; the command waits when it prints faster than the connection carries.
    Whole,
}

/// What one host is to do, rendered and complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostWork {
    /// The playbook's name: handlers that an earlier run of it still owes are run by this one.
    pub playbook: String,
    /// Apply or check.
    pub mode: Mode,
    /// Whether diffs are wanted.
    pub diff: bool,
    /// What to do when a step has failed and nothing rescued it.
    pub on_failure: OnFailure,
    /// What waiting templates may refer to, by name.
    pub vars: Values,
    /// Texts that must not leave the host in any output.
    pub secrets: Vec<String>,
    /// Sources of templates that others include, by the name they include them by.
    pub templates: BTreeMap<String, String>,
    /// Small assets, sent with the job: digest and bytes.
    pub assets: Vec<InlineAsset>,
    /// What the directories and archives hold that steps name, without the bytes; the jobs of all hosts share them.
    pub trees: BTreeMap<Digest, Arc<Tree>>,
    /// In order.
    pub steps: Vec<JobStep>,
    /// Run at the end when notified.
    pub handlers: Vec<JobStep>,
    /// Run after a failure.
    pub rescue: Vec<JobStep>,
    /// Run in any case.
    pub always: Vec<JobStep>,
    /// Names whose values other hosts look at once this one has done a play.
    pub shares: Vec<String>,
    /// What other hosts had given when this one started.
    pub others: BTreeMap<String, Given>,
    /// It runs steps of other hosts: before its plays, between and after them, and between its own steps.
    #[serde(default)]
    pub serves: bool,
    /// The indices of steps that other hosts of its plays have it run. It goes on behind each once they are past it.
    #[serde(default)]
    pub awaits: Vec<u32>,
    /// A run to undo; there are no steps then.
    pub undo: Option<RunId>,
    /// What it has to do with a saved plan.
    pub planning: Planning,
    /// The host's lock is looked at and nothing else is done.
    pub unlock: Option<BreakLock>,
}

/// Where a job is resumed once its host has rebooted, and what its steps have given so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The index of the step that reboots the host.
    pub step: u32,
    /// The boot that ends with it.
    pub boot_id: String,
    /// How long the host may take.
    pub within: Duration,
    /// Results that are kept under names.
    pub registered: BTreeMap<String, Values>,
    /// What `set` has given variables.
    pub variables: BTreeMap<String, Value>,
    /// What other hosts have given before the play that is under way.
    pub others: BTreeMap<String, Given>,
    /// Handlers that are to be run at the end.
    pub notified: Vec<String>,
    /// Whether something was changed.
    pub changed: bool,
    /// What failed before, where the boot is a handler's.
    pub failure: Option<Failure>,
}

/// Names a run: its time and a few random letters, so that names sort by age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Whether the host may be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Writes are held in memory.
    #[default]
    Check,
    /// Writes are made.
    Apply,
}

/// What a host's work has to do with a saved plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planning {
    /// Nothing.
    #[default]
    No,
    /// A plan is made of it: each step gives the fingerprint of what it would change.
    Make,
    /// It does what a plan says, or nothing.
    Follow(Vec<PlannedStep>),
}

/// What a saved plan says that a step, or one element of its loop, would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// As in [`JobStep::index`].
    pub step: u32,
    /// Which element of a loop, counted from 0.
    pub item: Option<u32>,
    /// The rendered name.
    pub name: String,
    /// What a dry run said.
    pub outcome: StepOutcome,
    /// Of what it would change.
    pub fingerprint: Option<Digest>,
}

/// Which holder of a host's lock is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakLock {
    /// One that is suspended.
    IfStuck,
    /// One that works, too.
    Always,
}

/// What becomes of a host whose step failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It stays as the finished steps left it.
    #[default]
    Stop,
    /// Everything this run changed is rolled back, on the hosts that had succeeded too.
    Undo,
    /// Everything this run changed there is rolled back; other hosts go on.
    UndoHost,
    /// Its other steps go on, so that one failed check hides no other; the host ends as failed.
    Continue,
}

/// One step of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobStep {
    /// Its place in the playbook, counted over steps, handlers, rescue and always; names it in events.
    pub index: u32,
    /// What people call it; a template where it depends on the loop's item.
    pub name: Option<Arg>,
    /// The step kind.
    pub kind: String,
    /// Where it stands, for messages: `playbooks/fix-dns.toml:14`.
    pub at: String,
    /// The kind's own keys.
    pub args: Option<Arg>,
    /// Values for this step only.
    pub vars: Vec<(String, Arg)>,
    /// Values that depend on the loop's item, for each item again.
    pub item_vars: Vec<(String, Arg)>,
    /// An expression; the step is skipped when it is false.
    pub when: Option<String>,
    /// The list whose elements the step is run for.
    pub items: Option<Arg>,
    /// What an element is called.
    pub loop_var: String,
    /// How an element is named in output, when not by itself.
    pub label: Option<Arg>,
    /// The name under which the result is kept.
    pub register: Option<String>,
    /// Handlers to run when it changed something, by their [`JobStep::key`]s.
    pub notify: Vec<String>,
    /// Of a handler: what it is notified by, where that is not its title.
    pub key: Option<String>,
    /// The user whom commands run as.
    pub become_user: Option<String>,
    /// Added to the environment of commands.
    pub environment: Vec<(String, Arg)>,
    /// How many times more it is tried.
    pub retries: u32,
    /// Between tries.
    pub delay: Duration,
    /// An expression over the result: try again until it is true.
    pub until: Option<String>,
    /// For the whole step, tries included.
    pub timeout: Option<Duration>,
    /// An expression over the result that says whether it changed something.
    pub changed_when: Option<String>,
    /// An expression over the result that says whether it failed.
    pub failed_when: Option<String>,
    /// A failure is recorded and the run goes on.
    pub ignore_errors: bool,
    /// Nothing of its arguments, diff or output is reported.
    pub no_log: bool,
    /// The blocks with `rescue` or `always` that it is in, the outermost first.
    pub blocks: Vec<InBlock>,
    /// The play that it is of, counted from 0.
    pub play: u32,
    /// Set when one host runs it for all hosts of the run.
    pub once: Option<Once>,
    /// The host that runs it for this one.
    #[serde(default)]
    pub on: Option<On>,
    /// It is started and not waited for; how long it may run.
    #[serde(default)]
    pub background: Option<Duration>,
    /// The steps in the background that it waits for, by their indices.
    #[serde(default)]
    pub waits_for: Vec<u32>,
    /// Set when the controller has already decided that it is skipped here, with why.
    pub skip: Option<String>,
}

/// So many steps run in the background of a host at once: each has a thread and a small shell beside it.
pub const MOST_IN_BACKGROUND: usize = 16;

/// Where a step is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InBlock {
    /// Names the block in its playbook.
    pub block: u32,
    /// Which part of it.
    pub part: BlockPart,
    /// Whether the block has a `rescue`.
    pub rescues: bool,
}

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockPart {
    /// Its own steps, until one fails.
    Body,
    /// Run after one of them has failed.
    Rescue,
    /// Run in any case.
    Always,
}

/// An asset whose bytes travel in the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InlineAsset {
    /// Its name.
    pub asset: Asset,
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// The job that does `work`.
    pub fn job(self, work: HostWork) -> Job {
        Job { envelope: self, work }
    }

    /// The job that undoes the run `of` of a playbook.
    pub fn undo(self, of: RunId, playbook: &str, mode: Mode, diff: bool) -> Job {
        let playbook = playbook.to_string();
        self.job(HostWork { playbook, mode, diff, undo: Some(of), ..HostWork::default() })
    }

    /// The job that looks who holds the host's lock, and breaks it.
    pub fn unlock(self, what: BreakLock, mode: Mode) -> Job {
        self.job(HostWork { mode, unlock: Some(what), ..HostWork::default() })
    }
}

impl HostWork {
    /// The plays that it has steps of, in order.
    pub fn plays(&self) -> Vec<u32> {
        let plays: BTreeSet<u32> = self.all_steps().map(|step| step.play).collect();
        plays.into_iter().collect()
    }

    /// Its steps, handlers, rescue and always.
    pub fn all_steps(&self) -> impl Iterator<Item = &JobStep> {
        [&self.steps, &self.handlers, &self.rescue, &self.always].into_iter().flatten()
    }
}

impl Job {
    /// The bytes of an asset that travels in the job.
    pub fn inline(&self, asset: &Asset) -> Option<&[u8]> {
        self.work.assets.iter().find(|inline| inline.asset == *asset).map(|inline| &inline.bytes[..])
    }
}

impl PlannedStep {
    /// Whether applying it may change something; what is unknown may.
    pub fn may_change(&self) -> bool {
        matches!(self.outcome, StepOutcome::WouldChange | StepOutcome::Unknown)
    }
}

impl JobStep {
    /// What names it when it is notified.
    pub fn key(&self) -> String {
        self.key.clone().unwrap_or_else(|| self.title())
    }

    /// The name to show before it is rendered: its own, or its kind.
    pub fn title(&self) -> String {
        match &self.name {
            Some(Arg::Value(Value::String(name))) => name.clone(),
            Some(Arg::Template(source)) => source.clone(),
            _ => self.kind.clone(),
        }
    }
}

impl RunId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it started by its controller's clock, which its name begins with: `2026-03-14 15:09:26`, in UTC.
    pub fn started(&self) -> Option<String> {
        let (date, rest) = self.0.split_once('-')?;
        let (time, _) = rest.split_once('-')?;
        let digits =
            |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(date, 8) && digits(time, 6)).then(|| {
            let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
            format!("{year}-{month}-{day} {}:{}:{}", &time[..2], &time[2..4], &time[4..])
        })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> String {
        run.0
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    /// Letters, digits and dashes, at most 64: a run's name is also a directory's name on hosts.
    fn try_from(text: String) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.len() <= 64 && !text.starts_with('-') && text.bytes().all(fits) {
            Ok(RunId(text))
        } else {
            Err(format!("{text:?} is not the name of a run"))
        }
    }
}
