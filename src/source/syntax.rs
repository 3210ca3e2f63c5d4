//! What helps with text that is not TOML.

use std::ops::Range;

/// What is said once of a file, instead of an error for each of its lines: message and hint.
pub type Whole = [&'static str; 2];

const YAML: Whole = [
    "this is YAML, and must be TOML",
    "`key: value` is key = \"value\" here, and each task is [[steps]] with a table for its kind",
];

const CONFLICT: Whole = [
    "this file has a merge conflict",
    "keep one of the two sides, and remove the lines that start with <<<<<<<, ======= and >>>>>>>",
];

const COMMENT: &str = "a comment starts with `#`";
const PAIR: &str = "write `key = value`: this is TOML";
const LIST: &str = "close the list with ]; its elements are separated by commas";
const TABLE: &str = "close the table with }; its keys are separated by commas: { a = 1, b = \"x\" }";

/// What a file is that cannot be parsed, where its first wrong line says all: that line, and what to say of it.
pub fn whole(text: &str) -> Option<(Range<usize>, Whole)> {
    let conflict = || conflict(text).map(|line| (line, CONFLICT));
    yaml(text).map(|line| (line, YAML)).or_else(conflict)
}

/// The first line of a file that is YAML.
fn yaml(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let text = line.trim_end();
        if !text.is_empty() && !text.starts_with('#') {
            return is_yaml(text).then_some(at..at + text.len());
        }
        at += line.len();
    }
    None
}

fn is_yaml(line: &str) -> bool {
    let key = line.split_once(':').map(|(key, rest)| (key, rest.is_empty() || rest.starts_with(' ')));
    let letters = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    line == "---" || line.starts_with("- ") || key.is_some_and(|(key, ends)| ends && letters(key))
}

/// The first line of a conflict that git left.
fn conflict(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<< ") {
            return Some(at..at + line.trim_end().len());
        }
        at += line.len();
    }
    None
}

/// What to write where the parser found something else.
pub fn hint(text: &str, at: usize, message: &str) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.split('\n').next().unwrap_or_default();
    let at = at - start;
    if message.contains("duplicate key") {
        return Some(of_duplicate(line.trim()));
    }
    if message.contains("escape") || message.contains("unicode value") {
        return Some("write \\\\ for a backslash, or put the text in single quotes".to_string());
    }
    of_letter(line, at, message).or_else(|| of_line(line, at, message))
}

fn of_duplicate(line: &str) -> String {
    let list = line.strip_prefix("[[").and_then(|rest| rest.split(']').next());
    match list {
        Some(name) => format!("the first [{name}.…] of the file has no [[{name}]] before it"),
        None if line.starts_with('[') => format!("{line} stands above: each step begins with [[steps]]"),
        None => "write a key once in its table".to_string(),
    }
}

/// What to do about a letter that cannot stand at this place of a line.
fn of_letter(line: &str, at: usize, message: &str) -> Option<String> {
    let rest = line.get(at..)?;
    let letter = rest.chars().next();
    if message.contains("carriage return") || letter.is_some_and(|letter| letter == '\r' && rest.len() > 1) {
        return Some("this is a carriage return without a newline: end each line with a newline".to_string());
    }
    let is_comment = rest.starts_with("//") && !message.contains("must be quoted");
    if is_comment || line.trim_start().starts_with("//") {
        return Some(COMMENT.to_string());
    }
    let letter = letter?;
    let code = u32::from(letter);
    match letter {
        ';' if message.contains("newline") => Some("leave out the `;`: a line ends without it".to_string()),
        ';' => Some("write `,` instead of `;`".to_string()),
        '“' | '”' | '„' | '‘' | '’' | '‚' | '«' | '»' => {
            Some(format!("`{letter}` is no quote in TOML: write \" or \'"))
        }
        '\r' | '\t' => None,
        '\u{a0}' => Some("this is a no-break space (U+00A0): write a plain space".to_string()),
        _ if letter.is_control() => {
            let name = match letter {
                '\0' => "a NUL byte",
                '\u{1b}' => "an escape byte",
                _ => "a control character",
            };
            Some(format!("this is {name} (U+{code:04X}): remove it, or write \\u{code:04X} in double quotes"))
        }
        _ if !letter.is_ascii() && !letter.is_alphanumeric() && !line[..at].contains(['"', '\'']) => {
            Some(format!("`{letter}` (U+{code:04X}) can stand only in quotes"))
        }
        _ => None,
    }
}

