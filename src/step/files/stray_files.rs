//! Files that were left lying about, by name and age.

use crate::model::duration::TimeSpan;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command, Condition, Op, Plan, Prediction, Run, Undo};
use crate::model::refusal::refused;
use crate::model::size::decimal;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::tree::enter;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// More files than this fit one name by mistake.
const FILES: usize = 500;

/// A pattern names something when it has so many letters that are no `*` or `?`.
const LITERAL: usize = 3;

/// Directories of which nothing is ever taken, nor of what is below them.
const UNTOUCHED: &[&str] =
    &["/proc", "/sys", "/dev", "/boot", "/var/lib/docker", "/var/lib/windlass", "/run"];

/// Removes regular files in named directories whose names match and which were not written to for a while. Only the
/// last part of a path may hold `*` and `?`; links are neither followed nor removed, and nothing below the directory is
/// looked at. With `apply = false` it only reports what would go and how much that frees, as findings. Undo cannot
/// restore any of it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StrayFiles {
    /// Paths whose last part may hold `*` and `?`: `"/root/update-*.tar.gz"`.
    globs: Vec<String>,
    /// A file that was written to more recently stays; `"1h"` when not given.
    #[serde(default = "an_hour")]
    older: TimeSpan,
    /// `false` only shows.
    #[serde(default = "yes")]
    apply: bool,
}

/// Removes files of a directory that another user may control. Arguments: the directory, the files in it.
const REMOVE: &str = "enter \"$1\"; shift; rm -f -- \"$@\"\n";

impl Kind for StrayFiles {
    const NAME: &'static str = "stray_files";
    const RESULT: &'static [&'static str] = &["count", "bytes"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "archives of old updates go"
[steps.stray_files]
globs = ["/root/update-*.tar.gz", "/srv/studio/*.bak"]
older = "48h"
apply = true            # false: only show what would go
"#;
}

