//! Containers that were replaced: stopped, and kept for a while under a name that says until when, so that there is a
//! way back. Docker's labels cannot be changed once a container is made, its name can.

use super::{Docker, instant};
use crate::model::Result;
use crate::model::op::{Answer, Command, Prediction};

/// A replaced container.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// In full.
    pub id: String,
    /// `app-until-20261123T053234Z`
    pub name: String,
    /// `running`, `exited` …
    pub status: String,
    /// From when on it may be removed, in seconds since 1970.
    pub until: i64,
}

/// The name of a container of `name` that is kept until then.
pub fn name_until(name: &str, until: i64) -> String {
    format!("{name}-until-{}", instant::compact(until))
}

/// Until when the container of this name is kept; `None` when it is no replaced one.
pub fn until(name: &str) -> Option<i64> {
    let (_, time) = name.rsplit_once("-until-")?;
    instant::read_compact(time)
}

impl Docker<'_> {
    /// The replaced containers of `name`, oldest first.
    pub fn kept(&self, name: &str) -> Result<Vec<Kept>> {
        let text = self.text(&question(name))?;
        let mut kept: Vec<Kept> = text.lines().filter_map(|line| read(name, line)).collect();
        kept.sort_by_key(|one| one.until);
        Ok(kept)
    }
}

/// What Docker will answer once these are the replaced containers of `name`.
pub fn prediction(name: &str, kept: &[Kept]) -> Prediction {
    let lines: String = kept.iter().map(|one| format!("{} {} {}\n", one.id, one.status, one.name)).collect();
    Prediction { argv: question(name).argv, answer: Answer::said(0, lines) }
}

fn question(name: &str) -> Command {
    let filter = format!("name=^/{name}-until-");
    let format = "{{.ID}} {{.State}} {{.Names}}";
    Command::new([
        "docker",
        "container",
        "ls",
        "--all",
        "--no-trunc",
        "--filter",
        &filter,
        "--format",
        format,
    ])
}

/// A dot in a name means any letter in Docker's filter, so that the name is looked at once more.
fn read(name: &str, line: &str) -> Option<Kept> {
    let mut words = line.split(' ');
    let (id, status, names) = (words.next()?, words.next()?, words.next()?);
    let found = names.split(',').find(|one| one.starts_with(&format!("{name}-until-")))?;
    let until = instant::read_compact(found.strip_prefix(&format!("{name}-until-"))?)?;
    Some(Kept { id: id.to_string(), name: found.to_string(), status: status.to_string(), until })
}
