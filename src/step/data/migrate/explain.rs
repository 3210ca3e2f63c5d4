//! What a refused script means: the file, its statement, its line, and what a person types next.

use super::files::File;
use super::record::Row;
use super::script::{ApplyMode, LOCKED, Scripts, without_frame};
use crate::model::Failure;
use crate::model::op::{Answer, Run};
use crate::sql::answer::ServerError;
use crate::sql::client::{Script, about};
use crate::sql::reach;
use crate::sql::split::{self, Piece};

/// What `clone.sh` says when it did not come to the files.
const NO_COPY: &str = "windlass: the copy could not be made";

/// What a script was for, as the command's first word says it.
struct ScriptPurpose<'a> {
    /// Whether it was about a copy.
    copy: bool,
    /// The files in it.
    files: Vec<&'a File>,
}

impl Scripts<'_> {
    /// The failure of a script that the server, or the client, has refused.
    pub fn explain(&self, files: &[File], run: &Run, answer: &Answer) -> Option<Failure> {
        let aim = ScriptPurpose::read(about(&run.command)?, files)?;
        let doing = format!("run {}", run.command.shown());
        let Some(error) = ServerError::read(self.dialect(), answer) else {
            return Some(reach::failed(self.database, self.container, &run.command, answer));
        };
        if String::from_utf8_lossy(&answer.stderr).contains(NO_COPY) {
            return Some(Failure::new(doing, format!("the copy could not be made: {}", error.told())));
        }
        let script = if aim.copy { self.all(&aim.files) } else { self.each(&aim.files) };
        match error.line.and_then(|line| script.place_at(line)) {
            Some((name, number)) => {
                let file = aim.files.iter().find(|file| file.name == name)?;
                self.at_statement(&aim, file, number, &error, doing)
            }
            None => Some(beside_statements(&aim, &error, Failure::new(doing, told(&error)))),
        }
    }

    fn each(&self, files: &[&File]) -> Script {
        let mut script = self.locked();
        files.iter().for_each(|file| self.add_file(&mut script, file));
        script
    }

    fn at_statement(
        &self,
        aim: &ScriptPurpose,
        file: &File,
        number: usize,
        error: &ServerError,
        doing: String,
    ) -> Option<Failure> {
        let pieces = split::statements(self.dialect(), &file.text).ok()?;
        let inner = without_frame(&pieces);
        let place = placed(&file.name, inner.get(number - 1)?);
        let failure = Failure::new(doing, format!("{}, in statement {number}, {place}", error.told()));
        Some(match self.way(file, inner) {
            _ if aim.copy => {
                failure.hint("this was the copy, which is dropped; the database itself was not touched")
            }
            ApplyMode::Stepwise => failure.hint(format!("{} is half applied (dirty): {}", file.name, next(file))),
            ApplyMode::Whole if is_there_already(error) => failure.hint(
                "nothing of this file was applied; when the database had it before windlass knew it, set baseline to its number",
            ),
            ApplyMode::Whole => failure.hint("nothing of this file was applied: correct it and run again"),
        })
    }

    /// A file that was begun and did not come to its end.
    pub fn dirty(&self, row: &Row, file: Option<&File>) -> Failure {
        let name = file.map_or_else(|| row.version.to_string(), |file| file.name.clone());
        let doing = format!("look at migration {name} of {}", self.database);
        let said = if row.error.is_empty() { "it was interrupted" } else { row.error.as_str() };
        let place = file.and_then(|file| self.stopped_at(row, file));
        let place = place.unwrap_or_else(|| format!("statement {}", row.statement));
        let failure =
            Failure::new(doing, format!("it is half applied (dirty): it stopped at {place}: {said}"));
        match file {
            Some(file) => failure.hint(next(file)),
            None => failure.hint("its file is not in the directory: put it back first"),
        }
    }

    /// The statement that was begun last, where the file is still the one that was begun.
    fn stopped_at(&self, row: &Row, file: &File) -> Option<String> {
        let pieces = split::statements(self.dialect(), &file.text).ok()?;
        let inner = without_frame(&pieces);
        let piece = inner.get(row.statement.checked_sub(1)?)?;
        let same = file.short() == row.checksum;
        same.then(|| format!("statement {} of {}, {}", row.statement, inner.len(), placed(&file.name, piece)))
    }
}

impl<'a> ScriptPurpose<'a> {
    fn read(about: &str, files: &'a [File]) -> Option<ScriptPurpose<'a>> {
        let mut words = about.split(' ');
        let what = words.next()?;
        let versions: Vec<&str> = words.collect();
        let files = files.iter().filter(|file| versions.contains(&file.version.as_str())).collect();
        Some(ScriptPurpose { copy: what == "try", files })
    }
}

fn placed(name: &str, piece: &Piece) -> String {
    format!("{name}:{}: {}", piece.line, piece.shown())
}

/// An error of windlass's own statements: the lock, the record, the copy.
fn beside_statements(aim: &ScriptPurpose, error: &ServerError, failure: Failure) -> Failure {
    let has = |codes: &[&str]| codes.iter().any(|code| error.code.starts_with(code));
    if error.message.contains(LOCKED) || has(&["55P03"]) {
        return failure.hint("another run holds the lock: wait, or give a longer lock_timeout");
    }
    match aim.copy && has(&["42501", "42000"]) {
        true => failure.hint(
            "let the role create databases (MariaDB: GRANT ALL ON `windlass_try_%`.* TO it), or migrate without try_on_clone",
        ),
        false => failure,
    }
}

/// What MySQL says of our own stops is about a table that cannot exist.
fn told(error: &ServerError) -> String {
    match error.message.contains(LOCKED) {
        true => LOCKED.trim_start_matches("windlass: ").to_string(),
        false => error.told(),
    }
}

/// What a person types once they have looked after a dirty file.
fn next(file: &File) -> String {
    format!(
        "find out what of it is in the database, then type one of these two:\n\
         \x20   windlass runs retry last -e resolve=retry:{0}     once all that it did is undone by hand: it runs again\n\
         \x20   windlass runs retry last -e resolve=applied:{0}   once all that it should do is done by hand",
        file.version
    )
}

/// A table, column or index of this name exists.
fn is_there_already(error: &ServerError) -> bool {
    ["42P07", "42701", "42710", "42P06", "42S01", "42S21"].iter().any(|code| error.code.starts_with(code))
}
