//! A job of cron's.

mod schedule;

use crate::model::Result;
use crate::model::op::{Answer, Command, Content, Meta, Op, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::words::Word;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::{Lines, State};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where jobs have files of their own.
const FOLDER: &str = "/etc/cron.d";

/// Removes a crontab that is there.
const BACK: &str = include_str!("cron/back.sh");

/// What the first line of a job says in a user's crontab, with its name behind.
const MARK: &str = "# windlass:";

/// Lets cron run a command: by a file in `/etc/cron.d`, or by an entry in the user's own crontab, marked with the job's
/// name. Prefer `timer` on hosts with systemd: it logs, and it catches up.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The job's name, and the file's: letters, digits, `_` and `-` (cron ignores names with a dot).
    name: String,
    /// `present` when not given.
    #[serde(default)]
    state: State,
    /// When: five fields (minute, hour, day of the month, month, day of the week) or `@daily`, `@reboot` and the like. The
    /// host's time zone counts.
    schedule: Option<String>,
    /// What: one line for `/bin/sh`. A `%` ends it for cron, so one that is meant is written `\%`.
    command: Option<String>,
    /// As whom; root when not given.
    #[serde(default = "root")]
    user: String,
    /// Variables that it gets, each on a line above it (not with `crontab`, where they would hold for all that follows).
    #[serde(default)]
    environment: BTreeMap<String, Word>,
    /// Use the user's own crontab.
    #[serde(default)]
    crontab: bool,
}

impl Kind for Cron {
    const NAME: &'static str = "cron";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "yesterday's uploads are sorted at night"
[steps.cron]
name = "sort-uploads"
state = "present"       # or "absent"
schedule = "15 3 * * 1-5"
command = "/srv/shop/bin/sort-uploads --day yesterday"
user = "deploy"
environment = { MAILTO = "ops@example.com" }

[[steps]]
[steps.cron]
name = "renew"
schedule = "@daily"
command = "bin/renew"
user = "deploy"
crontab = true
"#;
}

impl Step for Cron {
    fn check(&self) -> Result<(), WrongKey> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(fits) {
            let why = format!("{:?} is not letters, digits, _ and -: cron would ignore the file", self.name);
            return Err(WrongKey::new("name", why));
        }
        if self.user.is_empty() || self.user.starts_with('-') || self.user.contains(char::is_whitespace) {
            return Err(WrongKey::new("user", format!("{:?} is not a user", self.user)));
        }
        if self.state == State::Absent {
            return Ok(());
        }
        let schedule =
            self.schedule.as_deref().ok_or_else(|| WrongKey::new("schedule", "it is not given"))?;
        schedule::check(schedule).map_err(|why| WrongKey::new("schedule", why))?;
        match self.command.as_deref().map(str::trim) {
            None | Some("") => Err(WrongKey::new("command", "it is not given")),
            Some(line) if line.contains(['\n', '\r']) => {
                Err(WrongKey::new("command", "it is more than one line"))
            }
            _ => self.check_environment(),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        if self.crontab { self.plan_crontab(host) } else { self.plan_file(host) }
    }
}

