//! One command, run once.

use crate::model::Result;
use crate::model::job::Streaming;
use crate::model::mode::Mode;
use crate::model::op::{self, Accept, Answer, Condition, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::words::{Word, Words, environment};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Runs one command: exactly one of `argv`, `run` and `shell`. It is run each time, and counts as a change, unless
/// `creates`, `removes` or `check` shows that nothing is to be done, or `read_only` says that it changes nothing.
/// It finds what a login by ssh gives without a terminal: environment, locale, limits, and an empty standard input.
/// A secret belongs into `stdin` or `environment`: every user of a host can see arguments.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments, a list with a word each: the safe way for values that may hold spaces.
    argv: Option<Vec<Word>>,
    /// Program and arguments as one line. It is split into words as a shell does it, quotes included, but no shell
    /// runs, so pipes and variables are refused. Splitting comes after templates are filled in.
    run: Option<String>,
    /// A line for `/bin/sh -c`, pipes and all. Give it values through `environment` (`"$NAME"`): what a template
    /// puts into this text becomes shell.
    shell: Option<String>,
    /// Given to it on standard input, which is empty otherwise.
    #[serde(default)]
    stdin: String,
    /// Where it runs; the home directory of its user when not given, as in a login.
    directory: Option<HostPath>,
    /// The mode bits that files which it creates do not get, in octal: "027". "022" when not given.
    umask: Option<Mode>,
    /// Added to its environment.
    #[serde(default)]
    environment: BTreeMap<String, Word>,
    /// A path: when it exists there is nothing to do.
    creates: Option<HostPath>,
    /// A path: when it does not exist there is nothing to do.
    removes: Option<HostPath>,
    /// A command that only looks, as a list or a line: when it exits 0 there is nothing to do. It must exit 0 afterwards.
    check: Option<Words>,
    /// A command that undoes it, as a list or a line, for `runs undo` and `on_failure = "undo"`.
    undo: Option<Words>,
    /// Exit statuses that are fine; `[]` accepts every one. Only 0 when not given; with the
    /// step key `failed_when`, every one, except for what only looks.
    accept: Option<Vec<i32>>,
    /// It only looks: it runs under `--check` too and never counts as a change. After changes that `--check` only
    /// predicts it is not run, since its answer would be about the host before them.
    #[serde(default)]
    read_only: bool,
}

impl Kind for Command {
    const NAME: &'static str = "command";
    const RESULT: &'static [&'static str] = crate::step::OF_COMMANDS;
    const BACKGROUND: bool = true;
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the database has its tables"
[steps.command]
argv = ["bin/migrate", "--to", "{{ version }}"]
directory = "/srv/app"
umask = "027"                                           # what it creates is closed to others
environment = { DATABASE_URL = "{{ database_url }}" }   # not in argv: every user can see arguments
check = ["bin/migrate", "--is-at", "{{ version }}"]     # exits 0: nothing to do
undo = ["bin/migrate", "--back"]

[[steps]]
name = "dump the old accounts away"
[steps.command]
shell = 'pg_dump "$DATABASE" --table accounts | gzip > /var/backups/accounts.gz'
environment = { DATABASE = "app" }
creates = "/var/backups/accounts.gz"

[[steps]]
name = "end the import that hangs"
[steps.command]
run = "pkill --pidfile /run/import.pid"
removes = "/run/import.pid"
accept = [0, 1]

[[steps]]
name = "how many accounts there are"
register = "accounts"
[steps.command]
run = "psql --tuples-only --no-align app"
stdin = "select count(*) from accounts"
read_only = true
"#;
}

impl Step for Command {
    fn check(&self) -> Result<(), WrongKey> {
        let given = [self.argv.is_some(), self.run.is_some(), self.shell.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(WrongKey::new("", "give exactly one of argv, run and shell"));
        }
        self.words()?;
        check_umask(self.umask)?;
        let decides = self.creates.is_some() || self.removes.is_some() || self.check.is_some();
        if self.read_only && (decides || self.undo.is_some()) {
            let why = "a step that only looks is always run: leave creates, removes, check and undo out";
            return Err(WrongKey::new("read_only", why));
        }
        Ok(())
    }

