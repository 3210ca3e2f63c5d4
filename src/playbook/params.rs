//! A playbook's params: variables with a type, a default and a help text.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::nearest::did_you_mean;
use crate::model::{Result, Value};
use crate::project::Project;
use crate::secrets::SecretOrigin;
use crate::setting::{Origin, Setting, check_name};
use crate::source::{Entry, Node, Place, what};
use crate::template::is_plain;

/// One param.
#[derive(Clone, Debug)]
pub struct Param {
    /// The variable it is.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// What its value must be.
    pub kind: ParamKind,
    /// Whether something must set it.
    pub required: bool,
    /// What it is when nothing sets it; none without a default.
    pub default: Option<Node>,
    /// For people.
    pub help: Option<String>,
    /// An included playbook declares it: its default is for the steps of that playbook alone.
    pub included: bool,
}

/// What a param's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list of anything.
    List,
    /// A table of anything.
    Map,
    /// Text that is never shown: itself, or where it is: `env:NAME`, `file:PATH`, `command:PROGRAM …`, `age:NAME`.
    Secret,
    /// The path of a file.
    Path,
    /// 1 to 65535.
    Port,
    /// One of these words.
    OneOf(Vec<String>),
}

const KINDS: &[(&str, ParamKind)] = &[
    ("string", ParamKind::String),
    ("integer", ParamKind::Integer),
    ("boolean", ParamKind::Boolean),
    ("list", ParamKind::List),
    ("map", ParamKind::Map),
    ("secret", ParamKind::Secret),
    ("path", ParamKind::Path),
    ("port", ParamKind::Port),
    ("one-of", ParamKind::OneOf(Vec::new())),
];

impl Param {
    /// Reads `[params.NAME]`.
    pub fn read(entry: &Entry, problems: &mut Diagnostics) -> Param {
        check_name(&entry.key, &entry.place, problems);
        let mut keys = Keys::of(&entry.node, "a param", problems);
        let kind = kind(&mut keys);
        let (required, default, help) = (keys.boolean("required"), keys.node("default"), keys.string("help"));
        if let Some(default) = default.filter(|_| required == Some(true)) {
            keys.problem(Diagnostic::error("a required param has no use for a default", &default.place));
        }
        keys.finish();
        let place = entry.place.clone();
        let (name, default) = (entry.key.clone(), default.cloned());
        let param =
            Param { name, place, kind, required: required.unwrap_or(false), default, help, included: false };
        param.check_default(problems);
        param
    }

    fn check_default(&self, problems: &mut Diagnostics) {
        let Some(default) = &self.default else { return };
        if default.as_str().is_some_and(|text| !is_plain(text)) {
            return;
        }
        let fitted = self.fitted(&default.value(), None);
        let label = format!("the default of `{}`", self.name);
        match fitted {
            Err(why) => problems.push(Diagnostic::error(why, &default.place).label(label)),
            // On the command line everything is text; in a file a number or a boolean is written as one.
            Ok(fitted) if default.as_str().is_some() && !fitted.is_string() => {
                let why = format!("`{}` must be {}, found a string", self.name, self.kind.expected());
                let problem = Diagnostic::error(why, &default.place).label(label);
                problems.push(problem.hint(format!("write {fitted}, without quotes")));
            }
            Ok(_) => {}
        }
    }

    /// The weakest setting of the variable.
    pub fn setting(&self) -> Option<Setting> {
        match &self.default {
            Some(node) => Some(Setting::new(&self.name, node.value(), &node.place, Origin::Default)),
            None if self.required => None,
            None => Some(Setting::new(&self.name, Value::Null, &self.place, Origin::Default)),
        }
    }

