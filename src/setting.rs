//! One place that sets a variable: what every reader of files makes. Every value keeps where it came from; the order of
//! the places is the business of `variables`.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::secrets::SecretOrigin;
use crate::source::{Node, Place};
use std::fmt;

/// Names that windlass gives itself: what is known of the host, and what is read there.
pub const RESERVED: &[&str] = &["facts", "host", "inventory_hostname", "groups", "group_names"];

/// Words that are no names in expressions: a variable of this name could never be read.
const KEYWORDS: &[&str] =
    &["true", "false", "none", "True", "False", "None", "not", "in", "and", "or", "is", "if", "else"];

/// What `[secrets]` takes.
const SECRET_ORIGINS: &str = "write \"age:NAME\", \"env:NAME\", \"file:PATH\", \"command:PROGRAM …\" or { command = [\"pass\", \"show\", \"NAME\"] }";

/// One place that sets a variable.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// What it is set to; strings in it may be templates.
    pub value: Value,
    /// Where that is written.
    pub place: Place,
    /// Which of the eight places that is.
    pub origin: Origin,
    /// Its strings are text even where they look like templates: a program made them.
    pub literal: bool,
    /// What was typed, for a value of the command line.
    pub typed: Option<String>,
    /// The value says where the value comes from: it stands in a `[secrets]` table.
    pub secret: bool,
}

/// The places that set variables, weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `default` of a playbook's param.
    Default,
    /// `[vars]` of an inventory file.
    File(String),
    /// `vars` of a group; parents come before children.
    Group(String),
    /// `vars` of a host.
    Host(String),
    /// `vars` of the playbook.
    Playbook,
    /// `vars` of a step, or of the step that includes it.
    Step(String),
    /// `register` of a step.
    Registered(String),
    /// `set` of a step, as strong as `register`.
    Set(String),
    /// `--var`.
    CommandLine,
}

impl Setting {
    /// All entries of a `vars` table.
    pub fn table(node: &Node, origin: &Origin, problems: &mut Diagnostics) -> Vec<Setting> {
        let entries = node.entries().unwrap_or_else(|| {
            problems.push(crate::keys::wrong_type(node, "a table"));
            &[]
        });
        let mut settings = Vec::new();
        for entry in entries {
            check_name(&entry.key, &entry.place, problems);
            settings.push(Setting::new(&entry.key, entry.node.value(), &entry.node.place, origin.clone()));
        }
        settings
    }

    /// All entries of a `[secrets]` table: each says where a value comes from, which is read when it is used.
    pub fn secrets(node: &Node, origin: &Origin, problems: &mut Diagnostics) -> Vec<Setting> {
        let mut settings = Setting::table(node, origin, problems);
        for setting in &mut settings {
            (setting.secret, setting.literal) = (true, true);
            if SecretOrigin::of_value(&setting.value).is_none() {
                // It may be the secret itself, so the line is named and not shown.
                let message = format!(
                    "{}: `[secrets]` says where `{}` comes from, and not what it is",
                    setting.place, setting.name
                );
                problems.push(Diagnostic::elsewhere(message).hint(SECRET_ORIGINS));
            }
        }
        settings
    }

    /// The setting of a secret as it may be shown: where the secret is, but not what it is.
    pub fn masked(self) -> Setting {
        let shown =
            self.secret || self.value.as_str().is_some_and(|text| SecretOrigin::of_text(text).is_some());
        let value = if shown { self.value.clone() } else { "•••".into() };
        Setting { value, typed: None, ..self }
    }

    /// A value in a file.
    pub fn new(name: &str, value: Value, place: &Place, origin: Origin) -> Setting {
        Setting {
            name: name.to_string(),
            value,
            place: place.clone(),
            origin,
            literal: false,
            typed: None,
            secret: false,
        }
    }
}

/// Tells a name that no expression could refer to, or that windlass uses itself.
pub fn check_name(name: &str, place: &Place, problems: &mut Diagnostics) {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(letters)
    {
        problems.push(
            Diagnostic::error(format!("`{name}` cannot be the name of a variable"), place)
                .hint("use letters, digits and `_`, with a letter first"),
        );
    } else if KEYWORDS.contains(&name) {
        let message = format!("`{name}` cannot be the name of a variable: it is a word of expressions");
        problems.push(Diagnostic::error(message, place).hint("choose another name"));
    } else if RESERVED.contains(&name) {
        problems.push(Diagnostic::error(format!("`{name}` is a name that windlass itself uses"), place));
    }
}

impl Origin {
    /// What people call it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::Default => "param default",
            Origin::File(_) => "inventory file",
            Origin::Group(_) => "group",
            Origin::Host(_) => "host",
            Origin::Playbook => "playbook vars",
            Origin::Step(_) => "vars of step",
            Origin::Registered(_) => "registered by step",
            Origin::Set(_) => "set by step",
            Origin::CommandLine => "--var",
        }
    }

    /// The weakest is 1.
    pub fn rank(&self) -> u8 {
        match self {
            Origin::Default => 1,
            Origin::File(_) => 2,
            Origin::Group(_) => 3,
            Origin::Host(_) => 4,
            Origin::Playbook => 5,
            Origin::Step(_) => 6,
            Origin::Registered(_) | Origin::Set(_) => 7,
            Origin::CommandLine => 8,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(name) | Origin::Group(name) | Origin::Host(name) => {
                write!(out, "{} {name}", self.as_str())
            }
            Origin::Step(step) | Origin::Registered(step) | Origin::Set(step) => {
                write!(out, "{} `{step}`", self.as_str())
            }
            Origin::Default | Origin::Playbook | Origin::CommandLine => out.write_str(self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_expression_could_read_is_refused() {
        let why = |name: &str| {
            let mut problems = Diagnostics::default();
            check_name(name, &Place::outside("x"), &mut problems);
            problems.iter().map(|problem| problem.message.clone()).collect::<String>()
        };
        for name in ["port", "_x1", "loop", "env", "iffy"] {
            assert_eq!(why(name), "", "{name}");
        }
        for name in ["", "1st", "two words", "true", "None", "not", "if", "facts"] {
            assert_ne!(why(name), "", "{name}");
        }
    }
}
