//! What a journal says, line by line: what was about to be changed, and how it is taken back.

use crate::model::digest::Digest;
use crate::model::event::StepEnded;
use crate::model::job::RunId;
use crate::model::op::{Command, Meta};
use crate::model::outcome::HostOutcome;
use crate::model::path::HostPath;
use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// First: which run this is.
    Begin { run: RunId, host: String, who: String, epoch: u64, playbook: String, boot_id: String },
    /// About to change something: how it is taken back, and below which folder no link may be followed meanwhile.
    Intent {
        change: u32,
        step: u32,
        what: String,
        back: Back,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<HostPath>,
    },
    /// The changes after number `change` are taken back by whoever watches, unless they are disarmed in time. `agent` is
    /// the process that makes them, `ports_before` where sshd listened when they are about that.
    Armed { change: u32, step: u32, name: String, agent: u32, ports_before: Vec<u16> },
    /// Nobody watches over the changes after number `change` any more: they were confirmed, or are taken back.
    Disarmed { change: u32, confirmed: bool },
    /// A change was taken back.
    TakenBack { change: u32 },
    /// A step ended.
    Step(StepEnded),
    /// Last: how the run ended here.
    End { outcome: HostOutcome },
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// Nothing does.
    Nothing,
    /// What stood there is put back.
    Restore { path: HostPath, before: Vec<Saved>, left: Left },
    /// Two paths change places again; before it, these stood there.
    Exchange { one: Saved, other: Saved },
    /// Mode and owner are put back.
    Meta { path: HostPath, meta: Meta },
    /// A command does.
    Command(Command),
    /// The same command, once everything before it was restored.
    Again(Command),
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
}

/// What sort of thing was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedKind {
    /// A file, its bytes in this file of the run's `undo` folder.
    File { blob: String, digest: Digest },
    /// A directory.
    Dir,
    /// A link and where it pointed.
    Link { target: HostPath },
}

/// What the change leaves behind: undo refuses a path that somebody has changed since.
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