    /// The value as the type wants it; `written` is what was typed on the command line, where text that looks like a
    /// number may be meant as text. Says why it does not fit.
    pub fn fitted(&self, value: &Value, written: Option<&str>) -> Result<Value, String> {
        let text = match value {
            Value::String(text) => Some(text.as_str()),
            _ => written,
        };
        let fitted = match (&self.kind, value) {
            (_, Value::Null) if !self.required => Some(Value::Null),
            (ParamKind::String | ParamKind::Secret | ParamKind::Path, Value::Number(_)) => {
                Some(text.map_or_else(|| value.to_string(), str::to_string).into())
            }
            (ParamKind::String | ParamKind::Secret, _) => text.map(Value::from),
            (ParamKind::Path, _) => text.filter(|text| !text.is_empty()).map(Value::from),
            (ParamKind::Integer, _) => integer(value).map(Value::from),
            (ParamKind::Port, _) => integer(value).filter(|port| (1..=65535).contains(port)).map(Value::from),
            (ParamKind::Boolean, _) => boolean(value).map(Value::from),
            (ParamKind::List, _) => value.is_array().then(|| value.clone()),
            (ParamKind::Map, _) => value.is_object().then(|| value.clone()),
            (ParamKind::OneOf(choices), _) => {
                return one_of(text.unwrap_or_default(), choices).map(Value::from);
            }
        };
        fitted.ok_or_else(|| {
            format!("`{}` must be {}, found {}", self.name, self.kind.expected(), found(value))
        })
    }

    /// The text of a secret: what is at the place that it names, or the text itself.
    pub fn revealed(&self, text: &str, project: &Project) -> Result<String> {
        revealed(&self.name, text, project)
    }
}

/// The text of the secret `param`: what is at the place that `text` names, or the text itself.
pub fn revealed(param: &str, text: &str, project: &Project) -> Result<String> {
    match SecretOrigin::of_text(text) {
        Some(origin) => project.vault.text(&origin, param),
        None => Ok(text.to_string()),
    }
}

impl ParamKind {
    /// The word of every type.
    pub fn words() -> Vec<&'static str> {
        KINDS.iter().map(|(word, _)| *word).collect()
    }

    /// The word in the playbook.
    pub fn as_str(&self) -> &'static str {
        let same = |kind: &ParamKind| std::mem::discriminant(kind) == std::mem::discriminant(self);
        KINDS.iter().find(|(_, kind)| same(kind)).map_or("string", |(name, _)| name)
    }

    fn expected(&self) -> &'static str {
        match self {
            ParamKind::String | ParamKind::Secret | ParamKind::OneOf(_) => "a string",
            ParamKind::Path => "the path of a file",
            ParamKind::Integer => "an integer",
            ParamKind::Port => "a port, 1 to 65535",
            ParamKind::Boolean => "a boolean",
            ParamKind::List => "a list",
            ParamKind::Map => "a map",
        }
    }
}

fn kind(keys: &mut Keys) -> ParamKind {
    let name = keys.read("type", "a string", |node| Some((node.as_str()?.to_string(), node.place.clone())));
    let choices = keys.strings("choices");
    match name {
        None if choices.is_empty() => ParamKind::String,
        Some((name, place)) if name == "one-of" && choices.is_empty() => {
            keys.problem(Diagnostic::error("a param of type `one-of` needs `choices`", &place));
            ParamKind::String
        }
        None => ParamKind::OneOf(choices),
        Some((name, _)) if name == "one-of" => ParamKind::OneOf(choices),
        Some((name, place)) => {
            if !choices.is_empty() {
                keys.problem(Diagnostic::error("only a param of type `one-of` has `choices`", &place));
            }
            KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind.clone()).unwrap_or_else(
                || {
                    let problem = Diagnostic::error(format!("there is no type `{name}`"), &place);
                    keys.problem(problem.nearest(&name, KINDS.iter().map(|(name, _)| *name)));
                    ParamKind::String
                },
            )
        }
    }
}

/// Of a number that does not fit, its kind says nothing.
fn found(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { what(value).to_string() }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        _ => value.as_i64(),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value.as_str().map(str::to_lowercase).as_deref() {
        Some("true" | "yes" | "on") => Some(true),
        Some("false" | "no" | "off") => Some(false),
        _ => value.as_bool(),
    }
}

fn one_of<'a>(word: &'a str, choices: &[String]) -> Result<&'a str, String> {
    if choices.iter().any(|choice| choice == word) {
        return Ok(word);
    }
    let hint = did_you_mean(word, choices.iter().map(String::as_str))
        .map_or(String::new(), |hint| format!("; {hint}"));
    Err(format!("`{word}` is not one of {}{hint}", choices.join(", ")))
}
