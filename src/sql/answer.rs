//! What a database's client answered: rows, or the server's error.

use super::Dialect;
use crate::model::op::Answer;
use crate::model::{Value, Values};
use crate::system::OUTPUT_KEPT;

/// A table as a client printed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of its columns; none where no row was printed by mysql.
    pub columns: Vec<String>,
    /// Each with a cell for every column; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// What a server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// Its code: SQLSTATE, with MySQL's own number in front.
    pub code: String,
    /// In the server's words.
    pub message: String,
    /// The line of what the client read.
    pub line: Option<usize>,
}

impl Rows {
    /// Reads an answer whose shape is headed; a client that was cut short has said too much to be read.
    pub fn headed(dialect: Dialect, answer: &Answer) -> Result<Rows, String> {
        let text = whole(answer)?;
        let mut rows: Vec<Vec<Option<String>>> = match dialect {
            Dialect::Postgres => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let records = text.split('\u{1e}').filter(|record| !record.is_empty());
                records.map(|record| record.split('\u{1f}').map(cell_of_postgres).collect()).collect()
            }
            Dialect::MySql => {
                text.lines().map(|line| line.split('\t').map(cell_of_mysql).collect()).collect()
            }
        };
        if rows.is_empty() {
            return Ok(Rows::default());
        }
        let columns = rows.remove(0).into_iter().map(Option::unwrap_or_default).collect();
        Ok(Rows { columns, rows })
    }

    /// The first cell of the first row.
    pub fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// Each row as a map from column to text, as `register` gets it.
    pub fn maps(&self) -> Value {
        let cell = |cell: &Option<String>| cell.clone().map_or(Value::Null, Value::String);
        let map = |row: &Vec<Option<String>>| -> Value {
            Value::Object(self.columns.iter().cloned().zip(row.iter().map(cell)).collect::<Values>())
        };
        self.rows.iter().map(map).collect()
    }
}

/// The rows of an answer whose shape is bare. Cells must hold neither line ends nor control characters.
pub fn bare(dialect: Dialect, answer: &Answer) -> Result<Vec<Vec<String>>, String> {
    let separator = match dialect {
        Dialect::Postgres => '\u{1f}',
        Dialect::MySql => '\t',
    };
    let text = whole(answer)?;
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(|line| line.split(separator).map(str::to_string).collect()).collect())
}

fn whole(answer: &Answer) -> Result<String, String> {
    match answer.total > (2 * OUTPUT_KEPT) as u64 {
        true => Err(format!("the answer has more than {} KiB: ask for less", 2 * OUTPUT_KEPT / 1024)),
        false => Ok(String::from_utf8_lossy(&answer.stdout).into_owned()),
    }
}

fn cell_of_postgres(cell: &str) -> Option<String> {
    (cell != "\u{15}").then(|| cell.to_string())
}

/// The client writes line ends, tabs and backslashes with a backslash, and null as the word.
fn cell_of_mysql(cell: &str) -> Option<String> {
    if cell == "NULL" {
        return None;
    }
    let mut text = String::new();
    let mut letters = cell.chars();
    while let Some(letter) = letters.next() {
        match (letter == '\\').then(|| letters.next()).flatten() {
            None => text.push(letter),
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('0') => text.push('\0'),
            Some(other) => text.push(other),
        }
    }
    Some(text)
}

impl ServerError {
    /// The first error in what a client wrote to standard error.
    pub fn read(dialect: Dialect, answer: &Answer) -> Option<ServerError> {
        let text = String::from_utf8_lossy(&answer.stderr);
        match dialect {
            Dialect::Postgres => text.lines().find_map(postgres_error),
            Dialect::MySql => text.lines().find_map(mysql_error),
        }
    }

    /// Code and words.
    pub fn told(&self) -> String {
        format!("{} (SQLSTATE {})", self.message, self.code)
    }
}

