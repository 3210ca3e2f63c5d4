//! A job of cron's.

mod schedule;

use crate::accounts::{self, Missing};
use crate::model::op::{Answer, Command, Content, Meta, Op, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::words::Word;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::{Lines, State};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where jobs have files of their own.
const DIRECTORY: &str = "/etc/cron.d";

/// Puts one job of a crontab back.
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
    /// The user it runs as; root when not given. The user must exist.
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
        // cron ignores the jobs of a user who does not exist, and says so only in its own log.
        if let Some(missing) = accounts::missing(host, &self.user)? {
            return if self.state == State::Absent && self.crontab {
                Ok(Plan::nothing())
            } else {
                self.unless_absent(host, missing)
            };
        }
        let plan = if self.crontab { self.plan_crontab(host) } else { self.plan_file(host) }?;
        Ok(Plan { notes: self.notes(), ..plan })
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
        let path = HostPath::from(DIRECTORY).join(&self.name);
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

    fn unless_absent(&self, host: &dyn Probe, missing: Missing) -> Result<Plan> {
        if self.state == State::Absent { self.plan_file(host) } else { missing.plan(host) }
    }

    /// What cron does with this job that is easily overlooked.
    fn notes(&self) -> Vec<String> {
        if self.state == State::Absent {
            return Vec::new();
        }
        let mut notes = Vec::new();
        if self.command().replace("\\%", "").contains('%') {
            let why =
                "cron ends the command at the first % without a backslash and gives it the rest as input";
            notes.push(format!("{why}: write \\% for a plain %"));
        }
        if schedule::has_both_days(&self.schedule()) {
            notes.push(
                "day of the month and day of the week are both given: it runs when either fits".to_string(),
            );
        }
        notes
    }

    fn plan_crontab(&self, host: &dyn Probe) -> Result<Plan> {
        let question = Command::new(["crontab", "-u", &self.user, "-l"]);
        let Some(bytes) = self.crontab_now(host, &question)? else { return Ok(Plan::nothing()) };
        let old = letters(&bytes);
        let new = self.edited(&old);
        if new == old {
            return Ok(Plan::nothing());
        }
        let predicts = vec![Prediction { argv: question.argv, answer: Answer::said(0, bytes_of(&new)) }];
        let write = Command { stdin: bytes_of(&new), ..Command::new(["crontab", "-u", &self.user, "-"]) };
        let run = Run { undo: Undo::Command(self.back(&old)), predicts, ..Run::from(write) };
        Ok(Plan::of(vec![run.into()]))
    }

    /// The user's crontab; none when there is nothing to look at and nothing to do. A user who is only pretended has an empty
    /// one, and a cron that is only pretended has not written any.
    fn crontab_now(&self, host: &dyn Probe, question: &Command) -> Result<Option<Vec<u8>>> {
        let answer = host.ask(question)?;
        let said = String::from_utf8_lossy(&answer.stderr).to_lowercase();
        match answer.status {
            0 if answer.total > answer.stdout.len() as u64 => {
                let why = format!("it has {} bytes, too many to edit", answer.total);
                Err(Failure::new(format!("read the crontab of {}", self.user), why)
                    .hint("leave crontab = true out"))
            }
            0 => Ok(Some(answer.stdout)),
            1 if said.contains("no crontab") => Ok(Some(Vec::new())),
            127 if self.state == State::Absent => Ok(None),
            _ if host.pretends() && (answer.status == 127 || said.contains("unknown")) => {
                Ok(Some(Vec::new()))
            }
            _ => Err(refused(question, &answer)),
        }
    }

    /// The command that gives the job the lines that it has now, whatever else is in the crontab by then.
    fn back(&self, old: &str) -> Command {
        let (mark, job) = (self.mark(), self.job());
        let lines = Lines::of(old);
        let found = lines.position(|line| line == letters(mark.as_bytes()));
        let there = found.map(|index| {
            lines.iter().skip(index).take(2).map(|line| format!("{line}\n")).collect::<String>()
        });
        let title = Some(format!("put job {} of {} back", self.name, self.user));
        let words = ["/bin/sh", "-c", BACK, "cron-back", &self.user, &mark, &job].map(str::to_string);
        Command { stdin: bytes_of(&there.unwrap_or_default()), title, ..Command::new(words) }
    }

    fn mark(&self) -> String {
        format!("{MARK} {}", self.name)
    }

    fn job(&self) -> String {
        format!("{} {}", self.schedule(), self.command())
    }

    /// The job is the line below its mark.
    fn edited(&self, old: &str) -> String {
        let (mark, job) = (letters(self.mark().as_bytes()), letters(self.job().as_bytes()));
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

/// A letter for each byte, so that bytes of any encoding can be edited as text and come back as they were.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes of such letters.
fn bytes_of(letters: &str) -> Vec<u8> {
    letters.chars().filter_map(|letter| u8::try_from(letter).ok()).collect()
}

fn root() -> String {
    "root".to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::{Answer, Command, Op, Prediction, Run, Undo};
    use crate::testing::{answer, apply, host, parse, planned, pretend_a_change, text};
    use expect_test::expect;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";

    #[test]
    fn writes_a_file_and_removes_it() {
        let host = host(&[("/etc/cron.d/x", ""), ("/etc/passwd", PASSWD)]);
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
        let host = host(&[("/etc/passwd", PASSWD)]);
        answer(&host, "crontab -u ann -l", 0, "* * * * * y\n");
        let keys = "name = 'renew'\nschedule = '@daily'\ncommand = 'x'\nuser = 'ann'\ncrontab = true";
        assert_eq!(apply(&host, "cron", keys).unwrap(), "run crontab -u ann -\n");
    }

    #[test]
    fn bytes_of_any_encoding_stay_as_they_are() {
        let host = host(&[("/etc/passwd", PASSWD)]);
        let there = b"# caf\xe9\n# windlass: renew\n@daily old\n".to_vec();
        let mut run = Run::from(Command::new(["true"]));
        let argv = ["crontab", "-u", "ann", "-l"].map(str::to_string).to_vec();
        run.predicts.push(Prediction { argv, answer: Answer::said(0, there) });
        host.suppose(&run);
        host.settle();
        let keys = "name = 'renew'\nschedule = '@daily'\ncommand = 'caf\u{e9}'\nuser = 'ann'\ncrontab = true";
        let plan = parse("cron", keys).unwrap().plan(&host).unwrap();
        let [Op::Run(run)] = plan.ops.as_slice() else { panic!("{plan:?}") };
        assert_eq!(run.command.stdin, b"# caf\xe9\n# windlass: renew\n@daily caf\xc3\xa9\n");
        let Undo::Command(back) = &run.undo else { panic!("{run:?}") };
        assert_eq!(back.stdin, b"# windlass: renew\n@daily old\n");
        assert_eq!(back.argv[4..], ["ann", "# windlass: renew", "@daily caf\u{e9}"]);
    }

    /// Runs `back.sh` with a `crontab` that keeps a file, and shows the file afterwards.
    fn put_back(now: Option<&str>, lines: &str) -> Option<String> {
        use std::io::Write;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let crontab = "#!/bin/sh\ncd \"$KEPT\"\ncase $3 in\n-l) cat tab ;;\n-r) rm tab ;;\n-) cat >new; mv new tab ;;\nesac\n";
        std::fs::write(path("crontab"), crontab).unwrap();
        std::fs::set_permissions(path("crontab"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        if let Some(now) = now {
            std::fs::write(path("tab"), now).unwrap();
        }
        let paths = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        #[expect(clippy::disallowed_methods, reason = "the script itself is what is tested, without a host")]
        let mut script = std::process::Command::new("/bin/sh");
        script.args(["-c", super::BACK, "cron-back", "ann", "# windlass: renew", "@daily new"]);
        script.env("PATH", paths).env("KEPT", directory.path()).stdin(std::process::Stdio::piped());
        let mut child = script.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        std::fs::read_to_string(path("tab")).ok()
    }

    #[test]
    fn undo_leaves_what_others_added_since() {
        let ours = "# windlass: renew\n@daily new\n";
        let old = "# windlass: renew\n@daily old\n";
        assert_eq!(put_back(Some(ours), ""), None);
        assert_eq!(put_back(None, ""), None);
        assert_eq!(put_back(Some(&format!("a\n{ours}b\n")), "").unwrap(), "a\nb\n");
        assert_eq!(put_back(Some(&format!("a\n{ours}b\n")), old).unwrap(), format!("a\n{old}b\n"));
        assert_eq!(put_back(Some("# windlass: renew\n@weekly by hand\n"), "").unwrap(), "@weekly by hand\n");
        assert_eq!(put_back(Some("b\n"), old).unwrap(), format!("b\n{old}"));
    }

    #[test]
    fn a_user_who_does_not_exist_is_refused() {
        let host = host(&[("/etc/passwd", PASSWD)]);
        let keys = "name = 'x'\nschedule = '@daily'\ncommand = 'y'\nuser = 'ghost'\n";
        expect![[r#"
            look up user ghost: the host has no such user
              hint: create it with a step of kind user first"#]]
        .assert_eq(&apply(&host, "cron", keys).unwrap_err().to_string());
        let absent = "name = 'x'\nstate = 'absent'\nuser = 'ghost'\n";
        assert_eq!(apply(&host, "cron", absent).unwrap(), "");
        assert_eq!(apply(&host, "cron", &format!("{absent}crontab = true")).unwrap(), "");
        pretend_a_change(&host);
        let told = planned(&host, "cron", keys).unwrap();
        assert_eq!(told, "wait until getent passwd ghost succeeds\n", "a pretended step may make it");
    }

    #[test]
    fn a_user_that_is_only_pretended_has_an_empty_crontab() {
        let host = host(&[("/etc/passwd", PASSWD)]);
        pretend_a_change(&host);
        let keys = "name = 'x'\nschedule = '@daily'\ncommand = 'y'\nuser = 'ann'\ncrontab = true";
        assert_eq!(planned(&host, "cron", keys).unwrap(), "run crontab -u ann -\n");
    }

    #[test]
    fn what_is_easily_overlooked_is_noted() {
        let notes = |keys: &str| {
            let step = parse("cron", &format!("name = 'x'\n{keys}")).unwrap();
            step.plan(&host(&[])).unwrap().notes.join("\n")
        };
        assert_eq!(notes("schedule = '0 0 */2 * 3'\ncommand = 'date +\\%s'"), "");
        assert!(notes("schedule = '@daily'\ncommand = 'date +%s'").contains("at the first %"));
        assert!(notes("schedule = '0 0 1-31/2 * 3'\ncommand = 'x'").contains("when either fits"));
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
