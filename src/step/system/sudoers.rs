//! A rule of sudo's.

use crate::model::guard::Guard;
use crate::model::op::{Command, Content, Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::State;
use serde::Deserialize;
use std::path::Path;

/// Where rules of their own are.
const FOLDER: &str = "/etc/sudoers.d";

/// What reads that directory.
const MAIN: &str = "/etc/sudoers";

/// sudo wants it so, and refuses to work at all when others may write.
const META: Meta = Meta { mode: Some(0o440), owner: Some(0), group: Some(0) };

/// Puts a rule into a file of its own in `/etc/sudoers.d`. One mistake there and sudo works for no one, so all rules
/// together, with this one, go through `visudo -c` first, and only what passes is ever written.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sudoers {
    /// The file's name: letters, digits, `_` and `-` (sudo ignores names with a dot).
    name: String,
    /// `present` when not given.
    #[serde(default)]
    state: State,
    /// The whole file, instead of the keys below.
    content: Option<String>,
    /// Who may: a user.
    user: Option<String>,
    /// Who may: a group.
    group: Option<String>,
    /// The user to work as; any user when not given.
    run_as: Option<String>,
    /// What: commands with absolute paths; everything when not given.
    commands: Option<Vec<String>>,
    /// Whether sudo asks for no password.
    #[serde(default)]
    nopasswd: bool,
    /// Whether the change is rolled back unless windlass can still become who it works as, over a new connection; true when
    /// not given.
    #[serde(default = "yes")]
    armed: bool,
}

impl Kind for Sudoers {
    const NAME: &'static str = "sudoers";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "deploy is root without a password"
[steps.sudoers]
name = "deploy"
state = "present"           # or "absent"
user = "deploy"             # or group = "admins"
nopasswd = true
armed = true                # rolled back unless a new connection confirms it

[[steps]]
name = "those who deploy may restart the shop, as root, and nothing else"
[steps.sudoers]
name = "shop"
group = "deployers"
run_as = "root"
commands = ["/usr/bin/systemctl restart shop", "/usr/bin/systemctl status shop"]

[[steps]]
[steps.sudoers]
name = "defaults"
content = "Defaults timestamp_timeout=5\n"
"#;
}

impl Step for Sudoers {
    fn check(&self) -> Result<(), WrongKey> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.bytes().all(fits) {
            let why = format!("{:?} is not letters, digits, _ and -: sudo would ignore the file", self.name);
            return Err(WrongKey::new("name", why));
        }
        self.check_words()?;
        let parts = [self.user.is_some(), self.group.is_some(), self.content.is_some()];
        match (self.state, parts.iter().filter(|given| **given).count()) {
            (State::Absent, _) | (State::Present, 1) => Ok(()),
            _ => Err(WrongKey::new("", "give exactly one of user, group and content")),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let path = HostPath::from(FOLDER).join(&self.name);
        let there = host.stat(&path)?;
        if self.state == State::Absent {
            return self.removal(host, path, there.is_some());
        }
        let text = self.text();
        let ops = wanted::file(host, &path, Content::Bytes(text.clone().into_bytes()), &META)?;
        if ops.iter().any(|op| matches!(op, Op::Write { .. })) {
            self.expect_read(host)?;
            self.expect_valid(host, Some(&text))?;
        }
        Ok(self.guarded(ops))
    }
}

