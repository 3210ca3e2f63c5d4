//! `windlass secrets edit`: a decrypted copy in a private directory, an editor, and the result encrypted. The copy is removed
//! however it ends.

use super::super::{Done, Stop, answer, prompt};
use super::Draft;
use crate::model::{Doing, Failure, Result};
use crate::project::Project;
use crate::report::INTERRUPTED;
use crate::secrets::{self, Document};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Edits a file.
pub fn run(project: &Project, file: &str) -> Done {
    super::recipients(project, &format!("edit secrets/{file}.toml.age"))?;
    let draft = Draft::open(project, file)?;
    let doing = format!("edit {}", draft.path.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing(&doing)?;
    // From here on nothing ends this process before the copy is removed.
    let mut signals = runtime.block_on(async { Signals::listen() }).doing(&doing)?;
    let folder = private_folder().doing(&doing)?;
    let copy = folder.path().join(format!("{file}.toml"));
    write_copy(&copy, &draft.text).doing(&doing)?;
    let text = loop {
        match runtime.block_on(edited(&copy, &mut signals)).doing(&doing)? {
            Some(true) => {}
            Some(false) => {
                return Err(Stop::Broken(Failure::new(doing, "the editor failed; nothing is written")));
            }
            None => return Ok(INTERRUPTED),
        }
        let text = fs::read_to_string(&copy).doing(&doing)?;
        let Err(why) = Document::parse(&text) else { break text };
        let again = prompt::confirm(&format!("{why}. Edit it again?"));
        if again != Some(true) {
            return Err(Stop::misused(Failure::new(doing, why).hint("nothing is written")));
        }
    };
    if text == draft.text && draft.sealed.is_some() {
        return answer("nothing is changed\n");
    }
    draft.replace(project, &text, &secrets::lock(&project.root)?)?;
    answer(&format!("wrote {}\n", project.name_of(&draft.path)))
}

fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let ours_alone = fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("windlass-").permissions(ours_alone).tempdir_in(private_place())
}

/// In memory where that is possible: `$XDG_RUNTIME_DIR`, `/dev/shm`, else the directory for temporary files.
fn private_place() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw())
    };
    let memory = || Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir());
    runtime.filter(own).or_else(memory).unwrap_or_else(std::env::temp_dir)
}

fn write_copy(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// What would end this process at once, and leave the copy behind.
struct Signals {
    ended: Signal,
    hung_up: Signal,
    quit: Signal,
    /// Ctrl-C is the editor's own business.
    _interrupted: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            ended: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            _interrupted: signal(SignalKind::interrupt())?,
        })
    }

    async fn told_to_end(&mut self) {
        tokio::select! {
            _ = self.ended.recv() => {}
            _ = self.hung_up.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Whether the editor ended well; `None` when we got a signal to end, and ended it.
async fn edited(copy: &Path, signals: &mut Signals) -> Result<Option<bool>> {
    let doing = "start the editor";
    let set = |name: &str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_string());
    let mut words = editor.split_whitespace();
    let mut command = tokio::process::Command::new(words.next().unwrap_or("vi"));
    let failed = |why| {
        Failure::new(doing, format!("{editor}: {why}")).hint("name one: EDITOR=nano windlass secrets edit")
    };
    let mut child = command.args(words).arg(copy).spawn().map_err(failed)?;
    tokio::select! {
        status = child.wait() => Ok(Some(status.doing(doing)?.success())),
        () = signals.told_to_end() => end(child).await,
    }
}

async fn end(mut child: tokio::process::Child) -> Result<Option<bool>> {
    // It may have ended by itself.
    let _gone = child.kill().await;
    Ok(None)
}
