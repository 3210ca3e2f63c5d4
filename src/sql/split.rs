//! Splits SQL into its statements, as the databases' own clients do: strings, comments, quoted names, dollar quotes,
//! `BEGIN ATOMIC`, `DELIMITER`. What only a client's own commands mean is refused.

use super::Dialect;

/// Words of a statement that are kept to tell what it is. `COPY` names its source behind its columns.
const WORDS_KEPT: usize = 400;

/// A part of an SQL text. All of them together are the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Everything from the end of the piece before it: white space, comments, the statement, what ends it.
    pub whole: &'a str,
    /// From the statement's first letter to its last; empty when the piece holds none.
    pub statement: &'a str,
    /// Where the statement begins, counted from 1.
    pub line: usize,
    /// Its first words outside strings and comments, in capitals.
    pub words: Vec<String>,
}

/// Why a text is not split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl Refused {
    /// Line and reason.
    pub fn told(&self) -> String {
        format!("line {}: {}", self.line, self.why)
    }
}

impl Piece<'_> {
    /// The statement's words up to a hundred letters, for messages.
    pub fn shown(&self) -> String {
        let line = self.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(SHOWN_LETTERS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// Whether it begins with these words.
    pub fn begins_with(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(word, other)| word == other)
    }

    /// Whether one of its words is this one.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word)
    }
}

/// Editors on Windows put it before a text in UTF-8. The databases' own clients skip it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// So much of a statement shows which one it is.
const SHOWN_LETTERS: usize = 100;

/// The pieces of a text.
pub fn split(dialect: Dialect, text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let mut splitter = Splitter::new(dialect, text);
    if text.starts_with(BYTE_ORDER_MARK) {
        splitter.at = BYTE_ORDER_MARK.len_utf8();
    }
    while splitter.at < text.len() {
        splitter.step()?;
    }
    splitter.finish(text.len())?;
    Ok(splitter.pieces)
}

/// The statements of a text, without the pieces that hold none.
pub fn statements(dialect: Dialect, text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let pieces = split(dialect, text)?;
    Ok(pieces.into_iter().filter(|piece| !piece.statement.is_empty()).collect())
}

/// Where the splitter is in its text.
struct Splitter<'a> {
    dialect: Dialect,
    text: &'a str,
    at: usize,
    pieces: Vec<Piece<'a>>,
    /// What ends a statement: `;`, or what `DELIMITER` named.
    delimiter: &'a str,
    /// Where the piece in hand begins, and the code in it.
    began: usize,
    code: Option<(usize, usize)>,
    words: Vec<String>,
    parens: usize,
    /// How many `BEGIN` and `CASE` of an SQL function's body are open.
    begins: usize,
    /// The line of the place up to which lines were counted.
    counted: (usize, usize),
}