impl Cron {
    fn check_environment(&self) -> Result<(), WrongKey> {
        if self.crontab && !self.environment.is_empty() {
            let why = "in a crontab it would hold for every job that follows; set it in the command";
            return Err(WrongKey::new("environment", why));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let odd = |(name, value): &(&String, &Word)| {
            name.is_empty() || !name.bytes().all(fits) || value.as_str().contains(['\n', '\r', '"'])
        };
        match self.environment.iter().find(odd) {
            Some((name, _)) => {
                Err(WrongKey::new("environment", format!("{name:?} or its value cannot be written")))
            }
            None => Ok(()),
        }
    }

    fn schedule(&self) -> String {
        self.schedule.as_deref().unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn command(&self) -> &str {
        self.command.as_deref().unwrap_or_default().trim()
    }

    fn plan_file(&self, host: &dyn Probe) -> Result<Plan> {
        let path = HostPath::from(FOLDER).join(&self.name);
        if self.state == State::Absent {
            let there = host.stat(&path)?.is_some();
            return Ok(Plan::of(there.then_some(Op::Remove { path }).into_iter().collect()));
        }
        // cron refuses a file that others may write.
        let meta = Meta { mode: Some(0o644), owner: Some(0), group: Some(0) };
        Ok(Plan::of(wanted::file(host, &path, Content::Bytes(self.file().into_bytes()), &meta)?))
    }

    fn file(&self) -> String {
        let mut text = format!("{MARK} {}\n", self.name);
        let line = |(name, value): (&String, &Word)| format!("{name}=\"{}\"\n", value.as_str());
        text.extend(self.environment.iter().map(line));
        text + &format!("{} {} {}\n", self.schedule(), self.user, self.command())
    }

    fn plan_crontab(&self, host: &dyn Probe) -> Result<Plan> {
        let question = Command::new(["crontab", "-u", &self.user, "-l"]);
        let answer = host.ask(&question)?;
        let old = match answer.status {
            0 => String::from_utf8_lossy(&answer.stdout).into_owned(),
            // The user has none.
            1 if String::from_utf8_lossy(&answer.stderr).contains("no crontab") => String::new(),
            _ => return Err(refused(&question, &answer)),
        };
        let new = self.edited(&old);
        if new == old {
            return Ok(Plan::nothing());
        }
        let write =
            |text: &str| Command { stdin: text.into(), ..Command::new(["crontab", "-u", &self.user, "-"]) };
        let title = Some(format!("crontab -u {} -r", self.user));
        let words = ["/bin/sh", "-s", "--", &self.user];
        let remove = Command { stdin: BACK.into(), title, ..Command::new(words) };
        let undo = if old.is_empty() { remove } else { write(&old) };
        let predicts = vec![Prediction { argv: question.argv, answer: Answer::said(0, new.clone()) }];
        let run = Run { undo: Undo::Command(undo), predicts, ..Run::from(write(&new)) };
        Ok(Plan::of(vec![run.into()]))
    }

    /// The job is the line below its mark.
    fn edited(&self, old: &str) -> String {
        let mark = format!("{MARK} {}", self.name);
        let job = format!("{} {}", self.schedule(), self.command());
        let mut lines = Lines::of(old);
        let found = lines.position(|line| line == mark);
        let end = lines.iter().len();
        match (self.state, found) {
            (State::Absent, None) => {}
            (State::Absent, Some(index)) => lines.remove(index..(index + 2).min(end)),
            (State::Present, None) => lines.insert(end, [mark.as_str(), job.as_str()]),
            (State::Present, Some(index)) if index + 1 == end => lines.insert(end, [job.as_str()]),
            (State::Present, Some(index)) => lines.replace(index + 1, &job),
        }
        lines.text()
    }
}

fn root() -> String {
    "root".to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{answer, apply, host, parse, text};
    use expect_test::expect;

    #[test]
    fn writes_a_file_and_removes_it() {
        let host = host(&[("/etc/cron.d/x", "")]);
        let keys = "name = 'sort'\nschedule = '15 3  * * 1-5'\ncommand = 'sort -u'\nuser = 'ann'\nenvironment = { A = 'b c', N = 1 }";
        assert_eq!(apply(&host, "cron", keys).unwrap(), "write /etc/cron.d/sort\n");
        assert_eq!(
            text(&host, "/etc/cron.d/sort"),
            "# windlass: sort\nA=\"b c\"\nN=\"1\"\n15 3 * * 1-5 ann sort -u\n"
        );
        assert_eq!(
            apply(&host, "cron", "name = 'sort'\nstate = 'absent'").unwrap(),
            "remove /etc/cron.d/sort\n"
        );
    }

    #[test]
    fn edits_one_job_of_a_crontab() {
        let ours = "# windlass: renew\n@daily old\n";
        for (before, keys, after) in [
            ("", "command = 'x'", "# windlass: renew\n@daily x\n"),
            (
                "MAILTO=a\n* * * * * y",
                "command = 'x'",
                "MAILTO=a\n* * * * * y\n# windlass: renew\n@daily x\n",
            ),
            (ours, "command = 'x'", "# windlass: renew\n@daily x\n"),
            (ours, "state = 'absent'", ""),
            ("# windlass: renew\n@daily x\n@daily z\n", "state = 'absent'", "@daily z\n"),
        ] {
            let step: super::Cron =
                toml::from_str(&format!("name = 'renew'\nschedule = '@daily'\ncrontab = true\n{keys}"))
                    .unwrap();
            assert_eq!(step.edited(before), after);
            assert_eq!(step.edited(after), after);
        }
    }

    #[test]
    fn a_crontab_is_read_and_written_by_crontab() {
        let host = host(&[]);
        answer(&host, "crontab -u ann -l", 0, "* * * * * y\n");
        let keys = "name = 'renew'\nschedule = '@daily'\ncommand = 'x'\nuser = 'ann'\ncrontab = true";
        assert_eq!(apply(&host, "cron", keys).unwrap(), "run crontab -u ann -\n");
    }

    #[test]
    fn refuses_what_cron_would_ignore_or_misread() {
        let refused =
            |keys: &str| parse("cron", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
        expect![[r#"read cron.name: "a.b" is not letters, digits, _ and -: cron would ignore the file"#]]
            .assert_eq(&refused("name = 'a.b'"));
        expect![[r#"read cron.schedule: the minute "61" is not from 0 to 59"#]]
            .assert_eq(&refused("name = 'a'\nschedule = '61 * * * *'\ncommand = 'x'"));
        expect!["read cron.command: it is more than one line"]
            .assert_eq(&refused("name = 'a'\nschedule = '@daily'\ncommand = \"x\\ny\""));
        expect!["read cron.environment: in a crontab it would hold for every job that follows; set it in the command"]
            .assert_eq(&refused("name = 'a'\nschedule = '@daily'\ncommand = 'x'\ncrontab = true\nenvironment = { A = 1 }"));
    }
}
