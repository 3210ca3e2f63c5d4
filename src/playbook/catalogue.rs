//! Which playbooks can be run by their name: the project's own, and those inside the binary.

use super::{SHIPPED, shipped};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Result;
use crate::model::nearest::did_you_mean;
use crate::project::Project;
use crate::source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Whose a playbook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A file in the project's `playbooks/`.
    Project,
    /// One inside the binary.
    Shipped,
}

impl Owner {
    /// The word in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Owner::Project => "project",
            Owner::Shipped => "shipped",
        }
    }
}

/// Every playbook by name. The project's own replaces a shipped one of the same name.
pub fn all(project: &Project) -> Result<BTreeMap<String, Owner>> {
    let shipped = shipped::SHIPPED.iter().map(|(name, _)| (name.to_string(), Owner::Shipped));
    let own = project.files("playbooks", false)?;
    let own = own.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let own = own.filter_map(|path| Some((path.file_stem()?.to_str()?.to_string(), Owner::Project)));
    Ok(shipped.chain(own).collect())
}

/// The text of the playbook of this name, or of the file at this path.
pub fn source(project: &Project, name: &str) -> Result<Arc<Source>, Diagnostics> {
    if name.contains('/') || name.ends_with(".toml") {
        return Ok(project.read(
            &std::path::absolute(name).ok().filter(|path| path.exists()).unwrap_or_else(|| name.into()),
        )?);
    }
    let path = Path::new("playbooks").join(format!("{name}.toml"));
    if project.root.join(&path).exists() {
        return Ok(project.read(&path)?);
    }
    if let Some(text) = shipped::find(name) {
        return Ok(Source::new(format!("{SHIPPED}{name}.toml"), text));
    }
    if let Some(stem) = name.strip_suffix(".yml").or(name.strip_suffix(".yaml")) {
        let problem = Diagnostic::elsewhere(format!("{name} is YAML, and playbooks are TOML"));
        return Err(problem.hint(format!("write playbooks/{stem}.toml, and name it `{stem}`")).into());
    }
    let all = all(project)?;
    let hint = did_you_mean(name, all.keys().map(String::as_str));
    let hint = hint.unwrap_or_else(|| "`windlass playbooks` lists the playbooks".to_string());
    Err(Diagnostic::elsewhere(format!("there is no playbook called `{name}`")).hint(hint).into())
}
