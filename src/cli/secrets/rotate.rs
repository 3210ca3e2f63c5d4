//! `windlass secrets rotate`: all files anew, to the recipients of today.

use super::super::{Done, Stop, answer};
use crate::model::Failure;
use crate::project::Project;
use crate::secrets;

/// Encrypts all files before any is replaced.
pub fn run(project: &Project, force: bool) -> Done {
    let doing = "encrypt the secrets anew";
    let recipients = super::recipients(project, doing)?;
    let lock = secrets::lock(&project.root)?;
    let documents = project.vault.documents().map_err(Stop::misused)?;
    let identities = project.vault.identities().map_err(Stop::misused)?;
    let mut files = Vec::new();
    for document in documents {
        let bytes = recipients.encrypt(&document.text).map_err(|why| Failure::new(doing, why))?;
        if !force && identities.decrypt(&bytes, doing).as_deref() != Ok(document.text.as_str()) {
            let failure =
                Failure::new(doing, "none of your own keys is a recipient: you could not read them any more");
            return Err(Stop::misused(
                failure.hint("add your public key to [secrets] recipients, or use --force"),
            ));
        }
        files.push((&document.path, bytes));
    }
    let mut text = String::new();
    for (path, bytes) in &files {
        lock.replace(path, bytes)?;
        text += &format!("wrote {}\n", project.name_of(path));
    }
    project
        .config
        .secrets
        .recipients
        .iter()
        .for_each(|recipient| text += &format!("can read: {recipient}\n"));
    answer(&text)
}