/// `psql:<stdin>:12: ERROR:  42P01: relation "x" does not exist`, whatever language the server speaks.
fn postgres_error(line: &str) -> Option<ServerError> {
    let rest = line.strip_prefix("psql:<stdin>:")?;
    let (number, rest) = rest.split_once(": ")?;
    let (severity, rest) = rest.split_once(":  ")?;
    let (code, message) = rest.split_once(": ")?;
    let is_error =
        severity != "WARNING" && severity != "NOTICE" && !code.starts_with("00") && !code.starts_with("01");
    (is_error && code.len() == 5).then(|| ServerError {
        code: code.to_string(),
        message: message.to_string(),
        line: number.parse().ok(),
    })
}

/// `ERROR 1146 (42S02) at line 3: Table 'x' doesn't exist`; before a session there is no line.
fn mysql_error(line: &str) -> Option<ServerError> {
    let (number, rest) = line.strip_prefix("ERROR ")?.split_once(" (")?;
    let (state, rest) = rest.split_once(')')?;
    let (place, message) = rest.split_once(": ")?;
    let line = place.strip_prefix(" at line ").and_then(|line| line.parse().ok());
    let code = format!("{state}, error {number}");
    Some(ServerError { code, message: message.to_string(), line })
}

#[cfg(test)]
mod tests {
    use super::Dialect::{MySql, Postgres};
    use super::*;

    fn failed(stderr: &str) -> Answer {
        Answer { status: 3, stderr: stderr.into(), ..Answer::default() }
    }

    #[test]
    fn rows_are_read_as_clients_print_them() {
        let rows = Rows::headed(
            Postgres,
            &Answer::said(0, "id\u{1f}note\u{1e}1\u{1f}two\nlines\u{1e}2\u{1f}\u{15}\n"),
        )
        .unwrap();
        assert_eq!(rows.maps().to_string(), r#"[{"id":"1","note":"two\nlines"},{"id":"2","note":null}]"#);
        let rows = Rows::headed(MySql, &Answer::said(0, "id\tnote\n1\ttwo\\nlines\\\\\n2\tNULL\n")).unwrap();
        assert_eq!(rows.maps().to_string(), r#"[{"id":"1","note":"two\nlines\\"},{"id":"2","note":null}]"#);
        assert_eq!(rows.first(), Some("1"));
        assert_eq!(Rows::headed(MySql, &Answer::said(0, "")).unwrap().first(), None);
    }

    #[test]
    fn an_answer_that_was_cut_is_no_answer() {
        let cut = Answer { total: (1 << 20) + 1, ..Answer::said(0, "id\n1") };
        assert_eq!(Rows::headed(MySql, &cut).unwrap_err(), "the answer has more than 1024 KiB: ask for less");
    }

    #[test]
    fn errors_have_code_and_line() {
        let told = |dialect, text| {
            let error = ServerError::read(dialect, &failed(text)).unwrap();
            format!("{:?} {}", error.line, error.told())
        };
        assert_eq!(
            told(
                Postgres,
                "psql:<stdin>:2: NOTICE:  00000: x\npsql:<stdin>:7: ERROR:  23514: check \"c\": violated\nLOCATION:  y, z.c:1"
            ),
            "Some(7) check \"c\": violated (SQLSTATE 23514)"
        );
        assert_eq!(told(Postgres, "psql:<stdin>:9: FEHLER:  42P01: weg"), "Some(9) weg (SQLSTATE 42P01)");
        assert_eq!(
            told(MySql, "ERROR 1146 (42S02) at line 3: Table 'a' doesn't exist"),
            "Some(3) Table 'a' doesn't exist (SQLSTATE 42S02, error 1146)"
        );
        assert_eq!(
            told(MySql, "ERROR 1045 (28000): Access denied"),
            "None Access denied (SQLSTATE 28000, error 1045)"
        );
        assert_eq!(ServerError::read(Postgres, &failed("psql: error: connection refused")), None);
    }
}
