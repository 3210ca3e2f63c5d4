//! Which names templates refer to.

use crate::model::{Result, Value};
use crate::template::{Form, Templates};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// The names that templates refer to: the same ones are asked for again and again, host by host.
#[derive(Default)]
pub struct Names(RefCell<HashMap<Key, Rc<BTreeSet<String>>>>);

/// A source, and how it is read.
type Key = (String, Form);

impl Names {
    /// The names that a template or an expression takes from its context, those of what it includes among them.
    pub fn of(&self, templates: &Templates, source: &str, form: Form) -> Result<Rc<BTreeSet<String>>> {
        let key = (source.to_string(), form);
        if let Some(names) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(names));
        }
        let names = Rc::new(templates.all_names(source, form)?);
        self.0.borrow_mut().insert(key, Rc::clone(&names));
        Ok(names)
    }
}

/// The names that the templates in a value refer to.
pub fn names_in(value: &Value, templates: &Templates) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    match value {
        Value::String(source) => names.append(&mut templates.all_names(source, Form::Text)?),
        Value::Array(list) => {
            for item in list {
                names.append(&mut names_in(item, templates)?);
            }
        }
        Value::Object(map) => {
            for item in map.values() {
                names.append(&mut names_in(item, templates)?);
            }
        }
        _ => {}
    }
    Ok(names)
}
