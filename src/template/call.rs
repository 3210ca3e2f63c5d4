//! Functions, and what is passed to them.

use super::arithmetic::whole_part;
use super::fault::{Fault, Result};
use super::machine::{Frame, Machine};
use super::tree::Macro;
use super::value::Datum;
use crate::model::nearest::did_you_mean;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A function, a filter (whose first argument is the value before `|`) or a test.
pub type Function = fn(&mut Machine, &mut Arguments) -> Result<Datum>;

/// Something that can be called.
#[derive(Debug)]
pub enum Callable {
    /// A function of windlass.
    Function(Function),
    /// A macro of a template.
    Macro(MacroValue),
    /// A method of a value that was not called at once.
    Method(Datum, Arc<str>),
    /// What `joiner()` gives: a separator, except for the first time.
    Joiner(String, Mutex<bool>),
}

/// A macro with what it can see.
pub struct MacroValue {
    /// What it renders.
    pub definition: Arc<Macro>,
    /// The variables around its definition.
    pub frames: Vec<Frame>,
    /// The template that it is written in.
    pub template: Option<Arc<str>>,
}

impl std::fmt::Debug for MacroValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "macro {}", self.definition.name)
    }
}

/// What is passed, taken one by one. A parameter may be given by its place or by its name.
#[derive(Debug, Default)]
pub struct Arguments {
    positional: VecDeque<Datum>,
    named: Vec<(Arc<str>, Datum)>,
    known: Vec<&'static str>,
}

impl Arguments {
    /// These.
    pub fn new(positional: Vec<Datum>, named: Vec<(Arc<str>, Datum)>) -> Arguments {
        Arguments { positional: positional.into(), named, known: Vec::new() }
    }

    /// Puts the value before `|` or `is` in front.
    pub fn with_value(mut self, value: Datum) -> Arguments {
        self.positional.push_front(value);
        self
    }

    /// The value before `|` or `is`.
    pub fn value(&mut self) -> Result<Datum> {
        self.positional.pop_front().ok_or_else(|| Fault::new("it needs a value"))
    }

    /// The value before `|`, as text.
    pub fn value_text(&mut self) -> Result<String> {
        self.value()?.to_text()
    }

    /// The next argument, or the one of this name.
    pub fn take(&mut self, name: &'static str) -> Option<Datum> {
        match self.named(name) {
            Some(value) => Some(value),
            None => self.positional.pop_front(),
        }
    }

    /// The argument that can only be given by this name.
    pub fn named(&mut self, name: &'static str) -> Option<Datum> {
        self.known.push(name);
        let at = self.named.iter().position(|(known, _)| known.as_ref() == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// Text that can only be given by this name.
    pub fn text_named(&mut self, name: &'static str) -> Result<Option<String>> {
        self.named(name).map(|value| value.to_text()).transpose()
    }

    /// An argument that must be there.
    pub fn required(&mut self, name: &'static str) -> Result<Datum> {
        self.take(name).ok_or_else(|| Fault::wrong_arguments(format!("it needs `{name}`")))?.defined()
    }

    /// An argument that is text and must be there.
    pub fn required_text(&mut self, name: &'static str) -> Result<String> {
        self.required(name)?.to_text()
    }

    /// An argument that is text; none counts as not given.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None | Some(Datum::None) => Ok(None),
            Some(value) => value.to_text().map(Some),
        }
    }

    /// An argument that counts as true or false.
    pub fn flag(&mut self, name: &'static str) -> Result<bool> {
        self.take(name).map_or(Ok(false), |value| value.truth())
    }

    /// An argument that is a whole number; none counts as not given.
    pub fn int(&mut self, name: &'static str) -> Result<Option<i128>> {
        match self.take(name) {
            None | Some(Datum::None) => Ok(None),
            Some(value) => {
                let number = match &value {
                    Datum::Float(number) => Some(whole_part(*number)?),
                    other => other.as_int(),
                };
                number.map(Some).ok_or_else(|| {
                    Fault::wrong_type(format!("`{name}` must be a number, not {}", value.what()))
                })
            }
        }
    }

    /// An argument that is a number of things.
    pub fn count(&mut self, name: &'static str) -> Result<Option<usize>> {
        let number = self.int(name)?;
        let count = |number| {
            usize::try_from(number).map_err(|_| Fault::new(format!("`{name}` must not be negative")))
        };
        number.map(count).transpose()
    }

    /// All further positional arguments.
    pub fn rest(&mut self) -> Vec<Datum> {
        self.positional.drain(..).collect()
    }

    /// All further named arguments.
    pub fn rest_named(&mut self) -> Vec<(Arc<str>, Datum)> {
        std::mem::take(&mut self.named)
    }

    /// Fails when something was passed that it does not know.
    pub fn finish(&self) -> Result<()> {
        if let Some((name, _)) = self.named.first() {
            let fault = Fault::wrong_arguments(format!("it has no parameter `{name}`"));
            return Err(match did_you_mean(name, self.known.iter().copied()) {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        }
        match self.positional.len() {
            0 => Ok(()),
            count => Err(Fault::wrong_arguments(format!(
                "it got {count} value{} too many",
                if count == 1 { "" } else { "s" }
            ))),
        }
    }
}

impl Arguments {
    /// A value that stands for one that is not known: then the result is not known either.
    pub fn blank(&self) -> Option<Datum> {
        let named = self.named.iter().map(|(_, value)| value);
        self.positional.iter().chain(named).find(|value| value.is_blank()).cloned()
    }

    /// Fails when something that is passed is not there; with `only_value`, only the value before `|` matters.
    pub fn check_defined(&self, only_value: bool) -> Result<()> {
        let named = self.named.iter().map(|(_, value)| value);
        let count = if only_value { 1 } else { usize::MAX };
        for value in self.positional.iter().chain(named).take(count) {
            if let Datum::Undefined(missing) = value {
                return Err(Fault::undefined(missing));
            }
        }
        match self.positional.front() {
            Some(Datum::Omitted) => {
                Err(Fault::new("its value is not set").hint("say what it is then with `| default(…)`"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an argument of this name was given.
    pub fn has_named(&self, name: &str) -> bool {
        self.named.iter().any(|(known, _)| known.as_ref() == name)
    }

    /// The first argument, left where it is.
    pub fn first(&self) -> Option<&Datum> {
        self.positional.front()
    }
}

/// What a macro is passed and does not take, as in Jinja: more values than it has parameters, unless it looks at `varargs`;
/// names that are none of them, unless it looks at `kwargs`.
pub fn surplus(definition: &Macro, positional: usize, named: &[&str]) -> Option<Fault> {
    let params = &definition.params;
    let has = |name: &str| {
        params.iter().any(|(known, _)| known.as_ref() == name)
            || (name == "caller" && definition.takes_caller)
    };
    let name = &definition.name;
    if positional > params.len() && !definition.takes_more {
        let most = params.len();
        let fault = format!("the macro `{name}` takes at most {most} values, not {positional}");
        return Some(Fault::wrong_arguments(fault));
    }
    let wrong = named.iter().find(|name| !has(name)).filter(|_| !definition.takes_names)?;
    let fault = match *wrong {
        "caller" => Fault::wrong_arguments(format!("the macro `{name}` does not render its caller"))
            .hint("write {{ caller() }} in the macro, or call it without `{% call %}`"),
        wrong => Fault::wrong_arguments(format!("the macro `{name}` has no parameter `{wrong}`")),
    };
    Some(match did_you_mean(wrong, params.iter().map(|(known, _)| known.as_ref())) {
        Some(hint) => fault.hint(hint),
        None => fault,
    })
}
