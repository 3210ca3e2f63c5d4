//! What goes wrong in a template, and where in it.

use crate::model::Failure;
use crate::model::nearest::did_you_mean;
use std::ops::Range;
use std::sync::Arc;

/// The result of evaluating a part of a template.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Lower case, no full stop.
    pub why: String,
    /// What to try.
    pub hint: Option<String>,
    /// Where it is, once that is known.
    pub spot: Option<Spot>,
    /// The name that is undefined, when that is what is wrong.
    pub undefined: Option<String>,
    /// What it depends on.
    pub cause: Cause,
}

/// What something that went wrong depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The value: another one of the same type may be right.
    #[default]
    Value,
    /// The type of a value: no other value of that type is right either.
    Type,
    /// What is passed: how many values, and under which names. It is wrong with every value.
    Arguments,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file below `templates/`; `None` for the source that was given.
    pub template: Option<Arc<str>>,
    /// In bytes.
    pub range: Range<usize>,
}

/// A name or a key that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `facts.dcker`.
    pub path: String,
    /// What is there instead.
    pub known: Vec<String>,
    /// An `if` without `else` gives it: as a part of a text it is empty.
    pub left_out: bool,
}

impl Fault {
    /// A failure to look at something outside.
    pub fn of(failure: Failure) -> Fault {
        Fault { hint: failure.hint, ..Fault::new(format!("{}: {}", failure.doing, failure.why)) }
    }

    /// Something that went wrong, at a place that the caller knows.
    pub fn new(why: impl Into<String>) -> Fault {
        Fault { why: why.into(), hint: None, spot: None, undefined: None, cause: Cause::Value }
    }

    /// A value of a type that is wrong there.
    pub fn wrong_type(why: impl Into<String>) -> Fault {
        Fault { cause: Cause::Type, ..Fault::new(why) }
    }

    /// Too many or too few values are passed, or one under a name that does not exist.
    pub fn wrong_arguments(why: impl Into<String>) -> Fault {
        Fault { cause: Cause::Arguments, ..Fault::new(why) }
    }

    /// A value that is used although it is not there.
    pub fn undefined(missing: &Missing) -> Fault {
        let last = missing.path.rsplit('.').next().unwrap_or(&missing.path);
        let hint = did_you_mean(last, missing.known.iter().map(String::as_str));
        let why = match missing.path.is_empty() {
            true => "a value in it is undefined".to_string(),
            false => format!("`{}` is undefined", missing.path),
        };
        Fault { hint, undefined: Some(missing.path.clone()), ..Fault::new(why) }
    }

    /// With something to try.
    pub fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }

    /// At this place, unless a smaller one is known already.
    pub fn at(self, template: Option<&Arc<str>>, range: Range<usize>) -> Fault {
        let spot = self.spot.unwrap_or_else(|| Spot { template: template.cloned(), range });
        Fault { spot: Some(spot), ..self }
    }
}