    fn streams(&self) -> Streaming {
        Streaming::Whole
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let command = self.command(self.words().map_err(|wrong| wrong.in_step("command"))?);
        if self.read_only {
            return look(host, command, &self.accepted());
        }
        if wanted::is_done(host, self.creates.as_ref(), self.removes.as_ref())? || self.checks_out(host)? {
            return Ok(Plan::nothing());
        }
        let run = Run {
            accept: self.accepted(),
            undo: self
                .undo
                .as_ref()
                .map_or_else(|| Undo::impossible(super::NO_UNDO), |words| Undo::Command(self.aside(words))),
            predicts: self.check.iter().map(|words| prediction(self.aside(words))).collect(),
            confirm: self.check.as_ref().map(|words| self.aside(words)),
            ..Run::from(command)
        };
        Ok(Plan { once: self.check.is_none(), ..Plan::of(vec![run.into()]) })
    }
}

impl Command {
    fn words(&self) -> Result<Vec<String>, WrongKey> {
        match (&self.argv, &self.run, &self.shell) {
            (Some(list), ..) if list.is_empty() => Err(WrongKey::new("argv", "it names no program")),
            (Some(list), ..) => Ok(list.iter().cloned().map(String::from).collect()),
            (_, Some(line), _) => {
                Words::split(line).map(|words| words.to_vec()).map_err(|why| WrongKey::new("run", why))
            }
            (.., shell) => {
                Ok(["/bin/sh", "-c", shell.as_deref().unwrap_or_default()].map(str::to_string).to_vec())
            }
        }
    }

    fn command(&self, argv: Vec<String>) -> op::Command {
        op::Command {
            argv,
            environment: environment(&self.environment),
            stdin: self.stdin.clone().into_bytes(),
            directory: self.directory.clone(),
            login: true,
            ..op::Command::default()
        }
        .with_umask(self.umask)
    }

    /// A command beside the main one: same place and environment, its own standard input.
    fn aside(&self, words: &Words) -> op::Command {
        op::Command { stdin: Vec::new(), ..self.command(words.to_vec()) }
    }

    fn checks_out(&self, host: &dyn Probe) -> Result<bool> {
        match &self.check {
            Some(words) => Ok(host.ask(&self.aside(words))?.ok()),
            None => Ok(false),
        }
    }

    fn accepted(&self) -> Accept {
        match self.accept.as_deref() {
            None => Accept::Zero,
            Some([]) => Accept::Any,
            Some(statuses) => Accept::Of(statuses.to_vec()),
        }
    }
}

/// A umask takes permissions away, and there are nine of them.
fn check_umask(umask: Option<Mode>) -> Result<(), WrongKey> {
    match umask.filter(|umask| umask.bits() > 0o777) {
        Some(_) => Err(WrongKey::new("umask", "give at most \"777\"")),
        None => Ok(()),
    }
}

fn prediction(check: op::Command) -> Prediction {
    Prediction { argv: check.argv, answer: Answer::default() }
}

