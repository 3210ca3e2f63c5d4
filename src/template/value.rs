//! The values that expressions work on: those of JSON, and those that only templates have.

use super::call::Callable;
use super::fault::{Fault, Missing, Result};
use super::moment::{Length, Moment};
use crate::model::{Value, Values};
use indexmap::IndexMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

/// Keys and values in the order in which they were put in, as in Python.
pub type Map = IndexMap<Datum, Datum>;

/// Stands in JSON for a value that is not there: `omit`, and an optional param without a value. No text holds it.
pub const OMITTED: &str = "\u{1}windlass:omitted\u{1}";

/// One value of an expression.
#[derive(Clone, Debug)]
pub enum Datum {
    /// A name or a key that is not there.
    Undefined(Arc<Missing>),
    /// `omit`, or an optional param that nothing sets.
    Omitted,
    /// `none`.
    None,
    /// `true` or `false`; counts as 1 and 0, as in Python.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// `[1, 2]`.
    List(Arc<Vec<Datum>>),
    /// `(1, 2)`.
    Tuple(Arc<Vec<Datum>>),
    /// `{'a': 1}`.
    Map(Arc<Map>),
    /// A date with a time of day.
    Moment(Moment),
    /// The difference of two moments.
    Length(Length),
    /// What `namespace()` gives: its attributes can be set.
    Namespace(Arc<Mutex<Map>>),
    /// Something that looks its keys up itself.
    Object(Arc<dyn Object>),
    /// A function, a macro, a method.
    Callable(Arc<Callable>),
}

/// A value that looks its keys up itself, when it is asked for them.
pub trait Object: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get(&self, key: &str) -> Option<Datum>;

    /// All keys.
    fn keys(&self) -> Vec<String>;

    /// Whether it stands for a value that is not known: what comes of it is thrown away.
    fn is_blank(&self) -> bool {
        false
    }

    /// What calling one of its methods gives, when it has that method.
    fn call(&self, _name: &str, _arguments: &[Datum]) -> Option<Result<Datum>> {
        None
    }
}

impl Datum {
    /// What an `if` without `else` gives when its condition does not hold.
    pub fn left_out() -> Datum {
        Datum::Undefined(Arc::new(Missing { path: String::new(), known: Vec::new(), left_out: true }))
    }

    /// Whether it is that.
    pub fn is_left_out(&self) -> bool {
        matches!(self, Datum::Undefined(missing) if missing.left_out)
    }

    /// Text.
    pub fn text(text: impl AsRef<str>) -> Datum {
        Datum::Text(Arc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(items: Vec<Datum>) -> Datum {
        Datum::List(Arc::new(items))
    }

    /// A tuple.
    pub fn tuple(items: Vec<Datum>) -> Datum {
        Datum::Tuple(Arc::new(items))
    }

    /// A map.
    pub fn map(map: Map) -> Datum {
        Datum::Map(Arc::new(map))
    }

    /// A map with text as keys.
    pub fn record<'a>(entries: impl IntoIterator<Item = (&'a str, Datum)>) -> Datum {
        Datum::map(entries.into_iter().map(|(key, value)| (Datum::text(key), value)).collect())
    }

    /// A number of things.
    pub fn count(count: usize) -> Datum {
        Datum::Int(count as i128)
    }

