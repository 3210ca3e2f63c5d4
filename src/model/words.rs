//! Words of a command line as people write them: a list, or one line that is split as a shell splits it. No shell runs.

use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// Program and arguments: at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<String>);

/// One word or value: text, or a number or boolean that a template gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(String);

impl Words {
    /// The words.
    pub fn to_vec(&self) -> Vec<String> {
        self.0.clone()
    }

    /// Splits a line at white space, with a shell's quotes and backslashes. What only a shell can do is refused rather
    /// than passed on as a word.
    pub fn split(line: &str) -> Result<Self, String> {
        let mut splitter = Splitter::default();
        for letter in line.chars() {
            splitter.take(letter)?;
        }
        Words::some(splitter.finish()?)
    }

    fn some(words: Vec<String>) -> Result<Self, String> {
        match words.is_empty() {
            true => Err("it names no program".to_string()),
            false => Ok(Words(words)),
        }
    }
}

impl Word {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Variables as a command takes them.
pub fn environment(words: &BTreeMap<String, Word>) -> BTreeMap<String, String> {
    words.iter().map(|(name, word)| (name.clone(), word.as_str().to_string())).collect()
}

impl From<Word> for String {
    fn from(word: Word) -> String {
        word.0
    }
}

/// Where the splitter is in its line.
#[derive(Clone, Copy, Default, PartialEq)]
enum Inside {
    #[default]
    Nothing,
    Single,
    Double,
    /// After a backslash, outside quotes or inside double ones.
    Escape,
    EscapeInDouble,
}

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: Option<String>,
    inside: Inside,
}

impl Splitter {
    fn take(&mut self, letter: char) -> Result<(), String> {
        match (self.inside, letter) {
            (Inside::Nothing, '\'') => self.open(Inside::Single),
            (Inside::Nothing, '"') => self.open(Inside::Double),
            (Inside::Nothing, '\\') => self.open(Inside::Escape),
            (Inside::Single, '\'') | (Inside::Double, '"') => self.inside = Inside::Nothing,
            (Inside::Double, '\\') => self.inside = Inside::EscapeInDouble,
            (Inside::Nothing, space) if space.is_whitespace() => self.words.extend(self.word.take()),
            (Inside::Nothing, '|' | '&' | ';' | '<' | '>') => return Err(needs_shell(letter)),
            (Inside::Nothing | Inside::Double, '$' | '`') => return Err(needs_shell(letter)),
            (Inside::Escape, _) => self.escaped(letter, Inside::Nothing),
            (Inside::EscapeInDouble, '"' | '\\' | '$' | '`') => self.escaped(letter, Inside::Double),
            (Inside::EscapeInDouble, _) => {
                self.push('\\');
                self.escaped(letter, Inside::Double);
            }
            _ => self.push(letter),
        }
        Ok(())
    }

    /// Quotes begin a word even when nothing is between them.
    fn open(&mut self, inside: Inside) {
        self.word.get_or_insert_default();
        self.inside = inside;
    }

    fn escaped(&mut self, letter: char, after: Inside) {
        self.push(letter);
        self.inside = after;
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn finish(mut self) -> Result<Vec<String>, String> {
        match self.inside {
            Inside::Nothing => {
                self.words.extend(self.word);
                Ok(self.words)
            }
            Inside::Single => Err("the quote ' is not closed".to_string()),
            Inside::Double | Inside::EscapeInDouble => Err("the quote \" is not closed".to_string()),
            Inside::Escape => Err("it ends with a backslash".to_string()),
        }
    }
}

fn needs_shell(letter: char) -> String {
    format!("no shell reads this, so `{letter}` would mean nothing; quote it with '…', or use a shell")
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_of(serde_json::Value::deserialize(deserializer)?).map(Word).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(line) => Words::split(&line),
            serde_json::Value::Array(list) => {
                list.into_iter().map(word_of).collect::<Result<_, _>>().and_then(Words::some)
            }
            other => Err(format!("{other} is not a command: write a list of words or one line")),
        };
        words.map_err(de::Error::custom)
    }
}

fn word_of(value: serde_json::Value) -> Result<String, String> {
    use serde_json::Value;
    let word = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        other => return Err(format!("{other} is not a word")),
    };
    match word.contains('\0') {
        true => Err("a word cannot hold a NUL".to_string()),
        false => Ok(word),
    }
}

#[cfg(feature = "controller")]
mod schema {
    use super::{Word, Words};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Word {
        fn schema_name() -> Cow<'static, str> {
            "word".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": ["string", "number", "boolean"] })
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl JsonSchema for Words {
        fn schema_name() -> Cow<'static, str> {
            "words".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let word = generator.subschema_for::<Word>();
            json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": word, "minItems": 1 }] })
        }

        fn inline_schema() -> bool {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<Vec<String>, String> {
        Words::split(line).map(|words| words.to_vec())
    }

    #[test]
    fn splits_as_a_shell_does() {
        for (line, words) in [
            ("systemctl  restart nginx", vec!["systemctl", "restart", "nginx"]),
            (r#"echo 'a b' "c d" e\ f"#, vec!["echo", "a b", "c d", "e f"]),
            (r#"printf "%s\n" '' "" x"#, vec!["printf", r"%s\n", "", "", "x"]),
            (r#"say "a \"quoted\" \$word" it''s"#, vec!["say", "a \"quoted\" $word", "its"]),
            ("grep '$HOME | x'", vec!["grep", "$HOME | x"]),
            ("ls caf\u{e9}\tx", vec!["ls", "caf\u{e9}", "x"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn refuses_what_only_a_shell_can_do() {
        let why = split("ps aux | grep nginx").unwrap_err();
        assert_eq!(why, "no shell reads this, so `|` would mean nothing; quote it with '…', or use a shell");
        for line in ["echo $HOME", "echo \"$HOME\"", "a && b", "a; b", "a > b", "echo `id`"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn refuses_what_is_not_whole() {
        assert_eq!(split("echo 'a").unwrap_err(), "the quote ' is not closed");
        assert_eq!(split("echo \"a").unwrap_err(), "the quote \" is not closed");
        assert_eq!(split("echo \\").unwrap_err(), "it ends with a backslash");
        assert_eq!(split("  ").unwrap_err(), "it names no program");
    }

    #[test]
    fn reads_lists_of_texts_numbers_and_booleans() {
        let read = |json: &str| serde_json::from_str::<Words>(json).map(|words| words.to_vec());
        assert_eq!(read(r#"["kill", 42, true]"#).unwrap(), ["kill", "42", "true"]);
        assert_eq!(read(r#""kill 42""#).unwrap(), ["kill", "42"]);
        assert_eq!(read("[]").unwrap_err().to_string(), "it names no program");
        assert_eq!(read("[[]]").unwrap_err().to_string(), "[] is not a word");
        assert!(read("7").is_err() && read("[\"a\\u0000b\"]").is_err());
    }
}
