//! Values of INI inventories, read as Ansible reads them: what Python's `ast.literal_eval` understands is a number, a
//! list, a map and so on, and everything else is text as it stands.

use crate::model::{Value, Values};
use std::iter::Peekable;
use std::str::CharIndices;

/// Lists and maps may be nested this deep; Python has a limit of its own.
const DEPTH_LIMIT: usize = 64;

/// The literal that a text is, or the text itself.
pub fn value(text: &str) -> Value {
    literal(text).unwrap_or_else(|| text.into())
}

/// The literal that a text is. A number that no JSON can hold, or a complex one, is none.
pub fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { text, letters: text.char_indices().peekable(), depth: 0 };
    let value = reader.elements(|_| false)?;
    reader.skip_space();
    reader.letters.peek().is_none().then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    letters: Peekable<CharIndices<'a>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        self.letters.peek().map(|(_, letter)| *letter)
    }

    fn at(&mut self) -> usize {
        self.letters.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn rest(&mut self) -> &'a str {
        let at = self.at();
        &self.text[at..]
    }

    fn take(&mut self, wanted: char) -> bool {
        self.letters.next_if(|(_, letter)| *letter == wanted).is_some()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.letters.next();
        }
    }

    fn skip_space(&mut self) {
        while self.letters.next_if(|(_, letter)| " \t\u{c}".contains(*letter)).is_some() {}
        if self.peek() == Some('#') {
            while self.letters.next().is_some() {}
        }
    }

    /// What stands between commas. One element without a comma stands for itself, others are a list.
    fn elements(&mut self, ends: impl Fn(char) -> bool) -> Option<Value> {
        let mut list = vec![self.one()?];
        let mut is_list = false;
        loop {
            self.skip_space();
            if !self.take(',') {
                return if is_list { Some(list.into()) } else { list.pop() };
            }
            is_list = true;
            self.skip_space();
            if self.peek().is_none_or(&ends) {
                return Some(list.into());
            }
            list.push(self.one()?);
        }
    }

    fn one(&mut self) -> Option<Value> {
        self.skip_space();
        self.depth += 1;
        let value = match self.peek()? {
            _ if self.depth > DEPTH_LIMIT => None,
            '(' => self.tuple(),
            '[' => self.list(),
            '{' => self.map_or_set(),
            '+' | '-' => self.signed(),
            '.' if self.rest().starts_with("...") => self.word("...", "...".into()),
            letter if letter.is_ascii_digit() || letter == '.' => self.number(false),
            _ => self.named().or_else(|| self.texts()),
        };
        self.depth -= 1;
        value
    }

    fn tuple(&mut self) -> Option<Value> {
        self.letters.next();
        self.skip_space();
        if self.take(')') {
            return Some(Value::Array(Vec::new()));
        }
        let value = self.elements(|letter| letter == ')')?;
        self.skip_space();
        self.take(')').then_some(value)
    }

    fn list(&mut self) -> Option<Value> {
        self.letters.next();
        let mut list = Vec::new();
        loop {
            self.skip_space();
            if self.take(']') {
                return Some(list.into());
            }
            list.push(self.one()?);
            self.skip_space();
            if !self.take(',') {
                return self.take(']').then(|| list.into());
            }
        }
    }

    /// `{…}`. A set is a list without what is in it twice.
    fn map_or_set(&mut self) -> Option<Value> {
        self.letters.next();
        let (mut map, mut set) = (Values::new(), Vec::new());
        loop {
            self.skip_space();
            if self.take('}') {
                break;
            }
            let element = self.one()?;
            let key = key(&element)?;
            self.skip_space();
            match self.take(':') {
                true => drop(map.insert(key, self.one()?)),
                false if set.contains(&element) => {}
                false => set.push(element),
            }
            self.skip_space();
            if !self.take(',') && self.peek() != Some('}') {
                return None;
            }
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Some(Value::Object(map)),
            (true, false) => Some(set.into()),
            (false, false) => None,
        }
    }

    fn signed(&mut self) -> Option<Value> {
        let (_, sign) = self.letters.next()?;
        self.skip_space();
        self.number(sign == '-')
    }

    fn number(&mut self, negative: bool) -> Option<Value> {
        let start = self.at();
        let mut before = ' ';
        while let Some(letter) = self.peek() {
            let signs_exponent = "+-".contains(letter) && "eE".contains(before) && self.is_decimal(start);
            if !letter.is_ascii_alphanumeric() && !"._".contains(letter) && !signs_exponent {
                break;
            }
            before = letter;
            self.letters.next();
        }
        let end = self.at();
        number(&self.text[start..end], negative)
    }

    fn is_decimal(&self, start: usize) -> bool {
        !self.text[start..].starts_with("0x") && !self.text[start..].starts_with("0X")
    }

    fn named(&mut self) -> Option<Value> {
        let names = [("True", true.into()), ("False", false.into()), ("None", Value::Null)];
        let found = names.into_iter().find(|(name, _)| self.starts_with_word(name));
        match found {
            Some((name, value)) => self.word(name, value),
            None if self.starts_with_word("set") => self.empty_set(),
            None => None,
        }
    }

    fn empty_set(&mut self) -> Option<Value> {
        self.word("set", Value::Null)?;
        let mut left = |wanted| {
            self.skip_space();
            self.take(wanted)
        };
        (left('(') && left(')')).then(|| Value::Array(Vec::new()))
    }

    fn starts_with_word(&mut self, word: &str) -> bool {
        let rest = self.rest().strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.skip(word.chars().count());
        Some(value)
    }

    /// Strings that stand beside each other are one.
    fn texts(&mut self) -> Option<Value> {
        let mut whole = String::new();
        let mut count = 0;
        let mut all_bytes = None;
        loop {
            self.skip_space();
            let rest = self.rest();
            let quote = rest.find(['"', '\'']).filter(|at| *at <= 2);
            let prefix = quote.map(|at| rest[..at].to_ascii_lowercase());
            let prefix = prefix.filter(|prefix| ["", "u", "r", "b", "rb", "br"].contains(&prefix.as_str()));
            let Some(prefix) = prefix else { break };
            let bytes = prefix.contains('b');
            if *all_bytes.get_or_insert(bytes) != bytes {
                return None;
            }
            self.skip(prefix.chars().count());
            whole += &self.text(prefix.contains('r'), bytes)?;
            count += 1;
        }
        (count > 0).then(|| whole.into())
    }

    fn text(&mut self, raw: bool, bytes: bool) -> Option<String> {
        let (_, quote) = self.letters.next()?;
        let pair = format!("{quote}{quote}");
        let end = match self.rest().starts_with(&pair) {
            true => {
                self.word(&pair, Value::Null);
                pair + &quote.to_string()
            }
            false => quote.to_string(),
        };
        let mut text = String::new();
        loop {
            if self.rest().starts_with(&end) {
                self.word(&end, Value::Null);
                return Some(text);
            }
            match self.letters.next()?.1 {
                '\\' if raw => text.extend(['\\', self.letters.next()?.1]),
                '\\' => self.escape(&mut text, bytes)?,
                '\n' if end.len() == 1 => return None,
                letter if bytes && !letter.is_ascii() => return None,
                letter => text.push(letter),
            }
        }
    }

    fn escape(&mut self, text: &mut String, bytes: bool) -> Option<()> {
        let letter = self.letters.next()?.1;
        let plain = match letter {
            '\n' => return Some(()),
            '\\' | '\'' | '"' => letter,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0'..='7' => self.octal(letter)?,
            'x' => self.hexadecimal(2)?,
            'u' if !bytes => self.hexadecimal(4)?,
            'U' if !bytes => self.hexadecimal(8)?,
            // A character by its name: no inventory has been seen with one.
            'N' if !bytes => return None,
            other => {
                text.extend(['\\', other]);
                return Some(());
            }
        };
        // A byte beyond ASCII would be part of a character.
        (!bytes || plain.is_ascii()).then(|| text.push(plain))
    }

    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|letter| letter.to_digit(8)) else { break };
            self.letters.next();
            code = code * 8 + digit;
        }
        char::from_u32(code)
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + self.letters.next()?.1.to_digit(16)?;
        }
        char::from_u32(code)
    }
}

