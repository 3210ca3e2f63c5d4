//! Some lines of a text file, between two marker lines.

use crate::model::mode::Mode;
use crate::model::op::{Content, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::{self, Lines, Place, State};
use serde::Deserialize;
use std::ops::Range;

/// Manages a block of lines in a text file. Two marker lines around it say which lines are ours; every other line
/// stays as it is, with its ending.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The file on the host.
    path: HostPath,
    /// The lines.
    content: Option<String>,
    /// Distinguishes several blocks of a file.
    #[serde(default)]
    name: String,
    /// The marker lines: `{mark}` becomes `BEGIN` and `END`, `{name}` the block's name. By default
    /// `# {mark} WINDLASS BLOCK {name}`; write another for files in which `#` begins no comment.
    #[serde(default = "default_marker")]
    marker: String,
    /// Whether the block is to be there. `absent` removes it with its markers.
    #[serde(default)]
    state: State,
    /// Where a new block goes: behind the last line that this regular expression matches, or `end` (the default, also
    /// when nothing matches).
    after: Option<Place>,
    /// Where a new block goes: in front of the last line that this regular expression matches, or `start`.
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

impl Kind for Block {
    const NAME: &'static str = "block";
    const EXAMPLE: &'static str = r##"
[[steps]]
name = "the fleet's hosts have names"
[steps.block]
path = "/etc/hosts"
name = "fleet"
marker = "# {mark} WINDLASS BLOCK {name}"
content = """
10.0.0.1 db
10.0.0.2 cache
"""
state = "present"
after = '^127\.'                        # or before = "…"
create = true
mode = "0644"
owner = "root"
group = "root"
"##;
}

fn default_marker() -> String {
    "# {mark} WINDLASS BLOCK {name}".to_string()
}

impl Step for Block {
    fn check(&self) -> Result<(), WrongKey> {
        let (key, why) = match &self.content {
            _ if !self.marker.contains("{mark}") => ("marker", "it does not hold {mark}"),
            _ if !self.name.is_empty() && !self.marker.contains("{name}") => {
                ("name", "marker does not hold {name}")
            }
            _ if self.begin().contains(['\n', '\r']) => ("marker", "it is more than one line"),
            _ if self.after.is_some() && self.before.is_some() => ("before", "after is given too"),
            None if self.state == State::Present => ("content", "it is not given"),
            Some(content) if content.lines().any(|line| self.marks(line).is_some()) => {
                ("content", "it holds a marker line")
            }
            _ => return Ok(()),
        };
        Err(WrongKey::new(key, why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let Some(old) = lines::to_edit(host, &self.path, self.state, self.create)? else {
            return Ok(Plan::nothing());
        };
        let content = Content::Bytes(self.edited(&old)?.into_bytes());
        Ok(Plan::of(wanted::file(host, &self.path, content, &meta)?))
    }
}

impl Block {
    fn edited(&self, old: &str) -> Result<String> {
        let mut lines = Lines::of(old);
        let found = self.find(&lines)?;
        match (self.state, found) {
            (State::Absent, None) => {}
            (State::Absent, Some(range)) => lines.remove(range),
            (State::Present, Some(range)) => {
                let inside = range.start + 1..range.end - 1;
                lines.remove(inside.clone());
                lines.insert(inside.start, self.wanted_lines());
            }
            (State::Present, None) => {
                let index = lines.index(self.after.as_ref(), self.before.as_ref());
                let (begin, end) = (self.begin(), self.end());
                let block = std::iter::once(begin.as_str()).chain(self.wanted_lines());
                lines.insert(index, block.chain([end.as_str()]));
            }
        }
        Ok(lines.text())
    }

    fn wanted_lines(&self) -> impl Iterator<Item = &str> {
        self.content.as_deref().unwrap_or_default().lines()
    }

    /// Where the block is, markers included. Damaged markers are a failure: guessing where a block ends would take
    /// out lines that are not ours.
    fn find(&self, lines: &Lines<'_>) -> Result<Option<Range<usize>>> {
        let marks: Vec<_> = lines.iter().map(|line| self.marks(line)).enumerate().collect();
        let marks: Vec<_> = marks.into_iter().filter_map(|(index, mark)| Some((index, mark?))).collect();
        match marks[..] {
            [] => Ok(None),
            [(begin, Mark::Begin), (end, Mark::End)] => Ok(Some(begin..end + 1)),
            [(line, Mark::Begin)] => {
                Err(self.damaged(format!("line {} begins the block and no line ends it", line + 1)))
            }
            [(line, Mark::End)] => {
                Err(self.damaged(format!("line {} ends the block and no line begins it", line + 1)))
            }
            _ => {
                let told: Vec<_> = marks.iter().map(|(line, _)| (line + 1).to_string()).collect();
                let why = format!(
                    "lines {} hold its markers, not one begin and one end behind it",
                    told.join(", ")
                );
                Err(self.damaged(why))
            }
        }
    }

    fn damaged(&self, why: String) -> Failure {
        let hint = format!("correct the markers by hand: {:?} and {:?}, once each", self.begin(), self.end());
        Failure::new(format!("edit {}", self.path), why).hint(hint)
    }

    fn marks(&self, line: &str) -> Option<Mark> {
        match line.trim_end() {
            line if line == self.begin() => Some(Mark::Begin),
            line if line == self.end() => Some(Mark::End),
            _ => None,
        }
    }

    fn begin(&self) -> String {
        self.mark("BEGIN")
    }

    fn end(&self) -> String {
        self.mark("END")
    }

    fn mark(&self, word: &str) -> String {
        let line = self.marker.replace("{mark}", word).replace("{name}", &self.name);
        line.trim_end().to_string()
    }
}

/// Which marker a line is.
#[derive(Clone, Copy)]
enum Mark {
    Begin,
    End,
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text};
    use expect_test::expect;

    /// The text of a file with this text once the step was applied, or why it was not.
    fn edit(before: &str, keys: &str) -> String {
        let host = host(&[("/f", before)]);
        match apply(&host, "block", &format!("path = '/f'\n{keys}")) {
            Ok(_) => text(&host, "/f"),
            Err(failure) => failure.to_string(),
        }
    }

    const OURS: &str = "# BEGIN WINDLASS BLOCK\na\n# END WINDLASS BLOCK\n";

    #[test]
    fn adds_changes_and_removes_the_block() {
        assert_eq!(edit("", "content = 'a'"), OURS);
        assert_eq!(edit("x", "content = \"a\\n\""), format!("x\n{OURS}"));
        assert_eq!(edit(&format!("x\n{OURS}y"), "content = \"ü\\n\\nb\""), {
            "x\n# BEGIN WINDLASS BLOCK\nü\n\nb\n# END WINDLASS BLOCK\ny"
        });
        assert_eq!(edit(&format!("x\n{OURS}y"), "state = 'absent'"), "x\ny");
        assert_eq!(edit("x", "state = 'absent'"), "x");
        assert_eq!(edit(OURS, "content = ''"), "# BEGIN WINDLASS BLOCK\n# END WINDLASS BLOCK\n");
    }

    #[test]
    fn keeps_the_endings_there_are() {
        let crlf = "x\r\n# BEGIN WINDLASS BLOCK\r\na\r\n# END WINDLASS BLOCK\r\n";
        assert_eq!(edit("x\r\n", "content = 'a'"), crlf);
        assert_eq!(edit(crlf, "content = \"a\\r\\n\""), crlf);
        assert_eq!(edit("# BEGIN WINDLASS BLOCK\na\n# END WINDLASS BLOCK", "content = 'b'"), {
            "# BEGIN WINDLASS BLOCK\nb\n# END WINDLASS BLOCK"
        });
    }

    #[test]
    fn blocks_with_names_live_side_by_side() {
        let two = edit(OURS, "content = 'b'\nname = 'two'\nbefore = 'start'");
        assert_eq!(two, format!("# BEGIN WINDLASS BLOCK two\nb\n# END WINDLASS BLOCK two\n{OURS}"));
        assert_eq!(edit(&two, "state = 'absent'\nname = 'two'"), OURS);
    }

    #[test]
    fn goes_beside_a_place_under_another_marker() {
        let keys = "content = 'k'\nmarker = '; {mark} ours'\nafter = '^\\[a'";
        assert_eq!(edit("[a]\n[b]\n", keys), "[a]\n; BEGIN ours\nk\n; END ours\n[b]\n");
    }

    #[test]
    fn damaged_markers_change_nothing() {
        let begin = "# BEGIN WINDLASS BLOCK\n";
        let end = "# END WINDLASS BLOCK\n";
        let told = [
            format!("x\n{begin}a\n"),
            format!("x\n\n{end}a\n"),
            format!("{end}{begin}"),
            format!("{OURS}{OURS}"),
        ]
        .map(|text| edit(&text, "content = 'a'"))
        .join("\n");
        expect![[r##"
            edit /f: line 2 begins the block and no line ends it
              hint: correct the markers by hand: "# BEGIN WINDLASS BLOCK" and "# END WINDLASS BLOCK", once each
            edit /f: line 3 ends the block and no line begins it
              hint: correct the markers by hand: "# BEGIN WINDLASS BLOCK" and "# END WINDLASS BLOCK", once each
            edit /f: lines 1, 2 hold its markers, not one begin and one end behind it
              hint: correct the markers by hand: "# BEGIN WINDLASS BLOCK" and "# END WINDLASS BLOCK", once each
            edit /f: lines 1, 3, 4, 6 hold its markers, not one begin and one end behind it
              hint: correct the markers by hand: "# BEGIN WINDLASS BLOCK" and "# END WINDLASS BLOCK", once each"##]]
        .assert_eq(&told);
    }

    #[test]
    fn refuses_keys_that_contradict_each_other() {
        let told = [
            "",
            "content = 'a'\nmarker = '# ours'",
            "content = 'a'\nmarker = '# {mark}'\nname = 'x'",
            "content = 'a'\nname = \"x\\ny\"",
            "content = 'a'\nafter = 'x'\nbefore = 'y'",
            "content = '# END WINDLASS BLOCK'",
        ]
        .map(|keys| edit("", keys))
        .join("\n");
        expect![[r#"
            read block.content: it is not given
            read block.marker: it does not hold {mark}
            read block.name: marker does not hold {name}
            read block.marker: it is more than one line
            read block.before: after is given too
            read block.content: it holds a marker line"#]]
        .assert_eq(&told);
    }
}
