//! A line of a text file.

use crate::model::Result;
use crate::model::mode::Mode;
use crate::model::op::{Content, Plan};
use crate::model::path::HostPath;
use crate::model::pattern::Pattern;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::{self, Lines, Place, State};
use serde::Deserialize;

/// Manages one line of a text file. Every other line stays as it is, with its ending.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The file on the host.
    path: HostPath,
    /// The whole line, without its ending.
    line: Option<String>,
    /// A regular expression. The last line that it matches is replaced by `line`; when none does, `line` is added
    /// unless it is there already. With `state = "absent"` every line that it matches is removed.
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
    /// Whether the line is to be there. `absent` removes every line that is `line` or that `match` matches.
    #[serde(default)]
    state: State,
    /// Where a line is added: behind the last line that this regular expression matches, or `end` (the default, also
    /// when nothing matches).
    after: Option<Place>,
    /// Where a line is added: in front of the last line that this regular expression matches, or `start`.
    before: Option<Place>,
    /// Creates the file when it is missing.
    #[serde(default)]
    create: bool,
    /// Permission bits: `"0644"`.
    mode: Option<Mode>,
    /// User name or id.
    owner: Option<String>,
    /// Group name or id.
    group: Option<String>,
}

impl Kind for Line {
    const NAME: &'static str = "line";
    const EXAMPLE: &'static str = r##"
[[steps]]
name = "no login as root"
notify = "reload ssh"
[steps.line]
path = "/etc/ssh/sshd_config"
match = '^#?\s*PermitRootLogin\b'
line = "PermitRootLogin no"
state = "present"
before = '^Match\b'                     # or after = "…", when no line matches
create = true
mode = "0600"
owner = "root"
group = "root"
"##;
}