/// A map's key as JSON writes it. What Python cannot take as a key is none.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// A number as Python writes them: no zeros in front of an integer, `_` between digits.
fn number(written: &str, negative: bool) -> Option<Value> {
    let lower = written.to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| lower.starts_with(prefix));
    if let Some((prefix, radix)) = radix {
        let digits =
            without_underscores(lower.strip_prefix(prefix)?.strip_prefix('_').unwrap_or(&lower[2..]))?;
        return integer(u128::from_str_radix(&digits, radix).ok()?, negative);
    }
    if lower.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        let digits = without_underscores(&lower)?;
        let is_zero = digits.bytes().all(|byte| byte == b'0');
        return match digits.starts_with('0') && !is_zero {
            true => None,
            false => integer(digits.parse().ok()?, negative),
        };
    }
    float(&lower, negative)
}

fn integer(magnitude: u128, negative: bool) -> Option<Value> {
    match negative {
        true => i64::try_from(-i128::try_from(magnitude).ok()?).ok().map(Value::from),
        false => u64::try_from(magnitude).ok().map(Value::from),
    }
}

fn float(lower: &str, negative: bool) -> Option<Value> {
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (lower, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| if text.is_empty() { Some(String::new()) } else { without_underscores(text) };
    let (whole, fraction) = (digits(whole)?, digits(fraction)?);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match exponent {
        Some(text) => {
            let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
            let sign = if text.starts_with('-') { "-" } else { "" };
            format!("{sign}{}", without_underscores(bare)?)
        }
        None => "0".to_string(),
    };
    let value: f64 = format!("0{whole}.{fraction}0e{exponent}").parse().ok()?;
    let value = if negative { -value } else { value };
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// Digits, `_` only between two of them.
fn without_underscores(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    let fits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
    (digits && parts.iter().all(fits)).then(|| parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_read_as_python_does() {
        // From `ast.literal_eval` of Python 3.11 and the INI reader of ansible-core 2.19.
        let table = [
            ("1", "1"),
            ("-3", "-3"),
            ("+5", "5"),
            ("- 5", "-5"),
            ("--5", "\"--5\""),
            ("0644", "\"0644\""),
            ("007", "\"007\""),
            ("00", "0"),
            ("0_0", "0"),
            ("1_000", "1000"),
            ("1__0", "\"1__0\""),
            ("1_", "\"1_\""),
            ("0x10", "16"),
            ("0xfe", "254"),
            ("0x_ff", "255"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("1.10", "1.1"),
            ("010.5", "10.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            (".", "\".\""),
            ("1e3", "1000.0"),
            ("1e-2", "0.01"),
            ("1E+5", "100000.0"),
            ("01e5", "100000.0"),
            ("1e", "\"1e\""),
            ("1e999", "\"1e999\""),
            ("2j", "\"2j\""),
            ("1.1.1", "\"1.1.1\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("2024-01-01", "\"2024-01-01\""),
            ("12:30", "\"12:30\""),
            ("12345678901234567890", "12345678901234567890"),
            ("True", "true"),
            ("true", "\"true\""),
            ("None", "null"),
            ("Nonesuch", "\"Nonesuch\""),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("...", "\"...\""),
            ("10 # ten", "10"),
            ("a # comment?", "\"a # comment?\""),
            ("#x", "\"#x\""),
            ("\"double\" # c", "\"double\""),
            ("'a' \"b\"", "\"ab\""),
            ("'a' b", "\"'a' b\""),
            ("\"a", "\"\\\"a\""),
            ("'it\\'s'", "\"it's\""),
            ("'\\d\\n\\x41\\101\\u00e9'", "\"\\\\d\\nAAé\""),
            ("r'\\d'", "\"\\\\d\""),
            ("u'x'", "\"x\""),
            ("b'x'", "\"x\""),
            ("b'x' 'y'", "\"b'x' 'y'\""),
            ("f'x'", "\"f'x'\""),
            ("'''a'b'''", "\"a'b\""),
            ("''", "\"\""),
            ("1,2", "[1,2]"),
            ("8080,", "[8080]"),
            ("(1,2)", "[1,2]"),
            ("(1)", "1"),
            ("(1,)", "[1]"),
            ("()", "[]"),
            ("[1, 2, 'x',]", "[1,2,\"x\"]"),
            ("[1, 2", "\"[1, 2\""),
            ("[,]", "\"[,]\""),
            ("{'k': [1], 2: None}", "{\"k\":[1],\"2\":null}"),
            ("{}", "{}"),
            ("{1, 1, 2}", "[1,2]"),
            ("{[1]: 2}", "\"{[1]: 2}\""),
            ("set()", "[]"),
            ("{{ foo }}", "\"{{ foo }}\""),
            ("[\"a\", b]", "\"[\\\"a\\\", b]\""),
            ("1+1", "\"1+1\""),
            ("1 2", "\"1 2\""),
            (" 7 ", "7"),
            ("ünï", "\"ünï\""),
        ];
        for (written, expected) in table {
            assert_eq!(value(written).to_string(), expected, "{written}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(value(&deep), Value::String(deep.clone()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-fjTrue0-9_.,:(){}\\[\\]'\"\\\\#+ ü-]{0,24}") {
            let _ = value(&text);
        }
    }
}
