//! What of a run can be undone: one sentence, the same in the recap and in documents.

use crate::record::RunRecord;

/// `3 of 5 changes can be undone; not: run make deploy: its step gives no undo`. `None` when all of them can, when it changed
/// nothing, or when it is an undo itself. `command` is what undoes it, where the reader may type it.
pub fn sentence(record: &RunRecord, command: Option<&str>) -> Option<String> {
    let scope = record.undo_scope()?;
    let (all, some, not) = (scope.changes, scope.undoable, scope.not.join("; "));
    if some == all {
        return None;
    }
    if some == 0 {
        return Some(format!("nothing of it can be undone: {not}"));
    }
    let can = if record.intent.check { "could" } else { "can" };
    let command =
        command.filter(|_| !record.intent.check).map_or_else(String::new, |name| format!(": {name}"));
    Some(format!("{some} of {all} changes {can} be undone{command}; not: {not}"))
}