impl Step for Line {
    fn check(&self) -> Result<(), WrongKey> {
        let (key, why) = match (&self.line, self.state) {
            (None, State::Present) => ("line", "it is not given"),
            (None, State::Absent) if self.pattern.is_none() => ("", "neither line nor match is given"),
            (Some(line), _) if line.contains(['\n', '\r']) => ("line", "it holds more than one line"),
            _ if self.after.is_some() && self.before.is_some() => ("before", "after is given too"),
            _ => return Ok(()),
        };
        Err(WrongKey::new(key, why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let Some(old) = lines::to_edit(host, &self.path, self.state, self.create)? else {
            return Ok(Plan::nothing());
        };
        let content = Content::Bytes(self.edited(&old).into_bytes());
        Ok(Plan::of(wanted::file(host, &self.path, content, &meta)?))
    }
}

impl Line {
    fn edited(&self, old: &str) -> String {
        let mut lines = Lines::of(old);
        match (self.state, &self.line) {
            (State::Present, Some(line)) => self.put(&mut lines, line),
            _ => lines.remove_if(|line| self.is_it(line)),
        }
        lines.text()
    }

    /// The line itself counts as a match: a `match` that does not match it would otherwise replace another each time.
    fn put(&self, lines: &mut Lines<'_>, line: &str) {
        let found = lines.iter().rposition(|there| self.is_it(there));
        match found {
            Some(index) => lines.replace(index, line),
            None => lines.insert(lines.index(self.after.as_ref(), self.before.as_ref()), [line]),
        }
    }

    fn is_it(&self, there: &str) -> bool {
        self.line.as_deref() == Some(there)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(there))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text};
    use expect_test::expect;

    /// The text of a file with this text once the step was applied, or why it was not.
    fn edit(before: &str, keys: &str) -> String {
        let host = host(&[("/f", before)]);
        match apply(&host, "line", &format!("path = '/f'\n{keys}")) {
            Ok(_) => text(&host, "/f"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn adds_a_line_at_the_end_once() {
        assert_eq!(edit("", "line = 'a'"), "a\n");
        assert_eq!(edit("x\n", "line = 'a'"), "x\na\n");
        assert_eq!(edit("a\nx", "line = 'a'"), "a\nx");
        assert_eq!(edit("aa\n", "line = 'a'"), "aa\na\n");
    }

    #[test]
    fn keeps_the_endings_there_are() {
        assert_eq!(edit("x\r\ny\r\n", "line = 'a'"), "x\r\ny\r\na\r\n");
        assert_eq!(edit("x", "line = 'a'"), "x\na\n");
        assert_eq!(edit("x\nport 1", "line = 'port 2'\nmatch = '^port'"), "x\nport 2");
        assert_eq!(edit("port 1\r\nx", "line = 'port 2'\nmatch = '^port \\d$'"), "port 2\r\nx");
    }

    #[test]
    fn replaces_the_last_match_only() {
        assert_eq!(edit("#P 1\nP 2\nP 3\nx\n", "line = 'P 9'\nmatch = '^#?P '"), "#P 1\nP 2\nP 9\nx\n");
        assert_eq!(edit("x\n", "line = 'P 9'\nmatch = '^#?P '"), "x\nP 9\n");
    }

    #[test]
    fn settles_though_its_pattern_does_not_match_its_line() {
        assert_eq!(edit("old 1\nold 2\n", "line = 'new'\nmatch = '^old'"), "old 1\nnew\n");
    }

    #[test]
    fn adds_beside_a_place() {
        assert_eq!(edit("[a]\n[b]\n", "line = 'k'\nafter = '^\\[a'"), "[a]\nk\n[b]\n");
        assert_eq!(edit("[a]\n[b]\n", "line = 'k'\nbefore = '^\\[b'"), "[a]\nk\n[b]\n");
        assert_eq!(edit("[a]\n[b]", "line = 'k'\nafter = '^\\[b'"), "[a]\n[b]\nk\n");
        assert_eq!(edit("[a]\n", "line = 'k'\nbefore = 'start'"), "k\n[a]\n");
        assert_eq!(edit("[a]\n", "line = 'k'\nafter = 'end'"), "[a]\nk\n");
        assert_eq!(edit("[a]\n", "line = 'k'\nbefore = 'nothing like it'"), "[a]\nk\n");
    }

    #[test]
    fn takes_out_every_line_that_is_it() {
        assert_eq!(edit("a\nb\r\na\nc", "line = 'a'\nstate = 'absent'"), "b\r\nc");
        assert_eq!(edit("a 1\nb\na 2", "match = '^a'\nstate = 'absent'"), "b\n");
        assert_eq!(edit("b\n", "match = '^a'\nstate = 'absent'"), "b\n");
    }

    #[test]
    fn a_missing_file_is_made_only_when_wanted() {
        let host = host(&[]);
        let failure = apply(&host, "line", "path = '/etc/x'\nline = 'a'").unwrap_err();
        expect![[r#"
            edit /etc/x: there is no such file
              hint: give create = true to create it"#]]
        .assert_eq(&failure.to_string());
        assert_eq!(apply(&host, "line", "path = '/etc/x'\nline = 'a'\nstate = 'absent'").unwrap(), "");
        let told = apply(&host, "line", "path = '/etc/x'\nline = 'ü'\ncreate = true\nmode = '0600'").unwrap();
        assert_eq!(told, "make directory /etc\nwrite /etc/x\n");
        assert_eq!(text(&host, "/etc/x"), "ü\n");
    }

    #[test]
    fn refuses_keys_that_contradict_each_other() {
        let told: Vec<_> = [
            "",
            "state = 'absent'",
            "line = \"a\\nb\"",
            "line = 'a'\nafter = 'x'\nbefore = 'y'",
            "line = 'a'\nmatch = '(a'",
            "line = 'a'\nstate = 'gone'",
        ]
        .map(|keys| edit("", keys))
        .into();
        expect![[r#"
            read line.line: it is not given
            read the keys of line: neither line nor match is given
            read line.line: it holds more than one line
            read line.before: after is given too
            read line.match: "(a" is not a regular expression: found open group without closing ')'
            read line.state: unknown variant `gone`, expected `present` or `absent`"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn refuses_what_is_not_text_and_takes_what_is_huge() {
        let huge = "0123456789\n".repeat(100_000);
        assert_eq!(edit(&huge, "line = 'x'").len(), huge.len() + 2);
        let host = host(&[]);
        use crate::system::System;
        host.write(std::path::Path::new("/f"), &mut &b"caf\xe9\n"[..], &Default::default()).unwrap();
        let failure = apply(&host, "line", "path = '/f'\nline = 'a'").unwrap_err();
        assert_eq!(failure.to_string(), "read /f: it is not text: byte 3 is not UTF-8");
    }
}
