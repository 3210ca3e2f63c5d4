//! What holds for every document and every wish, tried on random ones.

use super::document::{Document, name};
use super::{Json, Lists, merge};
use crate::model::path::HostPath;
use crate::model::{Value, Values};
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_merge_gives_the_merged_value_and_touches_nothing_else(
        doc in object(), wish in object(), append: bool, noise in vec(any::<u8>(), 1..80)
    ) {
        let mut after = doc.clone();
        merge(&mut after, &wish, if append { Lists::Append } else { Lists::Replace });
        proves(&noisy(&doc, &noise), &doc, &after);
    }

    #[test]
    fn any_object_becomes_any_other(doc in object(), after in object(), noise in vec(any::<u8>(), 1..80)) {
        proves(&noisy(&doc, &noise), &doc, &after);
    }

    #[test]
    fn removing_keys_leaves_the_others(doc in object(), gone in vec(key(), 0..4), noise in vec(any::<u8>(), 1..80)) {
        let mut after = doc.clone();
        gone.iter().for_each(|key| drop(after.as_object_mut().unwrap().shift_remove(key)));
        proves(&noisy(&doc, &noise), &doc, &after);
    }

    #[test]
    fn adding_keys_only_inserts(doc in object(), value in value(), noise in vec(any::<u8>(), 1..80)) {
        let text = noisy(&doc, &noise);
        let mut after = doc.clone();
        after["new"] = value;
        let new = rewritten(&text, &after);
        let mut rest = new.chars();
        let empty = doc.as_object().unwrap().is_empty();
        prop_assert!(empty || text.chars().all(|wanted| rest.any(|there| there == wanted)), "{new}");
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"[\[\]{}:,"\\/*0-9a-cu\t \n\r\u{feff}é.-]{0,40}"#, wish in object()) {
        let path = HostPath::from("/f");
        for text in [text.clone(), format!("{{\"a\":{text}}}"), format!("{{{text}}}")] {
            let step = step(&wish);
            if let Ok(new) = step.edited(&text) {
                prop_assert_eq!(step.edited(&new).unwrap(), new.as_str());
                prop_assert!(Document::read(&path, &new).is_ok());
            }
        }
    }
}

/// Rewrites a text and compares everything that can be compared.
fn proves(text: &str, before: &Value, after: &Value) {
    let path = HostPath::from("/f");
    let old = Document::read(&path, text).unwrap();
    assert_eq!(&old.value().unwrap().unwrap(), before, "the text says what it was made from");
    let new = rewritten(text, after);
    let document =
        Document::read(&path, &new).unwrap_or_else(|failure| panic!("{failure}\n{text}\n=>\n{new}"));
    assert_eq!(&document.value().unwrap().unwrap(), after, "{text}\n=>\n{new}");
    assert_eq!(rewritten(&new, after), new, "a second time there is nothing to do");
    same_bytes(&old, old.tree.as_ref().unwrap(), &document, document.tree.as_ref().unwrap(), before, after);
}

/// Values that are equal before and after, below objects that are in both, have the same bytes.
fn same_bytes(
    old: &Document<'_>,
    was: &ast::Value<'_>,
    new: &Document<'_>,
    is: &ast::Value<'_>,
    before: &Value,
    after: &Value,
) {
    if before == after {
        assert_eq!(&old.text[was.start()..was.end()], &new.text[is.start()..is.end()]);
    }
    let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { return };
    for property in &was.properties {
        let key = name(&property.name);
        if let Some(now) = is.properties.iter().find(|other| name(&other.name) == key) {
            same_bytes(old, &property.value, new, &now.value, &before[key], &after[key]);
        }
    }
}

fn rewritten(text: &str, after: &Value) -> String {
    let path = HostPath::from("/f");
    let document = Document::read(&path, text).unwrap();
    document.rewritten(document.value().unwrap().as_ref(), after).unwrap()
}

fn step(wish: &Value) -> Json {
    serde_json::from_value(
        serde_json::json!({ "path": "/f", "merge": wish, "set": { "z.y": 1 }, "remove": ["b"] }),
    )
    .map(|mut step: Json| {
        step.merge.shift_remove("b");
        step
    })
    .unwrap()
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]", Just("d/e".to_string()), Just("é\"".to_string()), Just(String::new())]
}

fn object() -> impl Strategy<Value = Value> {
    vec((key(), value()), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

fn value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    plain.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((key(), inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Values>())),
        ]
    })
}

/// What people put between tokens.
const BLANKS: &[&str] = &["", "", " ", "\n", "\n  ", "\r\n\t", " /* c, } */ ", " // c: [\n", "\n  // c\n  "];

/// The document as text, with blanks and comments as the bytes of `noise` choose.
fn noisy(document: &Value, noise: &[u8]) -> String {
    let mut text = String::new();
    write(document, &mut noise.iter().copied().cycle(), &mut text);
    text
}

fn write(value: &Value, noise: &mut dyn Iterator<Item = u8>, text: &mut String) {
    match value {
        Value::Object(map) => {
            let parts = map.iter().map(|(key, value)| (Some(key.as_str()), value)).collect();
            enclose('{', parts, '}', noise, text);
        }
        Value::Array(list) => {
            enclose('[', list.iter().map(|value| (None, value)).collect(), ']', noise, text)
        }
        plain => text.push_str(&plain.to_string()),
    }
}

fn enclose(
    open: char,
    parts: Vec<(Option<&str>, &Value)>,
    close: char,
    noise: &mut dyn Iterator<Item = u8>,
    text: &mut String,
) {
    text.push(open);
    blank(noise, text);
    let count = parts.len();
    for (index, (key, value)) in parts.into_iter().enumerate() {
        if let Some(key) = key {
            text.push_str(&Value::from(key).to_string());
            blank(noise, text);
            text.push(':');
            blank(noise, text);
        }
        write(value, noise, text);
        blank(noise, text);
        if index + 1 < count || noise.next().unwrap_or(0).is_multiple_of(3) {
            text.push(',');
            blank(noise, text);
        }
    }
    text.push(close);
}

fn blank(noise: &mut dyn Iterator<Item = u8>, text: &mut String) {
    text.push_str(BLANKS[noise.next().unwrap_or(0) as usize % BLANKS.len()]);
}