impl<'a> Splitter<'a> {
    fn new(dialect: Dialect, text: &'a str) -> Self {
        Splitter {
            dialect,
            text,
            at: 0,
            pieces: Vec::new(),
            delimiter: ";",
            began: 0,
            code: None,
            words: Vec::new(),
            parens: 0,
            begins: 0,
            counted: (0, 1),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn postgres(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Takes one thing of the text: a comment, a string, a word, a sign.
    fn step(&mut self) -> Result<(), Refused> {
        let rest = self.rest();
        if rest.starts_with(self.delimiter) && self.ends_here() {
            self.at += self.delimiter.len();
            return self.finish(self.at);
        }
        let Some(letter) = rest.chars().next() else { return Ok(()) };
        match letter {
            letter if letter.is_whitespace() => self.at += letter.len_utf8(),
            '-' | '#' if self.is_line_comment() => {
                self.at += rest.find('\n').unwrap_or(rest.len());
            }
            '/' if rest.starts_with("/*") => self.block_comment()?,
            '\'' => self.quoted('\'', !self.postgres())?,
            '"' => self.quoted('"', !self.postgres())?,
            '`' if !self.postgres() => self.quoted('`', false)?,
            '$' if self.postgres() => self.dollar()?,
            '\\' if self.postgres() => return Err(self.meta_command()),
            letter if letter.is_alphabetic() || letter == '_' => self.word()?,
            letter if letter.is_ascii_digit() => {
                let number = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
                let length = rest.find(|letter| !number(letter)).unwrap_or(rest.len());
                self.take(self.up_to_delimiter(length));
            }
            other => {
                self.count_parens(other);
                self.take(other.len_utf8());
            }
        }
        Ok(())
    }

    fn ends_here(&self) -> bool {
        !self.postgres() || (self.parens == 0 && self.begins == 0)
    }

    fn count_parens(&mut self, letter: char) {
        match letter {
            '(' => self.parens += 1,
            ')' => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
    }

    /// The next so many bytes belong to the statement.
    fn take(&mut self, bytes: usize) {
        let end = self.at + bytes;
        let begins = self.code.map_or(self.at, |(begins, _)| begins);
        self.code = Some((begins, end));
        self.at = end;
    }

    /// MySQL wants white space behind two dashes, so that `5--3` stays a sum.
    fn is_line_comment(&self) -> bool {
        let rest = self.rest();
        let behind = rest.strip_prefix("--").map(|rest| rest.chars().next().is_none_or(char::is_whitespace));
        match self.dialect {
            Dialect::Postgres => behind.is_some(),
            Dialect::MySql => behind == Some(true) || rest.starts_with('#'),
        }
    }

    /// PostgreSQL's comments hold others. MySQL runs what stands in `/*! … */`.
    fn block_comment(&mut self) -> Result<(), Refused> {
        let rest = self.rest();
        let runs = !self.postgres() && (rest.starts_with("/*!") || rest.starts_with("/*M!"));
        let length = self.comment_length(rest).ok_or_else(|| self.open("a comment /*"))?;
        match runs {
            true => self.take(length),
            false => self.at += length,
        }
        Ok(())
    }

    fn comment_length(&self, rest: &str) -> Option<usize> {
        if !self.postgres() {
            return rest.get(2..)?.find("*/").map(|end| end + 4);
        }
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(found) = rest[at..].find(['*', '/']) {
            at += found;
            match rest.as_bytes().get(at..at + 2) {
                Some(b"/*") => depth += 1,
                Some(b"*/") => depth -= 1,
                _ => {
                    at += 1;
                    continue;
                }
            }
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    /// A string or a quoted name. Its quote is doubled inside; where `escapes`, a backslash takes the next letter along.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<(), Refused> {
        let rest = self.rest();
        let mut letters = rest.char_indices().skip(1).peekable();
        while let Some((at, letter)) = letters.next() {
            if letter == '\\' && escapes {
                letters.next();
            } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
                self.take(at + 1);
                return Ok(());
            }
        }
        Err(self.open(&format!("the quote {quote}")))
    }

    /// `$$ … $$` and `$tag$ … $tag$`; a lone `$1` is a parameter.
    fn dollar(&mut self) -> Result<(), Refused> {
        let rest = self.rest();
        let Some(tag) = dollar_tag(rest) else {
            self.take(1);
            return Ok(());
        };
        match rest[tag.len()..].find(tag) {
            Some(length) => self.take(length + 2 * tag.len()),
            None => return Err(self.open(&format!("the quote {tag}"))),
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), Refused> {
        let rest = self.rest();
        let belongs = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
        let length = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        let length = self.up_to_delimiter(length);
        let word = rest[..length].to_uppercase();
        if !self.postgres() && self.code.is_none() && word == "DELIMITER" {
            return self.delimiter_command(rest);
        }
        self.take(length);
        if self.postgres() && word == "E" && self.rest().starts_with('\'') {
            return self.quoted('\'', true);
        }
        self.count_begins(&word);
        if self.words.len() < WORDS_KEPT {
            self.words.push(word);
        }
        Ok(())
    }

    /// How much of the next so many bytes stands before a delimiter. MySQL's client looks for the delimiter at every letter,
    /// so that it ends a statement within a word too: `END$$`.
    fn up_to_delimiter(&self, length: usize) -> usize {
        let rest = self.rest();
        let ends = |at: &usize| rest.is_char_boundary(*at) && rest[*at..].starts_with(self.delimiter);
        match self.postgres() {
            true => length,
            false => (1..length).find(ends).unwrap_or(length),
        }
    }

    /// `DELIMITER //` is a line of its own, and no statement. The client takes it in quotes too.
    fn delimiter_command(&mut self, rest: &'a str) -> Result<(), Refused> {
        let line = rest.lines().next().unwrap_or_default();
        let named = line["DELIMITER".len()..].trim();
        let quoted =
            ['\'', '"', '`'].into_iter().find_map(|quote| named.strip_prefix(quote)?.split_once(quote));
        let delimiter =
            quoted.map_or_else(|| named.split_whitespace().next().unwrap_or_default(), |(name, _)| name);
        if delimiter.is_empty() || delimiter.contains('\\') {
            return Err(self.refused("DELIMITER names nothing that could end a statement"));
        }
        self.delimiter = delimiter;
        self.at += line.len();
        self.finish(self.at)
    }

    /// The body of an SQL function between `BEGIN ATOMIC` and its `END` holds semicolons, as psql knows.
    fn count_begins(&mut self, word: &str) {
        match word {
            "BEGIN" if self.postgres() && self.parens == 0 && self.makes_function() => self.begins += 1,
            "CASE" if self.begins > 0 => self.begins += 1,
            "END" => self.begins = self.begins.saturating_sub(1),
            _ => {}
        }
    }

    fn makes_function(&self) -> bool {
        let words: Vec<&str> = self.words.iter().take(4).map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["CREATE", "FUNCTION" | "PROCEDURE", ..]
                | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE", ..]
        )
    }

    /// Closes the piece in hand, which ends at `end`.
    fn finish(&mut self, end: usize) -> Result<(), Refused> {
        if end == self.began {
            return Ok(());
        }
        let (from, to) = self.code.take().unwrap_or((end, end));
        let line = self.line_of(from);
        let words = std::mem::take(&mut self.words);
        let piece =
            Piece { whole: &self.text[self.began..end], statement: &self.text[from..to], line, words };
        if self.postgres() && piece.begins_with(&["COPY"]) && reads_stdin(&piece.words) {
            let why = "COPY … FROM STDIN reads lines that are not SQL: write INSERT, or load the data with a step of kind script";
            return Err(Refused { line, why: why.to_string() });
        }
        self.pieces.push(piece);
        (self.began, self.parens, self.begins) = (end, 0, 0);
        Ok(())
    }

    /// Lines are counted once, forwards.
    fn line_of(&mut self, at: usize) -> usize {
        let (from, line) = self.counted;
        let lines = line + self.text[from..at].matches('\n').count();
        self.counted = (at, lines);
        lines
    }

    fn refused(&mut self, why: &str) -> Refused {
        Refused { line: self.line_of(self.at), why: why.to_string() }
    }

    fn open(&mut self, what: &str) -> Refused {
        self.refused(&format!("{what} is not closed"))
    }

    fn meta_command(&mut self) -> Refused {
        let command = self.rest().split_whitespace().next().unwrap_or_default().to_string();
        self.refused(&format!("{command} is a command of psql and not SQL: leave it out"))
    }
}

/// The `$tag$` that a text begins with.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest[1..end];
    let fits = |letter: char| letter.is_alphanumeric() || letter == '_';
    let whole = tag.chars().all(fits) && !tag.starts_with(|letter: char| letter.is_ascii_digit());
    whole.then(|| &rest[..=end])
}

fn reads_stdin(words: &[String]) -> bool {
    words.windows(2).any(|pair| pair[0] == "FROM" && pair[1] == "STDIN")
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::Dialect::{MySql, Postgres};
    use super::*;
    use proptest::prelude::*;

    /// The statements of a text, each with its line.
    fn told(dialect: Dialect, text: &str) -> Vec<String> {
        let pieces = statements(dialect, text).unwrap_or_else(|refused| panic!("{refused:?}"));
        pieces.iter().map(|piece| format!("{} {}", piece.line, piece.statement)).collect()
    }

    fn refused(dialect: Dialect, text: &str) -> String {
        let refused = split(dialect, text).expect_err(text);
        format!("{}: {}", refused.line, refused.why)
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_statement() {
        for dialect in [Postgres, MySql] {
            let pieces = split(dialect, "\u{feff}create table a (b int);\r\nselect 1").unwrap();
            assert_eq!(pieces[0].statement, "create table a (b int)");
            assert_eq!(pieces[0].words[0], "CREATE");
            assert_eq!(
                pieces.iter().map(|piece| piece.whole).collect::<String>().chars().next(),
                Some('\u{feff}')
            );
        }
    }

    #[test]
    fn a_delimiter_ends_a_statement_within_a_word() {
        let statements = |text: &str| -> Vec<String> {
            let pieces = statements(MySql, text).unwrap();
            pieces.iter().map(|piece| piece.statement.to_string()).collect()
        };
        let made = ["create procedure p() begin select 1; end", "select 2"];
        for named in ["$$", "//", "_end_", "';;;'", "\"|\""] {
            let sign = named.trim_matches(['\'', '"']);
            let text = format!("DELIMITER {named}\n{}{sign}\nDELIMITER ;\n{};", made[0], made[1]);
            assert_eq!(statements(&text), made, "{named}");
        }
        assert_eq!(statements("delimiter $$\nselect 7$$select a$b$$"), ["select 7", "select a$b"]);
    }

    #[test]
    fn statements_end_at_semicolons_outside_quotes_and_comments() {
        let text =
            "-- one; two\nselect ';' , \"a;b\";\n\n/* c; /* nested; */ ; */ select E'it\\';s';select 2";
        assert_eq!(told(Postgres, text), ["2 select ';' , \"a;b\"", "4 select E'it\\';s'", "4 select 2"]);
        let text = "# one;\nselect 'it\\';s', `a;b`, \"c;d\"; -- x;\nselect 5--3;\n/*!40101 SET x=1 */;";
        assert_eq!(
            told(MySql, text),
            ["2 select 'it\\';s', `a;b`, \"c;d\"", "3 select 5--3", "4 /*!40101 SET x=1 */"]
        );
    }

    #[test]
    fn postgresql_quotes_with_dollars_and_has_bodies_of_functions() {
        let text = "create function f() returns int as $body$ begin; $$ x; $$ end; $body$ language plpgsql;\nselect $1, a$b;";
        assert_eq!(told(Postgres, text).len(), 2);
        let atomic = "create or replace function f(a int) returns int begin atomic select case when a>1 then 1 else 2 end; select 2; end; select 3;";
        assert_eq!(told(Postgres, atomic)[1], "1 select 3");
        let rule = "create rule r as on insert to t do also (select 1; select 2);\nselect 3";
        assert_eq!(told(Postgres, rule)[1], "2 select 3");
        assert_eq!(told(Postgres, "select 'a\\';\nselect 2").len(), 2, "a backslash is a letter");
    }

    #[test]
    fn mysql_lets_a_file_name_what_ends_a_statement() {
        let text = "DELIMITER //\ncreate trigger t begin set a=1; set b=2; end//\ndelimiter ;\nselect 1;\n";
        assert_eq!(told(MySql, text), ["2 create trigger t begin set a=1; set b=2; end", "4 select 1"]);
    }

    #[test]
    fn what_is_no_sql_is_refused_with_its_line() {
        assert_eq!(
            refused(Postgres, "select 1;\n\\connect other\n"),
            "2: \\connect is a command of psql and not SQL: leave it out"
        );
        assert_eq!(
            refused(Postgres, "copy t (a, b) from stdin;\n1\t2\n\\.\n"),
            "1: COPY … FROM STDIN reads lines that are not SQL: write INSERT, or load the data with a step of kind script"
        );
        assert_eq!(refused(Postgres, "select 1;\nselect 'a"), "2: the quote ' is not closed");
        assert_eq!(refused(Postgres, "/* a /* b */"), "1: a comment /* is not closed");
        assert_eq!(refused(Postgres, "select $a$ b $$"), "1: the quote $a$ is not closed");
        assert_eq!(
            refused(MySql, "delimiter\nselect 1"),
            "1: DELIMITER names nothing that could end a statement"
        );
    }

    #[test]
    fn a_statement_is_told_by_its_words() {
        let piece = statements(Postgres, "create /* x */ unique\nindex  concurrently \"Q\" on 'x'").unwrap();
        assert_eq!(piece[0].words, ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", "ON"]);
        assert!(piece[0].begins_with(&["CREATE", "UNIQUE"]) && piece[0].has("CONCURRENTLY"));
        let long = format!("select '{}'", "é".repeat(200));
        assert_eq!(statements(MySql, &long).unwrap()[0].shown().chars().count(), SHOWN_LETTERS + 1);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "([a-z$;'\"`\\\\#/*() \n-]|begin|DELIMITER |create function |\\$\\$|é){0,60}") {
            for dialect in [Postgres, MySql] {
                if let Ok(pieces) = split(dialect, &text) {
                    prop_assert_eq!(pieces.iter().map(|piece| piece.whole).collect::<String>(), text.clone());
                    for piece in &pieces {
                        prop_assert!(piece.whole.contains(piece.statement));
                    }
                }
            }
        }

        #[test]
        fn any_text_is_split_or_refused(text in "\\PC{0,80}") {
            drop(split(Postgres, &text));
            drop(split(MySql, &text));
        }
    }
}