/// What to write instead of what stands at this place of a line.
fn of_line(line: &str, at: usize, message: &str) -> Option<String> {
    let (before, rest) = line.split_at_checked(at)?;
    let is_colon = before.trim_end().ends_with(':') || rest.starts_with(':');
    if is_colon && (message.contains("missing assignment") || message.contains("unquoted key")) {
        return Some(PAIR.to_string());
    }
    // A quote right before it ends a text too early.
    if message.contains("missing comma between key-value pairs") && !before.ends_with(['"', '\'']) {
        return Some(TABLE.to_string());
    }
    let first = line.split_once('=').map(|(_, value)| value.trim());
    match (value_at(line, at), first) {
        (None, None) if line.contains(": ") || line.trim_end().ends_with(':') => Some(PAIR.to_string()),
        (None, None) => None,
        (Some(""), _) | (None, Some("")) => Some("write a value behind `=`: text goes in quotes".to_string()),
        (value, first) => {
            let own = value.and_then(|value| of_value(value, message));
            own.or_else(|| of_value(first?, message))
        }
    }
}

/// What stands behind the last `=` that is before a place and not in quotes.
fn value_at(line: &str, at: usize) -> Option<&str> {
    let (mut quote, mut escaped, mut start) = (None, false, None);
    for (index, letter) in line.char_indices().take_while(|(index, _)| *index < at) {
        match quote {
            Some(open) if letter == open && !escaped => quote = None,
            None if letter == '=' => start = Some(index + 1),
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
        escaped = letter == '\\' && quote == Some('"') && !escaped;
    }
    line.get(start?..).map(str::trim)
}

fn of_value(value: &str, message: &str) -> Option<String> {
    let word: String = value.chars().take_while(|letter| !" \t,]}#".contains(*letter)).collect();
    let digits = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    match word.as_str() {
        "yes" | "on" | "True" | "Yes" | "TRUE" => Some("write true".to_string()),
        "no" | "off" | "False" | "No" | "FALSE" => Some("write false".to_string()),
        "null" | "None" | "none" | "~" => Some("leave the key out: TOML has no null".to_string()),
        word if word.starts_with('0') && digits(word) => Some(format!("put it in quotes: \"{word}\"")),
        word if word.starts_with("{{") => Some("put the expression in quotes: \"{{ … }}\"".to_string()),
        word if word.starts_with(['"', '\'']) => quotes(value, message),
        word if word.starts_with('[') => Some(LIST.to_string()),
        word if word.starts_with('{') => Some(TABLE.to_string()),
        word if word.starts_with(|first: char| first.is_alphabetic() || "/~.$%@".contains(first)) => {
            Some(format!("put text in quotes: \"{}\"", text_of(value, word)))
        }
        _ => None,
    }
}

/// A text that has no quotes: the rest of its line, or up to what ends a value in a list or an inline table.
fn text_of<'a>(value: &'a str, word: &'a str) -> &'a str {
    let ends_inside = value.trim_end().ends_with(['}', ']']);
    if ends_inside { word } else { value.trim_matches(['"', '\'']) }
}

fn quotes(value: &str, message: &str) -> Option<String> {
    let quote = &value[..1];
    let count = value.matches(quote).count();
    if count == 1 || message.contains(&format!("expected `{quote}`")) {
        let three = quote.repeat(3);
        return Some(format!("close the text with {quote}; text of several lines goes between {three}"));
    }
    match message.contains("unexpected key or value") {
        true if count == 2 => Some("only a comment, which starts with `#`, may follow the text".to_string()),
        false if count == 2 => None,
        _ => Some(format!("a {quote} inside the text needs the other kind of quotes around it")),
    }
}

#[cfg(test)]
mod tests {
    use crate::source::{Node, Source};

    fn hints(text: &str) -> String {
        let problems = Node::parse(&Source::new("x.toml", text)).unwrap_err();
        problems.iter().map(|problem| problem.hint.clone().unwrap_or_default()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_nearly_toml_gets_the_right_form() {
        for (text, hint) in [
            ("become = yes\n", "write true"),
            ("a = False\n", "write false"),
            ("mode = 0644\n", "put it in quotes: \"0644\""),
            ("path = /etc/motd\n", "put text in quotes: \"/etc/motd\""),
            ("a = {{ x }}\n", "put the expression in quotes: \"{{ … }}\""),
            ("a = null\n", "leave the key out: TOML has no null"),
            ("a = \n", "write a value behind `=`: text goes in quotes"),
            ("[a]\nb = 1\nb = 2\n", "write a key once in its table"),
        ] {
            let found = hints(text);
            assert!(found.contains(hint), "{text}: {found}");
        }
    }

    #[test]
    fn a_mistake_in_an_inline_table_gets_the_hint_that_it_has_elsewhere() {
        let backslash = "write \\\\ for a backslash, or put the text in single quotes";
        for (text, hint) in [
            ("t = { path = \"/x\", match = \"^\\d+\" }\n", backslash),
            ("t = { path = \"C:\\Users\" }\n", backslash),
            ("t = { path = \"/x\", mode = 0644 }\n", "put it in quotes: \"0644\""),
            ("t = { a = yes, b = 1 }\n", "write true"),
            ("t = { path = /etc/motd, b = 1 }\n", "put text in quotes: \"/etc/motd\""),
            ("t = { message = {{ x }} }\n", "put the expression in quotes: \"{{ … }}\""),
            ("t = { argv = [\"a\" \"b\"] }\n", super::LIST),
            ("t = { argv: [\"a\"] }\n", super::PAIR),
            ("t = { a = \"b\" c = 1 }\n", super::TABLE),
            ("t = { a = \"say \"hi\"\" }\n", "a \" inside the text needs the other kind of quotes around it"),
            ("t = { a = \"b, c = 1 }\n", "close the text with \""),
        ] {
            let found = hints(text);
            assert!(found.split('|').any(|found| found.starts_with(hint)), "{text}: {found}");
        }
    }

    #[test]
    fn a_letter_that_cannot_stand_there_is_named() {
        for (text, hint) in [
            ("a = \"b\";\n", "leave out the `;`: a line ends without it"),
            ("t = { a = \"b\"; c = 1 }\n", "write `,` instead of `;`"),
            ("a = \"b\0\"\n", "this is a NUL byte (U+0000): remove it, or write \\u0000 in double quotes"),
            (
                "a = \"b\u{1b}\"\n",
                "this is an escape byte (U+001B): remove it, or write \\u001B in double quotes",
            ),
            (
                "# \u{1}\n",
                "this is a control character (U+0001): remove it, or write \\u0001 in double quotes",
            ),
            ("a\u{a0}= 1\n", "this is a no-break space (U+00A0): write a plain space"),
            ("a = \"b\"\u{a0}\n", "this is a no-break space (U+00A0): write a plain space"),
            ("a = \"b\rc\"\n", "this is a carriage return without a newline: end each line with a newline"),
            (
                "a = \"b\"\rc = 2\n",
                "this is a carriage return without a newline: end each line with a newline",
            ),
            ("a = “b”\n", "`“` is no quote in TOML: write \" or \'"),
            ("a = \"b\" // c\n", super::COMMENT),
            ("// c: d\na = 1\n", super::COMMENT),
            ("a = \"b\" c\n", "only a comment, which starts with `#`, may follow the text"),
        ] {
            let found = hints(text);
            assert!(found.split('|').any(|found| found == hint), "{text}: {found}");
        }
    }

    #[test]
    fn a_merge_conflict_is_said_once() {
        let text = "<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> other\n";
        let problems = Node::parse(&Source::new("x.toml", text)).unwrap_err();
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["this file has a merge conflict"]);
        // In a text it is a text.
        assert!(Node::parse(&Source::new("x.toml", "a = '''\n<<<<<<< HEAD\n'''\n")).is_ok());
    }

    #[test]
    fn yaml_is_called_yaml() {
        for text in ["---\n- hosts: all\n", "# c\n\n- name: x\n", "hosts: all\n", "tasks:\n  - x\n"] {
            let problems = Node::parse(&Source::new("x.toml", text)).unwrap_err();
            let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(messages, ["this is YAML, and must be TOML"], "{text}");
        }
    }
}
