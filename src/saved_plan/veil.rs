//! Secrets out of what a plan keeps, and back in. Each form of each secret has a place of its own, so that what is put in
//! again is what was there, in base64 or in a URL too.

use crate::model::{Failure, Result, Value};
use crate::redact::secret_forms;
use std::collections::BTreeMap;

/// Starts and ends the place of a secret: characters of no language, which mean nothing to anyone else.
const OPEN: char = '\u{F8F0}';
const CLOSE: char = '\u{F8F1}';

/// Knows the forms of a plan's secrets.
pub struct Veil {
    /// By number of the secret and of the form.
    forms: Vec<Vec<String>>,
    /// Longest first, by first byte.
    needles: BTreeMap<u8, Vec<(String, usize, usize)>>,
}

impl Veil {
    /// Knows these secrets, in the order of their numbers.
    pub fn of(secrets: &[String]) -> Self {
        let text = |form: Vec<u8>| String::from_utf8(form).unwrap_or_default();
        let forms_of = |secret: &String| -> Vec<String> {
            let mut all = vec![secret.clone()];
            all.extend(secret_forms(secret).into_iter().map(text));
            all
        };
        let forms: Vec<Vec<String>> = secrets.iter().map(forms_of).collect();
        let mut needles: BTreeMap<u8, Vec<(String, usize, usize)>> = BTreeMap::new();
        for (secret, all) in forms.iter().enumerate() {
            for (form, text) in all.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                needles.entry(text.as_bytes()[0]).or_default().push((text.clone(), secret, form));
            }
        }
        needles.values_mut().for_each(|list| list.sort_by_key(|(text, ..)| std::cmp::Reverse(text.len())));
        Veil { forms, needles }
    }

    /// The text with a place for each secret.
    pub fn cover(&self, text: &str) -> String {
        let (mut rest, mut covered) = (text, String::with_capacity(text.len()));
        while let Some(first) = rest.chars().next() {
            let known = self.needles.get(&rest.as_bytes()[0]).into_iter().flatten();
            match known.clone().find(|(needle, ..)| rest.starts_with(needle.as_str())) {
                Some((needle, secret, form)) => {
                    covered += &format!("{OPEN}{secret}.{form}{CLOSE}");
                    rest = &rest[needle.len()..];
                }
                None => {
                    covered.push(first);
                    if first == OPEN {
                        covered.push(CLOSE);
                    }
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        covered
    }

    /// The text with each secret in its place again.
    pub fn uncover(&self, text: &str) -> Result<String> {
        let (mut rest, mut whole) = (text, String::with_capacity(text.len()));
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (place, after) = after.split_once(CLOSE).ok_or_else(torn)?;
            whole += before;
            match place {
                "" => whole.push(OPEN),
                place => whole += self.at(place)?,
            }
            rest = after;
        }
        Ok(whole + rest)
    }

    /// A value with a place for each secret. Fails when a number is one, since its place would be no number.
    pub fn drape(&self, value: Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.cover(&text)),
            Value::Array(list) => list.into_iter().map(|value| self.drape(value)).collect::<Result<_>>()?,
            Value::Object(map) => {
                let entry = |(key, value): (String, Value)| Ok((self.cover(&key), self.drape(value)?));
                Value::Object(map.into_iter().map(entry).collect::<Result<_>>()?)
            }
            Value::Number(number) if self.forms.iter().flatten().any(|form| *form == number.to_string()) => {
                return Err(Failure::new("keep secrets out of the plan", "one of them is used as a number"));
            }
            other => other,
        })
    }

    /// A value with each secret in its place again.
    pub fn lift(&self, value: Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.uncover(&text)?),
            Value::Array(list) => list.into_iter().map(|value| self.lift(value)).collect::<Result<_>>()?,
            Value::Object(map) => {
                let entry = |(key, value): (String, Value)| Ok((self.uncover(&key)?, self.lift(value)?));
                Value::Object(map.into_iter().map(entry).collect::<Result<_>>()?)
            }
            other => other,
        })
    }

    fn at(&self, place: &str) -> Result<&str> {
        let numbers =
            place.split_once('.').and_then(|(secret, form)| Some((secret.parse().ok()?, form.parse().ok()?)));
        let (secret, form): (usize, usize) = numbers.ok_or_else(torn)?;
        let form = self.forms.get(secret).and_then(|forms| forms.get(form));
        form.map(String::as_str).ok_or_else(|| {
            Failure::new("put the secrets into the plan", "one of them is not of the kind that it was")
                .hint("make a new plan")
        })
    }
}

fn torn() -> Failure {
    Failure::new("put the secrets into the plan", "a place of one is not whole")
}
