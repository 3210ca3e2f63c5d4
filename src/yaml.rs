//! YAML as Ansible reads it: YAML 1.1's booleans and numbers, anchors, merge keys, its own tags. A file becomes the same
//! tree with positions as TOML does.

mod scalar;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Data, Entry, Node, Place, Source};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Lists and maps may be nested this deep.
const DEPTH_LIMIT: usize = 64;

/// Aliases may repeat this many values in all: a few lines of them could stand for billions.
const REPEATED_LIMIT: usize = 200_000;

/// Tags of YAML itself begin with this, as the parser spells `!!`.
const CORE: &str = "tag:yaml.org,2002:";

/// The tags of a value that ansible-vault encrypted,
const VAULT_TAGS: &[&str] = &["vault", "vault-encrypted"];
/// and the template that stands for it: as under Ansible, it is an error only where it is used.
pub const VAULTED: &str = "{{ vaulted() }}";

/// What a file holds; nothing when it is empty. A key that stands twice in a map is a warning, and the last one counts.
pub fn parse(source: &Arc<Source>, problems: &mut Diagnostics) -> Option<Node> {
    let mut reader = Reader {
        source,
        offsets: offsets(&source.text),
        parser: Parser::new_from_str(&source.text),
        anchors: HashMap::new(),
        repeated: 0,
        depth: 0,
        problems,
    };
    reader.document().unwrap_or_else(|problem| {
        reader.problems.push(problem);
        None
    })
}

/// A text that is no template, whatever stands in it, as a template that gives it. It cannot hold `endraw`.
fn literal(text: &str) -> Option<String> {
    match crate::template::is_plain(text) {
        true => Some(text.to_string()),
        false => (!text.contains("endraw")).then(|| format!("{{% raw %}}{text}{{% endraw %}}")),
    }
}

/// The byte at which each character starts; empty for ASCII, where they are the same.
fn offsets(text: &str) -> Vec<usize> {
    match text.is_ascii() {
        true => Vec::new(),
        false => text.char_indices().map(|(at, _)| at).collect(),
    }
}

type Result<T> = std::result::Result<T, Diagnostic>;

struct Reader<'a, 'p> {
    source: &'a Arc<Source>,
    offsets: Vec<usize>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    repeated: usize,
    depth: usize,
    problems: &'p mut Diagnostics,
}