    /// From JSON.
    pub fn of(value: &Value) -> Datum {
        match value {
            Value::Null => Datum::None,
            Value::Bool(boolean) => Datum::Bool(*boolean),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Datum::Int(integer.into()),
                (None, Some(integer)) => Datum::Int(integer.into()),
                (None, None) => Datum::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) if text == OMITTED => Datum::Omitted,
            Value::String(text) => Datum::text(text),
            Value::Array(list) => Datum::list(list.iter().map(Datum::of).collect()),
            Value::Object(map) => {
                Datum::map(map.iter().map(|(key, value)| (Datum::text(key), Datum::of(value))).collect())
            }
        }
    }

    /// As JSON. Fails when something in it is undefined.
    pub fn json(&self) -> Result<Value> {
        Ok(match self {
            Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
            Datum::Omitted => OMITTED.into(),
            Datum::None => Value::Null,
            Datum::Bool(boolean) => (*boolean).into(),
            Datum::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => {
                    let fault = Fault::new(format!("{number} is too large a number for a value"));
                    return Err(fault.hint("make text of it: `| string`"));
                }
            },
            Datum::Float(number) if !number.is_finite() => {
                let fault = Fault::new(format!("{} is no number that a value can be", self.to_text()?));
                return Err(fault.hint("make text of it: `| string`"));
            }
            Datum::Float(number) => (*number).into(),
            Datum::Text(text) => text.as_ref().into(),
            Datum::List(items) | Datum::Tuple(items) => {
                items.iter().map(Datum::json).collect::<Result<Vec<_>>>()?.into()
            }
            Datum::Map(map) => json_of(map)?,
            Datum::Namespace(map) => json_of(&locked(map))?,
            Datum::Object(_) => json_of(&self.as_map().unwrap_or_default())?,
            Datum::Moment(_) | Datum::Length(_) => self.to_text()?.into(),
            Datum::Callable(_) => return Err(Fault::new("a function is no value").hint("call it: name()")),
        })
    }

    /// As it is put into text: a tuple is written as a list there.
    pub fn shown(&self) -> Result<String> {
        match self {
            Datum::Text(text) => Ok(text.to_string()),
            other => other.without_tuples().to_text(),
        }
    }

    fn without_tuples(&self) -> Datum {
        match self {
            Datum::List(items) | Datum::Tuple(items) => {
                Datum::list(items.iter().map(Datum::without_tuples).collect())
            }
            Datum::Map(map) => {
                let entry = |(key, value): (&Datum, &Datum)| (key.clone(), value.without_tuples());
                Datum::map(map.iter().map(entry).collect())
            }
            other => other.clone(),
        }
    }

    /// The entries of a map, or of an object that looks its keys up.
    pub fn as_map(&self) -> Option<Map> {
        match self {
            Datum::Map(map) => Some(map.as_ref().clone()),
            Datum::Namespace(map) => Some(locked(map).clone()),
            Datum::Object(object) => Some(
                object.keys().iter().filter_map(|key| Some((Datum::text(key), object.get(key)?))).collect(),
            ),
            _ => None,
        }
    }

    /// Text, when it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, when it is one. As in Python, true is 1.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Datum::Int(number) => Some(*number),
            Datum::Bool(boolean) => Some((*boolean).into()),
            _ => None,
        }
    }

    /// A number, when it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Datum::Float(number) => Some(*number),
            other => other.as_int().map(|number| number as f64),
        }
    }

    /// The items of a list or a tuple.
    pub fn as_list(&self) -> Option<&[Datum]> {
        match self {
            Datum::List(items) | Datum::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it stands for a value that is not known.
    pub fn is_blank(&self) -> bool {
        matches!(self, Datum::Object(object) if object.is_blank())
    }

    /// Fails when it is undefined.
    pub fn defined(self) -> Result<Datum> {
        match self {
            Datum::Undefined(missing) => Err(Fault::undefined(&missing)),
            defined => Ok(defined),
        }
    }

    /// Whether it counts as true: not empty, not zero, not none.
    pub fn truth(&self) -> Result<bool> {
        Ok(match self {
            Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
            Datum::Omitted | Datum::None => false,
            Datum::Bool(boolean) => *boolean,
            Datum::Int(number) => *number != 0,
            Datum::Float(number) => *number != 0.0,
            Datum::Text(text) => !text.is_empty(),
            Datum::List(items) | Datum::Tuple(items) => !items.is_empty(),
            Datum::Map(map) => !map.is_empty(),
            Datum::Length(length) => length.0 != 0,
            Datum::Object(object) => object.is_blank() || !object.keys().is_empty(),
            Datum::Moment(_) | Datum::Namespace(_) | Datum::Callable(_) => true,
        })
    }

    /// What one iterates over: items, keys, characters.
    pub fn items(&self) -> Result<Vec<Datum>> {
        match self {
            Datum::Undefined(missing) => Err(Fault::undefined(missing)),
            Datum::List(items) | Datum::Tuple(items) => Ok(items.as_ref().clone()),
            Datum::Text(text) => Ok(text.chars().map(|letter| Datum::text(letter.to_string())).collect()),
            other => match other.as_map() {
                Some(map) => Ok(map.into_keys().collect()),
                None => Err(Fault::wrong_type(format!("{} is no list", other.what()))),
            },
        }
    }

    /// How many items it has.
    pub fn length(&self) -> Result<usize> {
        match self {
            Datum::Text(text) => Ok(text.chars().count()),
            Datum::List(items) | Datum::Tuple(items) => Ok(items.len()),
            Datum::Map(map) => Ok(map.len()),
            Datum::Object(object) => Ok(object.keys().len()),
            Datum::Undefined(missing) => Err(Fault::undefined(missing)),
            other => Err(Fault::wrong_type(format!("{} has no length", other.what()))),
        }
    }

    /// A whole number without a sign, where it fits.
    pub fn unsigned(number: u128) -> Result<Datum> {
        let number = i128::try_from(number).map_err(|_| super::arithmetic::too_large())?;
        Ok(Datum::Int(number))
    }

    /// What it is, for messages: `a number`.
    pub fn what(&self) -> &'static str {
        match self {
            Datum::Undefined(_) => "an undefined value",
            Datum::Omitted => "a value that is not set",
            Datum::None => "none",
            Datum::Bool(_) => "a boolean",
            Datum::Int(_) | Datum::Float(_) => "a number",
            Datum::Text(_) => "text",
            Datum::List(_) => "a list",
            Datum::Tuple(_) => "a tuple",
            Datum::Map(_) | Datum::Object(_) => "a map",
            Datum::Namespace(_) => "a namespace",
            Datum::Moment(_) => "a date",
            Datum::Length(_) => "a length of time",
            Datum::Callable(_) => "a function",
        }
    }

    /// Python's name of its type, as `type_debug` gives it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Datum::Undefined(_) => "AnsibleUndefined",
            Datum::Omitted => "Omit",
            Datum::None => "NoneType",
            Datum::Bool(_) => "bool",
            Datum::Int(_) => "int",
            Datum::Float(_) => "float",
            Datum::Text(_) => "str",
            Datum::List(_) => "list",
            Datum::Tuple(_) => "tuple",
            Datum::Map(_) | Datum::Object(_) => "dict",
            Datum::Namespace(_) => "Namespace",
            Datum::Moment(_) => "datetime",
            Datum::Length(_) => "timedelta",
            Datum::Callable(_) => "function",
        }
    }
}