impl Sudoers {
    fn check_words(&self) -> Result<(), WrongKey> {
        let words = [("user", &self.user), ("group", &self.group), ("run_as", &self.run_as)];
        for (key, word) in words.into_iter().filter_map(|(key, word)| Some((key, word.as_ref()?))) {
            let odd = |letter: char| letter.is_whitespace() || ",:=()!\\\"#".contains(letter);
            if word.is_empty() || word.contains(odd) || word.starts_with(['%', '-']) {
                return Err(WrongKey::new(key, format!("{word:?} is not a name")));
            }
        }
        for (index, command) in self.commands.iter().flatten().enumerate() {
            if !command.starts_with('/') || command.contains(['\n', '\r']) {
                let why = format!("{command:?} does not begin with the absolute path of a program");
                return Err(WrongKey::new(&format!("commands[{index}]"), why));
            }
        }
        match &self.commands {
            Some(commands) if commands.is_empty() => Err(WrongKey::new("commands", "it names none")),
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        if let Some(content) = &self.content {
            return if content.ends_with('\n') { content.clone() } else { format!("{content}\n") };
        }
        let who = match (&self.user, &self.group) {
            (Some(user), _) => user.clone(),
            (None, group) => format!("%{}", group.as_deref().unwrap_or_default()),
        };
        // A comma separates commands, : and = have a meaning too, so sudo wants them behind a backslash.
        let escaped = |command: &String| command.replace(',', "\\,").replace(':', "\\:").replace('=', "\\=");
        let commands =
            self.commands.as_ref().map(|all| all.iter().map(escaped).collect::<Vec<_>>().join(", "));
        let tag = if self.nopasswd { "NOPASSWD: " } else { "" };
        let run_as = self.run_as.as_deref().unwrap_or("ALL:ALL");
        format!("{who} ALL=({run_as}) {tag}{}\n", commands.as_deref().unwrap_or("ALL"))
    }

    fn removal(&self, host: &dyn Probe, path: HostPath, there: bool) -> Result<Plan> {
        if !there {
            return Ok(Plan::nothing());
        }
        // Other files may use an alias that this one defines.
        self.expect_valid(host, None)?;
        Ok(self.guarded(vec![Op::Remove { path }]))
    }

    /// A rule less, or one that denies, may be the one that windlass works by.
    fn guarded(&self, ops: Vec<Op>) -> Plan {
        let guard = (self.armed && !ops.is_empty()).then(Guard::default);
        Plan { guard, ..Plan::of(ops) }
    }

    /// A rule that nothing reads would be a rule that nobody has.
    fn expect_read(&self, host: &dyn Probe) -> Result<()> {
        let doing = format!("write {FOLDER}/{}", self.name);
        match text(host, MAIN)? {
            None if host.pretends() => Ok(()),
            None => {
                Err(Failure::new(doing, format!("there is no {MAIN}")).hint("install the package sudo first"))
            }
            Some(main) if main.lines().any(reads_folder) => Ok(()),
            Some(_) => Err(Failure::new(doing, format!("{MAIN} does not read that directory"))
                .hint(format!("add the line `@includedir {FOLDER}` to it"))),
        }
    }

    /// Asks visudo about all rules as they would be. The candidate comes first, so that its lines keep their numbers.
    fn expect_valid(&self, host: &dyn Probe, candidate: Option<&str>) -> Result<()> {
        let stdin = self.everything(host, candidate)?.into_bytes();
        let title = Some("visudo -c over all rules".to_string());
        let question = Command { stdin, title, ..Command::new(["visudo", "-c", "-f", "-"]) };
        let answer = host.ask(&question)?;
        match answer.status {
            0 => Ok(()),
            // sudo itself is among the changes that are only pretended.
            127 if host.pretends() => Ok(()),
            127 => Err(Failure::new(format!("check {FOLDER}/{}", self.name), "the host has no visudo")
                .hint("install the package sudo first")),
            _ => {
                let said = [&answer.stdout[..], &answer.stderr[..]].concat();
                let why = complaint(&String::from_utf8_lossy(&said), &self.name);
                Err(Failure::new(format!("check {FOLDER}/{}", self.name), why).hint("nothing was written"))
            }
        }
    }

    fn everything(&self, host: &dyn Probe, candidate: Option<&str>) -> Result<String> {
        let mut all = candidate.unwrap_or_default().to_string();
        let main = text(host, MAIN)?.unwrap_or_default();
        main.lines().filter(|line| !reads_folder(line)).for_each(|line| all.extend([line, "\n"]));
        if host.stat(Path::new(FOLDER))?.is_none() {
            return Ok(all);
        }
        for name in host.list(Path::new(FOLDER))? {
            let read = name
                .to_str()
                .is_some_and(|name| !name.contains('.') && !name.ends_with('~') && name != self.name);
            if read {
                let path = Path::new(FOLDER).join(&name);
                all.extend([text(host, &path.to_string_lossy())?.unwrap_or_default().as_str(), "\n"]);
            }
        }
        Ok(all)
    }
}

fn text(host: &dyn Probe, path: &str) -> Result<Option<String>> {
    let bytes = host.read(Path::new(path))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// `@includedir`, or `#includedir` as older files have it.
fn reads_folder(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    matches!(words.next(), Some("@includedir" | "#includedir"))
        && words.next().is_some_and(|folder| folder.trim_end_matches('/') == FOLDER)
}

/// visudo's first line that complains: `stdin:3:10: syntax error`.
fn complaint(said: &str, name: &str) -> String {
    let line =
        said.lines().find(|line| line.contains("stdin:")).or(said.lines().find(|line| !line.is_empty()));
    line.unwrap_or("visudo refuses it and says nothing").trim().replace("stdin:", &format!("{name}:"))
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::system::pretend::Pretend;
    use crate::testing::{answer, apply, host, parse, planned, pretend_a_change, text};
    use expect_test::expect;

    const MAIN: &str = "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n";

    fn with_sudo(status: i32, said: &str) -> Pretend<'static> {
        let host = host(&[("/etc/sudoers", MAIN), ("/etc/sudoers.d/README", "#\n")]);
        answer(&host, "visudo -c -f -", status, said);
        host
    }

    fn written(keys: &str) -> String {
        let host = with_sudo(0, "");
        apply(&host, "sudoers", &format!("name = 'x'\n{keys}")).unwrap();
        text(&host, "/etc/sudoers.d/x")
    }

    #[test]
    fn writes_a_rule() {
        assert_eq!(written("user = 'deploy'\nnopasswd = true"), "deploy ALL=(ALL:ALL) NOPASSWD: ALL\n");
        assert_eq!(
            written("group = 'ops'\nrun_as = 'root'\ncommands = ['/bin/a x=1,2', '/bin/b']"),
            "%ops ALL=(root) /bin/a x\\=1\\,2, /bin/b\n"
        );
        assert_eq!(written("content = 'Defaults insults'"), "Defaults insults\n");
    }

    #[test]
    fn what_visudo_refuses_is_never_written() {
        let host = with_sudo(1, "stdin:1:8: syntax error\ndeploy ALL=(\n       ^\n");
        let failure = apply(&host, "sudoers", "name = 'x'\ncontent = 'deploy ALL=('").unwrap_err();
        expect![[r#"
            check /etc/sudoers.d/x: x:1:8: syntax error
              hint: nothing was written"#]]
        .assert_eq(&failure.to_string());
        assert!(crate::system::Probe::stat(&host, "/etc/sudoers.d/x".as_ref()).unwrap().is_none());
    }

    #[test]
    fn all_rules_are_checked_together() {
        let host = host(&[
            ("/etc/sudoers", MAIN),
            ("/etc/sudoers.d/a", "A\n"),
            ("/etc/sudoers.d/x", "old\n"),
            ("/etc/sudoers.d/b.rpm", "B\n"),
        ]);
        let step: super::Sudoers = toml::from_str("name = 'x'\ncontent = 'new'").unwrap();
        let all = step.everything(&host, Some(&step.text())).unwrap();
        assert_eq!(all, "new\nroot ALL=(ALL:ALL) ALL\nA\n\n");
    }

    #[test]
    fn a_rule_that_nothing_reads_is_refused() {
        let none = host(&[]);
        let keys = "name = 'x'\nuser = 'deploy'";
        let failure = apply(&none, "sudoers", keys).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "write /etc/sudoers.d/x: there is no /etc/sudoers\n  hint: install the package sudo first"
        );
        pretend_a_change(&none);
        assert!(planned(&none, "sudoers", keys).unwrap().ends_with("write /etc/sudoers.d/x\n"));
        let other = host(&[("/etc/sudoers", "root ALL=(ALL) ALL\n")]);
        assert_eq!(
            apply(&other, "sudoers", keys).unwrap_err().why,
            "/etc/sudoers does not read that directory"
        );
    }

    #[test]
    fn removes_a_rule_and_leaves_what_is_so() {
        let host = with_sudo(0, "");
        apply(&host, "sudoers", "name = 'x'\nuser = 'deploy'").unwrap();
        let told = apply(&host, "sudoers", "name = 'x'\nstate = 'absent'").unwrap();
        assert_eq!(told, "remove /etc/sudoers.d/x\n");
        assert_eq!(apply(&host, "sudoers", "name = 'x'\nstate = 'absent'").unwrap(), "");
    }

    #[test]
    fn refuses_names_that_sudo_would_ignore_or_misread() {
        let refused =
            |keys: &str| parse("sudoers", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
        expect![[
            r#"read sudoers.name: "a.conf" is not letters, digits, _ and -: sudo would ignore the file"#
        ]]
        .assert_eq(&refused("name = 'a.conf'\nuser = 'x'"));
        expect![[r#"read sudoers.user: "x ALL=(ALL) ALL #" is not a name"#]]
            .assert_eq(&refused("name = 'a'\nuser = 'x ALL=(ALL) ALL #'"));
        expect![[r#"read sudoers.commands[0]: "ls" does not begin with the absolute path of a program"#]]
            .assert_eq(&refused("name = 'a'\nuser = 'x'\ncommands = ['ls']"));
        expect!["read the keys of sudoers: give exactly one of user, group and content"]
            .assert_eq(&refused("name = 'a'"));
    }
}
