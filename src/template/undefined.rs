//! Names a template wants and does not find, told with the nearest one that exists.

use crate::model::Failure;
use crate::model::nearest::did_you_mean;
use minijinja::Value;

/// The failure for an undefined name in `source`, which is an expression or a template. `part` is the piece of it that
/// MiniJinja stumbled over.
pub fn failure(doing: &str, part: &str, source: &str, context: &Value) -> Failure {
    match missing(part, source, context) {
        Some(Missing { path, known }) => {
            let last = path.rsplit('.').next().unwrap_or(&path);
            let hint = did_you_mean(last, known.iter().map(String::as_str));
            let failure = Failure::new(doing, format!("`{path}` is undefined"));
            Failure { hint, ..failure }
        }
        None => Failure::new(doing, "a value in it is undefined")
            .hint("say what it is in that case with `| default(…)`"),
    }
}

struct Missing {
    path: String,
    known: Vec<String>,
}

/// The first name that is not there, preferably one of `part`.
fn missing(part: &str, source: &str, context: &Value) -> Option<Missing> {
    let names =
        super::undeclared(source, true, true).or_else(|_| super::undeclared(source, false, true)).ok()?;
    let variable = |name: &&String| !super::GLOBALS.contains(&name.as_str()) && !is_guarded(name, source);
    let mut missing: Vec<Missing> =
        names.iter().filter(variable).filter_map(|path| first_missing(path, context)).collect();
    missing.sort_by_key(|missing| !part.contains(&missing.path));
    missing.into_iter().next()
}

/// Whether the template says itself what happens when the name is undefined.
pub fn is_guarded(name: &str, source: &str) -> bool {
    let after = source.split(name).skip(1).map(|after| after.replace(' ', ""));
    let guards = ["|default", "|d(", "isdefined", "isnotdefined", "isundefined"];
    after.into_iter().any(|after| guards.iter().any(|guard| after.starts_with(guard)))
}

/// Walks a dotted path until a part of it is not there.
fn first_missing(path: &str, context: &Value) -> Option<Missing> {
    let mut here = context.clone();
    let mut walked = String::new();
    for name in path.split('.') {
        walked = if walked.is_empty() { name.to_string() } else { format!("{walked}.{name}") };
        let next = here.get_attr(name).unwrap_or(Value::UNDEFINED);
        if next.is_undefined() {
            return Some(Missing { path: walked, known: keys(&here) });
        }
        here = next;
    }
    None
}

fn keys(value: &Value) -> Vec<String> {
    let keys = value.try_iter().into_iter().flatten();
    keys.filter_map(|key| key.as_str().map(str::to_string)).collect()
}
