//! A script of the project's, run on the host without being put there.

use crate::model::Result;
use crate::model::job::Streaming;
use crate::model::mode::Mode;
use crate::model::op::{Command, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::words::{Word, Words, environment};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Runs a script: exactly one of `file` and `content`. It is run each time, and counts as a change, unless `creates`
/// shows that nothing is to be done. Its text goes to the interpreter's standard input, so it is in no file and no
/// argument list on the host; commands in it that read standard input find the rest of the script there.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// A file below `files/` of the project that holds the script.
    file: Option<String>,
    /// The script itself.
    content: Option<String>,
    /// Program that reads it, with its options, as a list or a line. What the script's `#!` line names when not given,
    /// else `/bin/sh`. It must take a script from standard input: shells, python3, perl, ruby and node do.
    interpreter: Option<Words>,
    /// Arguments of the script.
    #[serde(default)]
    args: Vec<Word>,
    /// Added to its environment.
    #[serde(default)]
    environment: BTreeMap<String, Word>,
    /// Where it runs; the home directory of its user when not given, as in a login.
    directory: Option<HostPath>,
    /// The mode bits that files which it creates do not get, in octal: "027". "022" when not given.
    umask: Option<Mode>,
    /// A path: when it exists there is nothing to do.
    creates: Option<HostPath>,
    /// A command that undoes it, as a list or a line, for `runs undo` and `on_failure = "undo"`.
    undo: Option<Words>,
}

impl Kind for Script {
    const NAME: &'static str = "script";
    const RESULT: &'static [&'static str] = crate::step::OF_COMMANDS;
    const BACKGROUND: bool = true;
    const KEYS: &'static [(&'static str, KeyUse)] = &[("file", KeyUse::Text)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the search index is built"
[steps.script]
file = "build-index.py"                  # below files/
interpreter = ["python3", "-u"]          # its #! line when not given
args = ["--language", "{{ language }}"]
environment = { TOKEN = "{{ token }}" }
directory = "/srv/app"
umask = "027"                            # what it creates is closed to others
creates = "/srv/app/index/done"
undo = "rm -r /srv/app/index"

[[steps]]
name = "old sessions go"
[steps.script]
content = '''
find /var/lib/app/sessions -type f -mtime +2 -delete
'''
"#;
}

impl Step for Script {
    fn check(&self) -> Result<(), WrongKey> {
        match (&self.file, &self.content) {
            (Some(_), None) | (None, Some(_)) if self.umask.is_some_and(|umask| umask.bits() > 0o777) => {
                Err(WrongKey::new("umask", "give at most \"777\""))
            }
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(WrongKey::new("", "give exactly one of file and content")),
        }
    }

    fn streams(&self) -> Streaming {
        Streaming::Whole
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        if wanted::is_done(host, self.creates.as_ref(), None)? {
            return Ok(Plan::nothing());
        }
        let stdin = self.text().as_bytes().to_vec();
        let run = Run {
            undo: self.undo.as_ref().map_or_else(
                || Undo::impossible(super::NO_UNDO),
                |words| Undo::Command(self.command(words.to_vec())),
            ),
            ..Run::from(Command { stdin, title: Some(self.title()), ..self.command(self.argv()) })
        };
        Ok(Plan { once: true, ..Plan::of(vec![run.into()]) })
    }
}

impl Script {
    fn text(&self) -> &str {
        self.file.as_deref().or(self.content.as_deref()).unwrap_or_default()
    }

    fn command(&self, argv: Vec<String>) -> Command {
        let environment = environment(&self.environment);
        let directory = self.directory.clone();
        Command { argv, environment, directory, login: true, ..Command::default() }.with_umask(self.umask)
    }

    /// Not what makes its interpreter read standard input.
    fn title(&self) -> String {
        let arguments = self.args.iter().cloned().map(String::from).collect::<Vec<_>>();
        match arguments.is_empty() {
            true => "the script".to_string(),
            false => format!("the script with {}", Command::new(arguments).shown()),
        }
    }

    fn argv(&self) -> Vec<String> {
        let mut argv = match &self.interpreter {
            Some(words) => words.to_vec(),
            None => shebang(self.text()).unwrap_or_else(|| vec!["/bin/sh".to_string()]),
        };
        let from_stdin: &[&str] = if is_shell(&argv) { &["-s", "--"] } else { &["-"] };
        argv.extend(from_stdin.iter().map(|word| word.to_string()));
        argv.extend(self.args.iter().cloned().map(String::from));
        argv
    }
}

/// The program that a script's first line names, with its options.
fn shebang(text: &str) -> Option<Vec<String>> {
    let line = text.lines().next()?.strip_prefix("#!")?;
    let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
    (!words.is_empty()).then_some(words)
}

/// Whether it is a shell, which wants `-s` before arguments where others want `-`. `busybox sh` and `env bash` are named
/// by their last word that is no option.
fn is_shell(argv: &[String]) -> bool {
    let program =
        argv.iter().rev().find(|word| !word.starts_with('-')).map(String::as_str).unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    ["sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"].contains(&name)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::Op;
    use crate::testing::{apply, host, parse, planned};

    fn ran(keys: &str) -> String {
        let plan = parse("script", keys).unwrap().plan(&host(&[])).unwrap();
        let Op::Run(run) = &plan.ops[0] else { panic!("{plan:?}") };
        run.command.argv.join(" ")
    }

    #[test]
    fn the_text_goes_to_standard_input() {
        let step = parse("script", "content = 'echo secret'\nargs = [1, 'b c']").unwrap();
        let plan = step.plan(&host(&[])).unwrap();
        let Op::Run(run) = &plan.ops[0] else { panic!("{plan:?}") };
        assert_eq!(run.command.argv, ["/bin/sh", "-s", "--", "1", "b c"]);
        assert_eq!(run.command.stdin, b"echo secret");
    }

    #[test]
    fn its_first_line_or_a_key_names_the_interpreter() {
        assert_eq!(ran("content = '#!/usr/bin/env python3'"), "/usr/bin/env python3 -");
        assert_eq!(ran("content = '#! /bin/bash -e'\nargs = ['-x']"), "/bin/bash -e -s -- -x");
        assert_eq!(ran("content = '#!/bin/bash'\ninterpreter = 'busybox sh'"), "busybox sh -s --");
        assert_eq!(ran("content = '#!'"), "/bin/sh -s --");
    }

    #[test]
    fn people_know_it_as_the_script() {
        let plan = |keys| planned(&host(&[]), "script", keys).unwrap();
        assert_eq!(plan("content = 'x'"), "run the script\n");
        assert_eq!(plan("content = 'x'\nargs = [1, 'b c']"), "run the script with 1 'b c'\n");
    }

    #[test]
    fn does_nothing_when_what_it_creates_is_there() {
        let host = host(&[("/done", "")]);
        assert_eq!(apply(&host, "script", "content = 'x'\ncreates = '/done'").unwrap(), "");
        assert_eq!(apply(&host, "script", "content = 'x'\ncreates = '/todo'").unwrap(), "run the script\n");
    }

    #[test]
    fn refuses_two_sources_and_none() {
        for keys in ["args = []", "content = 'a'\nfile = 'b'"] {
            let failure = parse("script", keys).err().unwrap();
            assert_eq!(failure.to_string(), "read the keys of script: give exactly one of file and content");
        }
    }
}