/// What a mutex guards here is plain data, so a panic elsewhere does not spoil it.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A map as JSON, whose keys are text.
fn json_of(map: &Map) -> Result<Value> {
    let entry = |(key, value): (&Datum, &Datum)| Ok((key.to_text()?, value.json()?));
    map.iter().map(entry).collect::<Result<Values>>().map(Value::Object)
}

/// The same value without what is omitted in it: list items and map entries go; the whole becomes none.
pub fn without_omitted(value: Value) -> Value {
    let omitted = |value: &Value| value.as_str() == Some(OMITTED);
    match value {
        Value::Array(list) => list.into_iter().filter(|item| !omitted(item)).map(without_omitted).collect(),
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !omitted(value))
            .map(|(key, value)| (key, without_omitted(value)))
            .collect(),
        text if omitted(&text) => Value::Null,
        other => other,
    }
}

/// As in Python: numbers are equal by value, whatever their types; a list is no tuple.
impl PartialEq for Datum {
    fn eq(&self, other: &Datum) -> bool {
        match (self, other) {
            (Datum::None, Datum::None) | (Datum::Omitted, Datum::Omitted) => true,
            (Datum::Text(one), Datum::Text(other)) => one == other,
            (Datum::List(one), Datum::List(other)) => one == other,
            (Datum::Tuple(one), Datum::Tuple(other)) => one == other,
            (Datum::Map(one), Datum::Map(other)) => one == other,
            (Datum::Object(_), _) | (_, Datum::Object(_)) => {
                self.as_map().is_some_and(|one| Some(one) == other.as_map())
            }
            (Datum::Moment(one), Datum::Moment(other)) => one == other,
            (Datum::Length(one), Datum::Length(other)) => one == other,
            (Datum::Namespace(one), Datum::Namespace(other)) => Arc::ptr_eq(one, other),
            (Datum::Callable(one), Datum::Callable(other)) => Arc::ptr_eq(one, other),
            _ => match (self.as_int(), other.as_int()) {
                (Some(one), Some(other)) => one == other,
                _ => matches!((self.as_float(), other.as_float()), (Some(one), Some(other)) if one == other),
            },
        }
    }
}

impl Eq for Datum {}

impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Datum::Text(text) => text.hash(state),
            Datum::Tuple(items) | Datum::List(items) => items.len().hash(state),
            // Equal numbers of different types must have one hash; adding zero makes -0.0 the same as 0.
            other => other.as_float().map_or(0, |number| (number + 0.0).to_bits()).hash(state),
        }
    }
}

impl From<bool> for Datum {
    fn from(boolean: bool) -> Datum {
        Datum::Bool(boolean)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Datum {
        Datum::text(text)
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Datum {
        Datum::text(text)
    }
}

impl From<Vec<Datum>> for Datum {
    fn from(items: Vec<Datum>) -> Datum {
        Datum::list(items)
    }
}
