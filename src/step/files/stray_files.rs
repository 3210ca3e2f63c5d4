//! Files that were left lying about, by name and age.

use crate::model::duration::TimeSpan;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command, Condition, Plan, Prediction, Run, Undo};
use crate::model::refusal::refused;
use crate::model::size::decimal;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::tree::enter;
use serde::Deserialize;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// Removes files of a directory that another user may control. Argument: the directory. Standard input: the files in it,
/// each with a NUL behind it.
const REMOVE: &str = "enter \"$1\"; xargs -0 rm -f --\n";

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
                return Ok(Plan::awaiting(Condition::Succeeds { command: question }));
            }
            let found = found(host, &question, folder)?;
            total += found.iter().map(|stray| stray.size).sum::<u64>();
            plan.findings.extend(found.iter().map(|Stray { shown, size, .. }| {
                Finding::new("file", shown, Verdict::Info, decimal(*size))
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
        let words = ["find", folder, "-maxdepth", "1", "-type", "f", "-name", pattern, "-mmin", &minutes];
        Command::new(words.into_iter().chain(["-print0"]))
    }
}

/// A file that fits.
struct Stray {
    /// A file's name need not be text.
    name: OsString,
    /// Its path, with `\xff` for what is no text, and `\n` for a line end.
    shown: String,
    size: u64,
}

/// The files that fit.
fn found(host: &dyn Probe, question: &Command, folder: &str) -> Result<Vec<Stray>> {
    let answer = host.ask(question)?;
    if !answer.ok() {
        return Err(refused(question, &answer));
    }
    let paths: Vec<&[u8]> = answer.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    if paths.len() > FILES || answer.total > answer.stdout.len() as u64 {
        let why = format!("more than {FILES} files match, which is too many for this step");
        return Err(Failure::new(format!("look for files in {folder}"), why).hint("name fewer of them"));
    }
    let mut files = Vec::new();
    for path in paths.into_iter().map(|path| Path::new(OsStr::from_bytes(path))) {
        let name = path.file_name().filter(|_| path.parent() == Some(Path::new(folder)));
        let stat = host.stat(path)?.filter(|stat| stat.kind == FileKind::File);
        if let (Some(name), Some(stat)) = (name, stat) {
            files.push(Stray { name: name.to_os_string(), shown: shown(path), size: stat.size });
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// A path as people read it, on one line and without loss.
fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        shown.push_str(&chunk.valid().replace('\n', "\\n"));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// `folder`: its path without links.
fn removal(folder: &Path, found: &[Stray], question: Command) -> Run {
    let typed = ["rm", "-f", "--"].into_iter().chain(found.iter().map(|stray| stray.shown.as_str()));
    // Names that are no text travel on standard input.
    let stdin = found.iter().flat_map(|stray| [b"./", stray.name.as_bytes(), b"\0"].concat()).collect();
    let words =
        ["sh", "-c", &enter::script(REMOVE), "windlass", &folder.display().to_string()].map(str::to_string);
    let title = Some(Command::new(typed).shown());
    let command = Command { title, stdin, ..Command::new(words) };
    let predicts = vec![Prediction { argv: question.argv, answer: Answer::said(0, "") }];
    Run { predicts, undo: Undo::impossible("removed stray files are not kept"), ..Run::from(command) }
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
    use super::*;
    use crate::model::op::{Meta, Op};
    use crate::system::System;
    use crate::testing::{answer, apply, host, parse};
    use expect_test::expect;

    const FIND: &str = "find /root -maxdepth 1 -type f -name update-*.tar.gz -mmin +60 -print0";

    #[test]
    fn takes_what_was_named_and_nothing_else() {
        let host = host(&[("/root/update-1.tar.gz", "12345"), ("/root/sub/update-2.tar.gz", "")]);
        answer(
            &host,
            FIND,
            0,
            "/root/update-1.tar.gz\0/etc/passwd\0/root/sub/update-2.tar.gz\0/root/update-gone.tar.gz\0",
        );
        let told = apply(&host, "stray_files", "globs = ['/root/update-*.tar.gz', '/none/*.bak']").unwrap();
        assert_eq!(told, "run rm -f -- /root/update-1.tar.gz\n");
    }

    #[test]
    fn names_that_are_no_text_or_no_line_go_too_and_are_shown_escaped() {
        let host = host(&[("/root/x", "")]);
        let names: [&[u8]; 2] = [b"/root/update-\xff.tar.gz", b"/root/update-a\nb.tar.gz"];
        for name in names {
            host.write(Path::new(OsStr::from_bytes(name)), &mut &b"1"[..], &Meta::default()).unwrap();
        }
        host.settle();
        let words: Vec<String> = FIND.split(' ').map(str::to_string).collect();
        let mut run = Run::from(Command::new(["true"]));
        let found = Answer::said(0, names.join(&b"\0"[..]));
        run.predicts.push(Prediction { argv: words, answer: found });
        host.suppose(&run);
        host.settle();
        let step = parse("stray_files", "globs = ['/root/update-*.tar.gz']").unwrap();
        let plan = step.plan(&host).unwrap();
        let shown: Vec<String> = plan.findings.iter().map(|finding| finding.what.clone()).collect();
        assert_eq!(shown, [r"/root/update-a\nb.tar.gz", r"/root/update-\xff.tar.gz"]);
        let Op::Run(run) = &plan.ops[0] else { panic!("{plan:?}") };
        assert_eq!(run.command.stdin, b"./update-a\nb.tar.gz\0./update-\xff.tar.gz\0");
    }

    #[test]
    fn only_shows() {
        let host = host(&[("/root/update-1.tar.gz", "12345")]);
        answer(&host, FIND, 0, "/root/update-1.tar.gz\0");
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