impl Reader<'_, '_> {
    fn document(&mut self) -> Result<Option<Node>> {
        let mut found = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(found),
                Event::DocumentStart(_) if found.is_some() => {
                    let problem = Diagnostic::error("the file has a second document", &self.place(span));
                    return Err(problem.hint("keep one document a file"));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    found = Some(self.node(event, span)?);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'static>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((owned(event), span)),
            Some(Err(error)) => Err(self.wrong(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn wrong(&self, error: &ScanError) -> Diagnostic {
        let at = self.byte(error.marker().index());
        let place = Place { source: Arc::clone(self.source), span: at..at };
        Diagnostic::error(format!("this is not YAML: {}", error.info()), &place)
    }

    fn byte(&self, index: usize) -> usize {
        let at = if self.source.text.is_ascii() { Some(index) } else { self.offsets.get(index).copied() };
        at.unwrap_or(self.source.text.len()).min(self.source.text.len())
    }

    fn place(&self, span: Span) -> Place {
        let range: Range<usize> = self.byte(span.start.index())..self.byte(span.end.index());
        Place { source: Arc::clone(self.source), span: range }
    }

    fn node(&mut self, event: Event<'static>, span: Span) -> Result<Node> {
        self.depth += 1;
        let place = self.place(span);
        if self.depth > DEPTH_LIMIT {
            return Err(Diagnostic::error(format!("more than {DEPTH_LIMIT} levels deep"), &place));
        }
        let (anchor, data) = match event {
            Event::Alias(anchor) => (0, self.alias(anchor, &place)?),
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(&text, style, tag, &place)?),
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag, &["seq"], &place)?;
                (anchor, Data::List(self.list()?))
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag, &["map"], &place)?;
                (anchor, Data::Table(self.map()?))
            }
            other => return Err(Diagnostic::error(format!("this is not YAML: {other:?}"), &place)),
        };
        self.depth -= 1;
        let node = Node { place, data };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<Data> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error("an alias of something that contains it", place));
        };
        self.repeated += count(node);
        match self.repeated > REPEATED_LIMIT {
            true => {
                Err(Diagnostic::error(format!("aliases repeat more than {REPEATED_LIMIT} values"), place))
            }
            false => Ok(node.data.clone()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<Cow<'static, Tag>>,
        place: &Place,
    ) -> Result<Data> {
        let value = match tag {
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None => text.into(),
            Some(tag) if tag.handle == CORE => scalar::tagged(&tag.suffix, text).ok_or_else(|| {
                Diagnostic::error(format!("`{text}` is not of the type `!!{}`", tag.suffix), place)
            })?,
            Some(tag) if VAULT_TAGS.contains(&tag.suffix.trim_start_matches('!')) => VAULTED.into(),
            Some(tag) if tag.suffix.is_empty() || tag.suffix == "!" => text.into(),
            Some(tag) if tag.suffix == "unsafe" => literal(text)
                .ok_or_else(|| Diagnostic::error("an unsafe text cannot hold `endraw`", place))?
                .into(),
            Some(tag) => return Err(unknown_tag(&tag, place)),
        };
        Ok(Data::Scalar(value))
    }

    fn list(&mut self) -> Result<Vec<Node>> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(list),
                (event, span) => list.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<Entry>> {
        let (mut entries, mut merged) = (Vec::<Entry>::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span)?;
            match is_merge {
                true => merged.extend(merge(node)?),
                false => self.add(&mut entries, key, node)?,
            }
        }
        for entry in merged {
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn add(&mut self, entries: &mut Vec<Entry>, key: Node, node: Node) -> Result<()> {
        let Data::Scalar(value) = &key.data else {
            return Err(Diagnostic::error("a key must be a text or a number", &key.place));
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let entry = Entry { key: text, place: key.place, node };
        match entries.iter_mut().find(|known| known.key == entry.key) {
            None => entries.push(entry),
            Some(known) => {
                let message = format!("`{}` stands twice in this map; the last one counts", entry.key);
                let problem = Diagnostic::error(message, &entry.place).warning();
                self.problems.push(problem.label(format!("first at {}", known.place)));
                *known = entry;
            }
        }
        Ok(())
    }
}

/// The entries that `<<` brings in; of several maps the first one that has a key.
fn merge(node: Node) -> Result<Vec<Entry>> {
    match node.data {
        Data::Table(entries) => Ok(entries),
        Data::List(list) => Ok(list.into_iter().map(merge).collect::<Result<Vec<_>>>()?.concat()),
        Data::Scalar(_) => Err(Diagnostic::error("`<<` takes a map or a list of maps", &node.place)),
    }
}

fn check_tag(tag: Option<Cow<'static, Tag>>, known: &[&str], place: &Place) -> Result<()> {
    match tag {
        Some(tag) if tag.handle == CORE && known.contains(&tag.suffix.as_str()) => Ok(()),
        Some(tag) if tag.suffix == "unsafe" => {
            let problem = Diagnostic::error("`!unsafe` is read only at a text", place);
            Err(problem.hint("write it at each text of the list or map"))
        }
        Some(tag) => Err(unknown_tag(&tag, place)),
        None => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, place: &Place) -> Diagnostic {
    let suffix = tag.suffix.trim_start_matches('!');
    Diagnostic::error(format!("the tag `!{suffix}` is not known"), place)
        .hint("known are `!unsafe`, `!vault`, and `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map`, `!!seq`")
}

fn count(node: &Node) -> usize {
    1 + match &node.data {
        Data::Scalar(_) => 0,
        Data::List(list) => list.iter().map(count).sum(),
        Data::Table(entries) => entries.iter().map(|entry| count(&entry.node)).sum(),
    }
}

fn owned(event: Event<'_>) -> Event<'static> {
    let own = |tag: Option<Cow<'_, Tag>>| tag.map(|tag| Cow::Owned(tag.into_owned()));
    match event {
        Event::Nothing => Event::Nothing,
        Event::StreamStart => Event::StreamStart,
        Event::StreamEnd => Event::StreamEnd,
        Event::DocumentStart(explicit) => Event::DocumentStart(explicit),
        Event::DocumentEnd => Event::DocumentEnd,
        Event::Alias(anchor) => Event::Alias(anchor),
        Event::Scalar(text, style, anchor, tag) => {
            Event::Scalar(Cow::Owned(text.into_owned()), style, anchor, own(tag))
        }
        Event::SequenceStart(anchor, tag) => Event::SequenceStart(anchor, own(tag)),
        Event::SequenceEnd => Event::SequenceEnd,
        Event::MappingStart(anchor, tag) => Event::MappingStart(anchor, own(tag)),
        Event::MappingEnd => Event::MappingEnd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;
    use expect_test::expect;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        let mut problems = Diagnostics::default();
        let node = parse(&Source::new("x.yml", text), &mut problems);
        let value = node.map_or(Value::Null, |node| node.value());
        if problems.is_empty() { value.to_string() } else { problems.plain() }
    }

    #[test]
    fn maps_lists_anchors_and_merges() {
        let text = "base: &b {a: 1, b: 2}\nx:\n  <<: *b\n  b: 3\nl:\n- *b\n- 'q'\nt: |\n  a\n  b\n";
        let expected = r#"{"base":{"a":1,"b":2},"x":{"b":3,"a":1},"l":[{"a":1,"b":2},"q"],"t":"a\nb\n"}"#;
        assert_eq!(read(text), expected);
        assert_eq!(read(""), "null");
        assert_eq!(read("---\n# nothing\n"), "null");
        assert_eq!(read("8080: a\nyes: b\n"), r#"{"8080":"a","true":"b"}"#);
        assert_eq!(
            read("a: !unsafe '{{ x }}'\nb: !!str 5\n"),
            r#"{"a":"{% raw %}{{ x }}{% endraw %}","b":"5"}"#
        );
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        assert_eq!(read("ü: !vault abc"), r#"{"ü":"{{ vaulted() }}"}"#);
        expect![[r#"
            error: the tag `!nope` is not known
             --> x.yml:1:4
              |
            1 | ü: !nope abc
              |    ^^^^^^^^^
              |
              = hint: known are `!unsafe`, `!vault`, and `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map`, `!!seq`
        "#]]
        .assert_eq(&read("ü: !nope abc"));
        expect![[r#"
            warning: `a` stands twice in this map; the last one counts
             --> x.yml:2:1
              |
            2 | a: 2
              | ^ first at x.yml:1
        "#]]
        .assert_eq(&read("a: 1\na: 2\n"));
    }

    #[test]
    fn depth_and_repetition_are_bounded() {
        assert!(read(&"[".repeat(100)).contains("levels deep"));
        assert!(read(&"[".repeat(100_000)).contains("recursion limit"));
        let mut bomb = "a0: &a0 [x]\n".to_string();
        for level in 1..12 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(","));
        }
        assert!(read(&bomb).contains("aliases repeat more than"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c:0-9 \\-\\n\\[\\]{}&*!|>'\"#?,<ü]{0,40}") {
            let _ = read(&text);
        }
    }
}
