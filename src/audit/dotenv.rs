//! Reads `.env` files as Docker Compose and Node's dotenv do. Nothing here ever puts a value into a message.

/// One line that sets a variable.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// What it is set to; `None` for a name alone, which passes the value of the environment on.
    pub value: Option<String>,
    /// Counted from 1.
    pub line: usize,
}

/// A line that sets nothing and should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// Without anything of the line itself, which may hold a secret.
    pub why: &'static str,
}

/// What a file sets, in its order, and what is wrong in it.
pub fn read(text: &str) -> (Vec<Assignment>, Vec<Mistake>) {
    let mut reader = Reader {
        rest: text.trim_start_matches('\u{feff}'),
        line: 1,
        found: Vec::new(),
        mistakes: Vec::new(),
    };
    while !reader.rest.is_empty() {
        reader.statement();
    }
    (reader.found, reader.mistakes)
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    found: Vec<Assignment>,
    mistakes: Vec<Mistake>,
}

impl<'t> Reader<'t> {
    fn statement(&mut self) {
        let line = self.rest.lines().next().unwrap_or_default();
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return self.skip(line.len());
        }
        let bare = text.strip_prefix("export ").map_or(text, str::trim_start);
        let end = bare.find(|letter: char| !is_of_name(letter)).unwrap_or(bare.len());
        let (name, after) = bare.split_at(end);
        let after = after.trim_start();
        match after.chars().next() {
            _ if name.is_empty() => self.mistake(line, "it does not begin with the name of a variable"),
            None => self.passed_on(line, name),
            Some('#') if bare[end..].starts_with([' ', '\t']) => self.passed_on(line, name),
            Some('=') | Some(':') => {
                self.assignment(name, line.len() - line.trim_end().len(), line, &after[1..])
            }
            Some(_) => self.mistake(line, "it has no = after its name"),
        }
    }

    fn assignment(&mut self, name: &str, _: usize, line: &'t str, after: &'t str) {
        let value = after.trim_start();
        let quote = value.chars().next().filter(|letter| ['"', '\'', '`'].contains(letter));
        // Where the value begins in the rest: quoted ones may go on over several lines.
        let at = value.as_ptr() as usize - self.rest.as_ptr() as usize;
        match quote {
            Some(quote) => self.quoted(name, line, at + 1, quote),
            None => {
                let value = value.find(" #").map_or(value, |comment| &value[..comment]);
                let value = if value.starts_with('#') { "" } else { value };
                self.add(name, Some(value.trim().to_string()));
                self.skip(line.len());
            }
        }
    }

    fn quoted(&mut self, name: &str, line: &'t str, start: usize, quote: char) {
        let text = &self.rest[start..];
        let mut value = String::new();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                _ if letter == quote => {
                    self.add(name, Some(value));
                    let end = start + at + 1;
                    let to_line_end = self.rest[end..].find('\n').unwrap_or(self.rest.len() - end);
                    return self.skip(end + to_line_end);
                }
                '\\' if quote == '"' => value.extend(letters.next().map(|(_, letter)| escaped(letter))),
                letter => value.push(letter),
            }
        }
        self.mistake(line, "its quote is never closed");
    }

    fn passed_on(&mut self, line: &str, name: &str) {
        self.add(name, None);
        self.skip(line.len());
    }

    fn mistake(&mut self, line: &str, why: &'static str) {
        self.mistakes.push(Mistake { line: self.line, why });
        self.skip(line.len());
    }

    fn add(&mut self, name: &str, value: Option<String>) {
        self.found.push(Assignment { name: name.to_string(), value, line: self.line });
    }

    /// Goes behind so many bytes and the line end that follows.
    fn skip(&mut self, bytes: usize) {
        let end = self.rest[bytes..].find('\n').map_or(self.rest.len(), |at| bytes + at + 1);
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.-".contains(letter)
}

fn escaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let (found, mistakes) = read(text);
        let set = found.iter().map(|one| match &one.value {
            Some(value) => format!("{}:{}={value:?}", one.line, one.name),
            None => format!("{}:{}", one.line, one.name),
        });
        set.chain(mistakes.iter().map(|one| format!("{}! {}", one.line, one.why)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn lines_are_read_as_compose_and_dotenv_do() {
        let cases = [
            ("A=1\nB=two words\n\n# C=3\n  D = 4 ", "1:A=\"1\" 2:B=\"two words\" 5:D=\"4\""),
            ("export A=1\r\nB=2\r\n", "1:A=\"1\" 2:B=\"2\""),
            ("A=1 # why\nB=a#b\nC=\nD= # why\nE=#x", "1:A=\"1\" 2:B=\"a#b\" 3:C=\"\" 4:D=\"\" 5:E=\"\""),
            ("A='x # $y'\nB=\"a\\nb\\\"c\" # why\nC=`d`", "1:A=\"x # $y\" 2:B=\"a\\nb\\\"c\" 3:C=\"d\""),
            ("KEY=\"-----BEGIN\nabc\n-----END\"\nB=2", "1:KEY=\"-----BEGIN\\nabc\\n-----END\" 4:B=\"2\""),
            ("A\nB # why", "1:A 2:B"),
            ("A: yaml", "1:A=\"yaml\""),
            ("\u{feff}A=1", "1:A=\"1\""),
            ("A=x=y==", "1:A=\"x=y==\""),
            (
                "oh no\n=1\n$X=1\nB=2",
                "4:B=\"2\" 1! it has no = after its name 2! it does not begin with the name of a variable 3! it does not begin with the name of a variable",
            ),
            ("A=\"open\nB=2", "2:B=\"2\" 1! its quote is never closed"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"(\PC|[A-Z]{1,3}=|export |["'`#=:\\\n\r \t]){0,60}"#) {
            read(&text);
        }
    }
}
