//! Databases as steps use them: where one is, how its own client is asked and changed, and what an SQL file is made of.

pub mod answer;
pub mod client;
pub mod reach;
pub mod split;
pub mod url;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL, through `psql`.
    Postgres,
    /// MySQL and MariaDB, through `mysql` or `mariadb`.
    MySql,
}

impl Dialect {
    /// A text as a literal of its SQL.
    pub fn literal(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        match self {
            Dialect::Postgres => format!("'{doubled}'"),
            Dialect::MySql => format!("'{}'", doubled.replace('\\', r"\\")),
        }
    }

    /// A name as a quoted identifier. `schema.table` names two.
    pub fn identifier(self, name: &str) -> String {
        let quote = match self {
            Dialect::Postgres => '"',
            Dialect::MySql => '`',
        };
        let quoted = name.split('.').map(|part| {
            let doubled = part.replace(quote, &format!("{quote}{quote}"));
            format!("{quote}{doubled}{quote}")
        });
        quoted.collect::<Vec<_>>().join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect::{MySql, Postgres};

    #[test]
    fn texts_and_names_are_quoted() {
        assert_eq!(Postgres.literal(r"it's \n"), r"'it''s \n'");
        assert_eq!(MySql.literal(r"it's \n"), r"'it''s \\n'");
        assert_eq!(Postgres.identifier("audit.we\"ird"), "\"audit\".\"we\"\"ird\"");
        assert_eq!(MySql.identifier("a`b"), "`a``b`");
    }
}