impl Step for StrayFiles {
    fn check(&self) -> Result<(), WrongKey> {
        for (index, glob) in self.globs.iter().enumerate() {
            parts(glob).map_err(|why| WrongKey::new(&format!("globs[{index}]"), why))?;
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut plan = Plan::nothing();
        let mut total = 0;
        for glob in &self.globs {
            let (folder, pattern) = parts(glob).map_err(|why| Failure::new(format!("read {glob}"), why))?;
            if host.stat(Path::new(folder))?.is_none_or(|stat| stat.kind != FileKind::Dir) {
                continue;
            }
            let question = self.question(folder, pattern);
            if host.pretends() && !host.foretells(&question) {
                return Ok(unknown(question));
            }
            let found = found(host, &question, folder)?;
            total += found.iter().map(|(_, size)| size).sum::<u64>();
            plan.findings.extend(found.iter().map(|(path, size)| {
                Finding::new("file", path, Verdict::Info, decimal(*size))
                    .cell(decimal(*size))
                    .detail("bytes", *size)
            }));
            if self.apply && !found.is_empty() {
                plan.ops.push(removal(&host.follow(Path::new(folder))?, &found, question).into());
            }
        }
        plan.result.insert("count".to_string(), plan.findings.len().into());
        plan.result.insert("bytes".to_string(), total.into());
        if !plan.findings.is_empty() {
            let verb = if self.apply { "go" } else { "would go" };
            plan.notes.push(format!("{} files {verb}, which frees {}", plan.findings.len(), decimal(total)));
        }
        Ok(plan)
    }
}

impl StrayFiles {
    fn question(&self, folder: &str, pattern: &str) -> Command {
        let minutes = format!("+{}", self.older.get().as_secs() / 60);
        Command::new(["find", folder, "-maxdepth", "1", "-type", "f", "-name", pattern, "-mmin", &minutes])
    }
}

/// The files that fit, with their sizes. A name with a line end in it is not one line, and is left alone.
fn found(host: &dyn Probe, question: &Command, folder: &str) -> Result<Vec<(String, u64)>> {
    let answer = host.ask(question)?;
    if !answer.ok() {
        return Err(refused(question, &answer));
    }
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > FILES || answer.total > answer.stdout.len() as u64 {
        let why = format!("more than {FILES} files match, which is too many for this step");
        return Err(Failure::new(format!("look for files in {folder}"), why).hint("name fewer of them"));
    }
    let mut files = Vec::new();
    for line in lines.into_iter().filter(|line| Path::new(line).parent() == Some(Path::new(folder))) {
        if let Some(stat) = host.stat(Path::new(line))?.filter(|stat| stat.kind == FileKind::File) {
            files.push((line.to_string(), stat.size));
        }
    }
    files.sort();
    Ok(files)
}

/// `folder`: its path without links.
fn removal(folder: &Path, found: &[(String, u64)], question: Command) -> Run {
    let typed = ["rm", "-f", "--"].into_iter().chain(found.iter().map(|(path, _)| path.as_str()));
    let names = found.iter().filter_map(|(path, _)| Some(format!("./{}", path.rsplit_once('/')?.1)));
    let words =
        ["sh", "-c", &enter::script(REMOVE), "windlass", &folder.display().to_string()].map(str::to_string);
    let title = Some(Command::new(typed).shown());
    let command = Command { title, ..Command::new(words.into_iter().chain(names)) };
    let predicts = vec![Prediction { argv: question.argv, answer: Answer::said(0, "") }];
    Run { predicts, undo: Undo::impossible("removed stray files are not kept"), ..Run::from(command) }
}

/// A wait that check mode cannot see the end of.
fn unknown(command: Command) -> Plan {
    let condition = Condition::Succeeds { command };
    Plan::of(vec![Op::Await { condition, within: Duration::ZERO, every: Duration::ZERO }])
}

/// Directory and name of a glob that names something, in a place from which something may be taken.
fn parts(glob: &str) -> std::result::Result<(&str, &str), String> {
    let (folder, pattern) = glob.rsplit_once('/').unwrap_or(("", glob));
    let below = |one: &&&str| folder == **one || folder.starts_with(&format!("{one}/"));
    let literal = pattern.chars().filter(|letter| !matches!(letter, '*' | '?')).count();
    if !folder.starts_with('/') || folder.split('/').any(|part| part == ".." || part == ".") {
        return Err(format!("{glob:?} is not an absolute path of a file in a directory"));
    }
    if folder.contains(['*', '?', '[']) || pattern.contains(['[', '\\', '\n']) {
        return Err(format!("{glob:?}: only * and ?, and only in the last part"));
    }
    if literal < LITERAL {
        return Err(format!("{glob:?} names nothing: give at least {LITERAL} letters beside * and ?"));
    }
    match UNTOUCHED.iter().find(below) {
        Some(untouched) => Err(format!("{glob:?}: nothing is taken from {untouched}")),
        None => Ok((folder, pattern)),
    }
}

fn an_hour() -> TimeSpan {
    TimeSpan::seconds(3600)
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{answer, apply, host, parse};
    use expect_test::expect;

    const FIND: &str = "find /root -maxdepth 1 -type f -name update-*.tar.gz -mmin +60";

    #[test]
    fn takes_what_was_named_and_nothing_else() {
        let host = host(&[("/root/update-1.tar.gz", "12345"), ("/root/sub/update-2.tar.gz", "")]);
        answer(
            &host,
            FIND,
            0,
            "/root/update-1.tar.gz\n/etc/passwd\n/root/sub/update-2.tar.gz\n/root/update-gone.tar.gz\n",
        );
        let told = apply(&host, "stray_files", "globs = ['/root/update-*.tar.gz', '/none/*.bak']").unwrap();
        assert_eq!(told, "run rm -f -- /root/update-1.tar.gz\n");
    }

    #[test]
    fn only_shows() {
        let host = host(&[("/root/update-1.tar.gz", "12345")]);
        answer(&host, FIND, 0, "/root/update-1.tar.gz\n");
        let step = parse("stray_files", "globs = ['/root/update-*.tar.gz']\napply = false").unwrap();
        let plan = step.plan(&host).unwrap();
        assert!(plan.ops.is_empty());
        assert_eq!(plan.notes, ["1 files would go, which frees 5 B"]);
        assert_eq!(plan.findings[0].to_string(), "info    file /root/update-1.tar.gz: 5 B");
    }

    #[test]
    fn refuses_globs_that_name_too_much() {
        let refused = |glob: &str| {
            let told = parse("stray_files", &format!("globs = ['{glob}']")).err();
            told.map_or_else(|| "fine".to_string(), |failure| failure.why)
        };
        let told = [
            "/root/*",
            "/*.tar.gz",
            "root/*.bak",
            "/*/x.bak",
            "/root/../etc/*.bak",
            "/var/lib/docker/x/*.json",
            "/root/*.bak",
        ]
        .map(refused)
        .join("\n");
        expect![[r#"
            "/root/*" names nothing: give at least 3 letters beside * and ?
            "/*.tar.gz" is not an absolute path of a file in a directory
            "root/*.bak" is not an absolute path of a file in a directory
            "/*/x.bak": only * and ?, and only in the last part
            "/root/../etc/*.bak" is not an absolute path of a file in a directory
            "/var/lib/docker/x/*.json": nothing is taken from /var/lib/docker
            fine"#]]
        .assert_eq(&told);
    }
}
