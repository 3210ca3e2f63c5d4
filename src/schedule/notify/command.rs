//! A program of the project's owner, which gets the notice on its standard input.

use super::{Command, Notice};
use crate::model::{Doing, Failure, Result};
use crate::trust;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

/// Of what a program says when it fails, so many bytes are reported.
const SAID_MOST: usize = 500;

impl Command {
    /// Runs it in the project's folder; exit code 0 means that it arrived. It is killed when its time is up.
    pub async fn tell(&self, notice: &Notice, root: &Path) -> Result<()> {
        let (program, arguments) =
            self.argv.split_first().ok_or_else(|| Failure::new("run it", "it is empty"))?;
        let doing = format!("run {program}");
        trust::program::words(&self.argv, root)?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .doing(&doing)?;
        let body = serde_json::to_vec(notice).doing("write the notice")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not want to read it is free not to.
            let _read_or_not = stdin.write_all(&body).await;
        }
        let output = child.wait_with_output().await.doing(&doing)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(Failure::new(doing, format!("{}{}", output.status, said(&output.stderr)))),
        }
    }
}

fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stderr[..stderr.len().min(SAID_MOST)]);
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.map(|line| format!(": {}", crate::report::escape::line(line))).unwrap_or_default()
}
