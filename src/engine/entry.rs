//! What a journal says, line by line: what was about to be changed, and how it is undone.

use crate::model::attributes::{Attributes, Modified};
use crate::model::digest::Digest;
use crate::model::event::StepEnded;
use crate::model::job::RunId;
use crate::model::op::{Command, Meta, Run};
use crate::model::outcome::HostOutcome;
use crate::model::path::HostPath;
use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "most entries are of changes, so that boxing those saves nothing"
)]
pub enum Entry {
    /// First: which run this is.
    #[serde(rename = "begin")]
    Start { run: RunId, host: String, who: String, epoch: u64, playbook: String, boot_id: String },
    /// The secrets of the run, sealed: an undo says none of them.
    Secrets(String),
    /// About to change something: how it is undone, and below which directory no link may be followed meanwhile.
    Intent {
        change: u32,
        step: u32,
        what: String,
        #[serde(rename = "back")]
        reversal: Reversal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<HostPath>,
        /// The command that made an armed change: an undo that locks everybody out is rolled back by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forward: Option<Command>,
        /// What is not as before even when it is undone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves: Option<String>,
    },
    /// The change that this step makes next runs in the background: it goes on while other steps do, until the step ends.
    Background { step: u32 },
    /// The changes after number `change` are undone by the guard process unless they are disarmed in time. `agent` is
    /// the process that makes them, `ports_before` where sshd listened when they are about that.
    Armed { change: u32, step: u32, name: String, agent: u32, ports_before: Vec<u16> },
    /// No guard watches the changes after number `change` any more: they were confirmed, or are undone.
    Disarmed { change: u32, confirmed: bool },
    /// An undo is about to write these files: what it leaves beside them when it is killed is swept.
    Undoing {
        writes: Vec<HostPath>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<HostPath>,
    },
    /// A change was undone.
    #[serde(rename = "taken_back")]
    Undone { change: u32 },
    /// It changed nothing: a command found nothing to do or was not started, or the playbook says that it changes nothing
    /// (`changed_when`). It is no change that an undo would have to name.
    NoChange { change: u32 },
    /// A command failed after it had started: whether it changed something is not known.
    Broke { change: u32 },
    /// A change that was undone is in force again: the undo was rolled back.
    Redone { change: u32 },
    /// A step ended.
    Step(StepEnded),
    /// Last: how the run ended here.
    End { outcome: HostOutcome },
}

/// How a change is undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// It needs nothing: it changed nothing, or something else undoes it.
    Nothing,
    /// Nothing that windlass knows undoes it.
    Impossible { why: String },
    /// What stood there is put back.
    Restore {
        path: HostPath,
        before: Vec<Saved>,
        left: Left,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        around: Vec<Around>,
    },
    /// Two paths are exchanged again; before, these stood there.
    Exchange {
        one: Box<Saved>,
        other: Box<Saved>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        around: Vec<Around>,
    },
    /// Mode and owner are put back, and extended attributes where they are known: a change of owner clears capabilities.
    Meta {
        path: HostPath,
        meta: Meta,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attributes: Option<Attributes>,
    },
    /// By a command.
    Command(Command),
    /// By a command; what the question prints then is not as before even so.
    Asked { command: Command, question: Command },
    /// By a command, unless these files are as they were before: then the change never happened.
    CommandOver { command: Command, before: Vec<FileState> },
    /// The same command, once everything before it was restored.
    Again(Command),
    /// The same, with what proves that it worked.
    Repeat(Box<Run>),
    /// One of the commands above that may hold a secret, and the one that made the change; see `seal.rs`.
    Sealed(String),
}

/// What a file held: its digest, or `None` when it did not exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileState {
    /// Where.
    pub path: HostPath,
    /// What it held.
    pub digest: Option<Digest>,
}

impl Reversal {
    /// The command that it runs; `None` where that is sealed.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Reversal::Command(command)
            | Reversal::Asked { command, .. }
            | Reversal::CommandOver { command, .. }
            | Reversal::Again(command) => Some(command),
            Reversal::Repeat(run) => Some(&run.command),
            Reversal::Nothing
            | Reversal::Impossible { .. }
            | Reversal::Restore { .. }
            | Reversal::Exchange { .. }
            | Reversal::Meta { .. }
            | Reversal::Sealed(_) => None,
        }
    }

    /// Whether it runs a command of the way forward once more, after everything else.
    pub fn is_repeated(&self) -> bool {
        matches!(self, Reversal::Again(_) | Reversal::Repeat(_))
    }

    /// That command.
    pub fn repeated(&self) -> Option<Run> {
        match self {
            Reversal::Again(command) => Some(Run::from(command.clone())),
            Reversal::Repeat(run) => Some((**run).clone()),
            _ => None,
        }
    }
}

/// A directory in which a name was added, replaced or removed, and when it was modified last before that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// Where.
    pub path: HostPath,
    /// When.
    pub modified: Modified,
}

/// Something that stood at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Where.
    pub path: HostPath,
    /// What it was.
    pub what: SavedKind,
    /// Its mode and owner.
    pub meta: Meta,
    /// Its extended attributes; `None` where they could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// When it was modified last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Modified>,
    /// Whether it was a file with hard links.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shared: bool,
    /// The file itself, under this name in the run's `undo` directory, when it had hard links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What sort of thing was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedKind {
    /// A file, its bytes in this file of the run's `undo` directory.
    File { blob: String, digest: Digest },
    /// A directory.
    Dir,
    /// A link and where it pointed.
    Link { target: HostPath },
}

/// What the change leaves behind: undo refuses a path that was changed since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// A file with these bytes.
    File(Digest),
    /// A link that points there.
    Link(HostPath),
    /// A directory.
    Dir,
    /// Nothing.
    Absent,
}