/// Asks at once. After pretended changes the answer would be about the past: then the wait for it is all there is.
fn look(host: &dyn Probe, command: op::Command, accept: &Accept) -> Result<Plan> {
    if host.pretends() {
        return Ok(Plan::awaiting(Condition::Succeeds { command }));
    }
    let answer = host.ask(&command)?;
    match accept.accepts(answer.status) {
        true => Ok(Plan {
            result: op::registered(answer.status, &answer.stdout, &answer.stderr),
            ..Plan::nothing()
        }),
        false => Err(refused(&command, &answer)),
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::Op;
    use crate::testing::{answer, apply, host, parse, planned, pretend_a_change};
    use expect_test::expect;

    #[test]
    fn runs_what_is_written_as_list_line_or_shell() {
        for (keys, told) in [
            ("argv = ['kill', '-9', 42]", "run kill -9 42\n"),
            ("run = 'echo \"a b\"'", "run echo 'a b'\n"),
            ("shell = 'echo $HOME | wc'", "run /bin/sh -c 'echo $HOME | wc'\n"),
        ] {
            assert_eq!(apply(&host(&[]), "command", keys).unwrap(), told);
        }
    }

    #[test]
    fn does_nothing_when_a_path_shows_that_it_is_done() {
        let host = host(&[("/srv/app", "")]);
        assert_eq!(apply(&host, "command", "run = 'a'\ncreates = '/srv/app'").unwrap(), "");
        assert_eq!(apply(&host, "command", "run = 'a'\nremoves = '/srv/old'").unwrap(), "");
        assert_eq!(apply(&host, "command", "run = 'a'\ncreates = '/srv/new'").unwrap(), "run a\n");
        assert_eq!(apply(&host, "command", "run = 'a'\nremoves = '/srv/app'").unwrap(), "run a\n");
    }

    #[test]
    fn a_check_decides_and_must_hold_afterwards() {
        let host = host(&[]);
        let keys = "run = 'bin/migrate'\ncheck = 'bin/migrate --is-done'";
        assert_eq!(apply(&host, "command", keys).unwrap(), "run bin/migrate\n");
        assert_eq!(apply(&host, "command", keys).unwrap(), "");
    }

    #[test]
    fn carries_all_that_the_command_needs() {
        let keys = "run = 'cat'\nstdin = 'hi'\ndirectory = '/srv'\nenvironment = { PORT = 80 }\naccept = [0, 3]\nundo = 'tac'";
        let plan = parse("command", keys).unwrap().plan(&host(&[])).unwrap();
        expect![[r#"
            {
              "ops": [
                {
                  "run": {
                    "command": {
                      "argv": [
                        "cat"
                      ],
                      "environment": {
                        "PORT": "80"
                      },
                      "stdin": [
                        104,
                        105
                      ],
                      "directory": "/srv",
                      "user": null,
                      "timeout": null,
                      "program": null,
                      "title": null,
                      "login": true
                    },
                    "input": null,
                    "accept": {
                      "of": [
                        0,
                        3
                      ]
                    },
                    "idle": null,
                    "undo": {
                      "command": {
                        "argv": [
                          "tac"
                        ],
                        "environment": {
                          "PORT": "80"
                        },
                        "stdin": [],
                        "directory": "/srv",
                        "user": null,
                        "timeout": null,
                        "program": null,
                        "title": null,
                        "login": true
                      }
                    },
                    "predicts": [],
                    "confirm": null,
                    "waits": [],
                    "advice": {
                      "hints": [],
                      "question": null
                    },
                    "effects": [],
                    "covers": []
                  }
                }
              ],
              "once": true,
              "result": {},
              "notes": [],
              "findings": [],
              "advice": {
                "hints": [],
                "question": null
              }
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&plan).unwrap());
    }

    #[test]
    fn a_umask_is_set_by_a_shell_that_becomes_the_program() {
        let plan = parse("command", "run = 'mkdir /srv/a'\numask = '027'").unwrap().plan(&host(&[])).unwrap();
        let Op::Run(run) = &plan.ops[0] else { panic!("{plan:?}") };
        assert_eq!(
            run.command.argv[2..],
            ["umask \"$1\"; shift; exec \"$@\"", "umask", "0027", "mkdir", "/srv/a"]
        );
        assert_eq!((run.command.shown().as_str(), run.command.login), ("mkdir /srv/a", true));
        let refused = parse("command", "run = 'a'\numask = '1777'").err().unwrap().to_string();
        assert_eq!(refused, "read command.umask: give at most \"777\"");
    }

    #[test]
    fn what_only_looks_is_asked_and_registered() {
        let host = host(&[]);
        answer(&host, "count", 0, "7\n8\n");
        let step = parse("command", "run = 'count'\nread_only = true").unwrap();
        let plan = step.plan(&host).unwrap();
        assert!(plan.is_empty());
        let told = serde_json::to_string(&plan.result).unwrap();
        assert_eq!(
            told,
            r#"{"status":0,"stdout":"7\n8","stdout_lines":["7","8"],"stderr":"","stderr_lines":[]}"#
        );
    }

    #[test]
    fn what_only_looks_cannot_be_known_after_pretended_changes() {
        let host = host(&[]);
        pretend_a_change(&host);
        let told = planned(&host, "command", "run = 'count'\nread_only = true");
        assert_eq!(told.unwrap(), "wait until count succeeds\n");
    }

    #[test]
    fn what_only_looks_can_fail() {
        let host = host(&[]);
        let plan = |keys| parse("command", keys).unwrap().plan(&host);
        let failure = plan("run = 'count'\nread_only = true").unwrap_err();
        assert_eq!(failure.to_string(), "run count: there is no such program on the host");
        assert!(plan("run = 'count'\nread_only = true\naccept = []").unwrap().is_empty());
    }

    #[test]
    fn refuses_keys_that_do_not_fit_together() {
        let refused = |keys| parse("command", keys).err().unwrap().to_string();
        assert_eq!(
            refused("stdin = 'x'"),
            "read the keys of command: give exactly one of argv, run and shell"
        );
        assert_eq!(
            refused("run = 'a'\nargv = ['a']"),
            "read the keys of command: give exactly one of argv, run and shell"
        );
        assert_eq!(
            refused("run = 'a | b'"),
            "read command.run: no shell reads this, so `|` would mean nothing; quote it with '…', or use a shell"
        );
        assert_eq!(
            refused("run = 'a'\nread_only = true\nundo = 'b'"),
            "read command.read_only: a step that only looks is always run: leave creates, removes, check and undo out"
        );
    }
}
