//! A page of Markdown: its prose, blocks, headings and links.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// What opens a generated part of a page, and what ends it.
pub const MADE: &str = "<!-- made from ";
pub const END: &str = "<!-- end -->";

pub struct Page {
    /// Relative to the package.
    pub path: PathBuf,
    pub text: String,
}

/// Where a line of a page stands.
enum Place {
    /// In a block that opened with this word behind its backticks.
    Block(String),
    Generated,
    Prose,
}

impl Page {
    pub fn read(path: &Path) -> Page {
        let text =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        Page { path: path.to_path_buf(), text }
    }

    /// Lines that a person wrote, without code.
    pub fn prose(&self) -> Vec<(usize, String)> {
        let lines = self.lines().into_iter().filter(|(_, place, _)| matches!(place, Place::Prose));
        lines.map(|(line, _, text)| (line, without_code(text))).collect()
    }

    /// Blocks of this language, each with the number of its first line.
    pub fn blocks(&self, language: &str) -> Vec<(usize, String)> {
        let mut blocks: Vec<(usize, String)> = Vec::new();
        let mut before = 0;
        for (line, place, text) in self.lines() {
            if !matches!(place, Place::Block(of) if of == language) {
                continue;
            }
            match blocks.last_mut().filter(|_| before + 1 == line) {
                Some((_, block)) => *block += &format!("{text}\n"),
                None => blocks.push((line, format!("{text}\n"))),
            }
            before = line;
        }
        blocks
    }

    pub fn headings(&self) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|(_, place, _)| !matches!(place, Place::Block(_)));
        lines.filter(|(_, _, text)| text.starts_with('#')).map(|(_, _, text)| text.to_string()).collect()
    }

    /// Targets of links, each with its line.
    pub fn links(&self) -> Vec<(usize, String)> {
        let lines = self.lines().into_iter().filter(|(_, place, _)| !matches!(place, Place::Block(_)));
        lines
            .flat_map(|(line, _, text)| targets(text).into_iter().map(move |target| (line, target)))
            .collect()
    }

    fn lines(&self) -> Vec<(usize, Place, &str)> {
        let (mut block, mut generated) = (None, false);
        let mut lines = Vec::new();
        for (index, text) in self.text.lines().enumerate() {
            let fence = text.trim_start().strip_prefix("```");
            generated = (generated || text.starts_with(MADE)) && text != END;
            let place = match (&block, fence) {
                (None, Some(language)) => {
                    block = Some(language.to_string());
                    continue;
                }
                (Some(_), Some(_)) => {
                    block = None;
                    continue;
                }
                (Some(language), None) => Place::Block(language.clone()),
                (None, None) if generated => Place::Generated,
                (None, None) => Place::Prose,
            };
            lines.push((index + 1, place, text));
        }
        lines
    }
}

fn targets(text: &str) -> Vec<String> {
    let text = without_code(text);
    let behind = text.split("](").skip(1);
    behind.filter_map(|rest| Some(rest.split_once(')')?.0.to_string())).collect()
}

/// The text outside of backticks.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// A heading's anchor, as GitHub and mdBook make it.
pub fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The path that a link of the page `from` names, without `..`.
pub fn joined(from: &Path, link: &str) -> PathBuf {
    let mut path = from.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

#[test]
fn a_page_is_read() {
    let text = "# The `a` page\nsee [b](b.md#c), not `[x](y)`\n```sh\nls\n```\n<!-- made from x -->\nz\n<!-- end -->\n";
    let page = Page { path: PathBuf::from("docs/guide/a.md"), text: text.to_string() };
    assert_eq!(page.links(), [(2, "b.md#c".to_string())]);
    assert_eq!(page.blocks("sh"), [(4, "ls\n".to_string())]);
    assert!(page.prose().iter().all(|(_, text)| text != "z"));
    assert_eq!(anchor(&page.headings()[0]), "the-a-page");
    assert_eq!(joined(&page.path, "../../README.md"), Path::new("README.md"));
}
