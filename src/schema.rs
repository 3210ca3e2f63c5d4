//! Checks literal TOML against a JSON Schema made from a Rust struct, so that a wrong key or value is reported with its line
//! before anything is rendered. A string with a template in it may become anything, so it fits everywhere.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{unknown_key, wrong_type};
use crate::model::Value;
use crate::model::nearest::nearest;
use crate::model::path::ABSOLUTE;
use crate::source::{Data, Entry, Node};
use crate::template::is_plain;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Reads a table that is literal, such as `ssh`, into a struct. One that does not fit is reported and gives the default.
pub fn read<T: Default + DeserializeOwned + JsonSchema>(
    node: &Node,
    what: &str,
    problems: &mut Diagnostics,
) -> T {
    let schema = schemars::schema_for!(T).to_value();
    let before = problems.errors();
    Schema::new(&schema).check(node, what, problems);
    if problems.errors() > before {
        return T::default();
    }
    serde_path_to_error::deserialize(node.value()).unwrap_or_else(|error| {
        let place = node.place_of(&error.path().to_string());
        problems.push(Diagnostic::error(error.inner().to_string(), place));
        T::default()
    })
}

/// A schema and the document in which its `$ref`s are looked up.
#[derive(Clone, Copy)]
pub struct Schema<'a> {
    here: &'a Value,
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// A whole schema.
    pub fn new(root: &'a Value) -> Schema<'a> {
        Schema { here: root, root }
    }

    /// Tells what in `node` does not fit. `what` names the table in messages: "`json`".
    pub fn check(self, node: &Node, what: &str, problems: &mut Diagnostics) {
        if node.as_str().is_some_and(|text| !is_plain(text)) {
            return;
        }
        let schema = self.resolved();
        match schema.alternatives() {
            Some(alternatives) => schema.check_any(&alternatives, node, what, problems),
            None if schema.fits_type(node) => schema.check_inside(node, what, problems),
            None => problems.push(schema.wrong_type(node)),
        }
    }

    /// A value of the wrong type. Of numbers in one text it says how a list of them is written.
    fn wrong_type(self, node: &Node) -> Diagnostic {
        let problem = wrong_type(node, &self.expected());
        let items = self.inside(None).map(Schema::all_types).unwrap_or_default();
        let parts: Vec<&str> = node.as_str().unwrap_or_default().split(',').map(str::trim).collect();
        let are_numbers = parts.iter().all(|part| part.parse::<i64>().is_ok());
        match items.contains(&"integer") && are_numbers {
            true => problem.hint(format!("write a list of numbers: [{}]", parts.join(", "))),
            false => problem,
        }
    }

    /// The schema of a key's value, of any element of a list when `key` is `None`.
    pub fn inside(self, key: Option<&str>) -> Option<Schema<'a>> {
        let schema = self.resolved();
        let here = match key {
            Some(key) => schema
                .here
                .get("properties")
                .and_then(|known| known.get(key))
                .or(schema.here.get("additionalProperties")),
            None => schema.here.get("items"),
        };
        let own = here.map(|here| schema.at(here));
        own.or_else(|| schema.alternatives()?.into_iter().find_map(|schema| schema.inside(key)))
    }

    /// Whether nothing but text fits.
    pub fn is_text(self) -> bool {
        let types = self.resolved().all_types();
        !types.is_empty() && types.iter().all(|name| *name == "string")
    }

    /// The keys it names.
    pub fn keys(self) -> Vec<&'a str> {
        let properties = self.resolved().here.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(|keys| keys.keys().map(String::as_str)).collect()
    }

    fn at(self, here: &'a Value) -> Schema<'a> {
        Schema { here, ..self }
    }

    fn resolved(self) -> Schema<'a> {
        let target = self.here.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        match target.and_then(|path| self.root.pointer(path)) {
            Some(target) => self.at(target).resolved(),
            None => self,
        }
    }

    /// What it may be one of; TOML has no null, so that alternative does not count.
    fn alternatives(self) -> Option<Vec<Schema<'a>>> {
        let list = self.here.get("anyOf").or(self.here.get("oneOf"))?.as_array()?;
        let alternatives = list.iter().map(|schema| self.at(schema).resolved());
        Some(alternatives.filter(|schema| schema.here.get("type") != Some(&"null".into())).collect())
    }

    fn check_any(self, alternatives: &[Schema<'a>], node: &Node, what: &str, problems: &mut Diagnostics) {
        let of_type: Vec<_> = alternatives.iter().filter(|schema| schema.accepts_type(node)).collect();
        let check = |schema: &Schema<'a>| {
            let mut found = Diagnostics::default();
            schema.check(node, what, &mut found);
            found
        };
        match of_type.as_slice() {
            [] => problems.push(self.wrong_type(node)),
            [only] => problems.append(check(only)),
            _ if of_type.iter().any(|schema| check(schema).is_empty()) => {}
            _ => problems.push(self.not_one_of(node)),
        }
    }

    fn accepts_type(self, node: &Node) -> bool {
        match self.alternatives() {
            Some(alternatives) => alternatives.iter().any(|schema| schema.accepts_type(node)),
            None => self.fits_type(node),
        }
    }

    fn fits_type(self, node: &Node) -> bool {
        let types = self.types();
        types.is_empty() || types.iter().any(|name| fits(name, &node.value()))
    }

    fn types(self) -> Vec<&'a str> {
        match self.here.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => {
                many.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
            }
            _ => Vec::new(),
        }
    }

    fn all_types(self) -> Vec<&'a str> {
        match self.alternatives() {
            Some(alternatives) => alternatives.into_iter().flat_map(Schema::all_types).collect(),
            None => self.types(),
        }
    }

    fn check_inside(self, node: &Node, what: &str, problems: &mut Diagnostics) {
        match &node.data {
            Data::Scalar(value) => self.check_scalar(value, node, problems),
            Data::List(list) => {
                if let Some(items) = self.here.get("items") {
                    list.iter().for_each(|item| self.at(items).check(item, what, problems));
                }
            }
            Data::Table(entries) => self.check_table(entries, node, what, problems),
        }
    }

    fn check_scalar(self, value: &Value, node: &Node, problems: &mut Diagnostics) {
        let words = self.words();
        if !words.is_empty() && !words.contains(&value) {
            return problems.push(self.not_one_of(node));
        }
        let path = value.as_str().filter(|_| self.here.get("pattern") == Some(&ABSOLUTE.into()));
        if let Some(path) = path.filter(|path| !path.starts_with('/')) {
            problems.push(relative(path, node));
        }
        let number = value.as_f64();
        let limit = |key: &str| self.here.get(key).and_then(Value::as_f64);
        if number.zip(limit("minimum")).is_some_and(|(number, least)| number < least) {
            problems
                .push(Diagnostic::error(format!("must be at least {}", self.here["minimum"]), &node.place));
        }
        if number.zip(limit("maximum")).is_some_and(|(number, most)| number > most) {
            problems
                .push(Diagnostic::error(format!("must be at most {}", self.here["maximum"]), &node.place));
        }
    }

    fn check_table(self, entries: &[Entry], node: &Node, what: &str, problems: &mut Diagnostics) {
        let properties = self.here.get("properties").and_then(Value::as_object);
        let additional = self.here.get("additionalProperties");
        let mut meant = Vec::new();
        for entry in entries {
            match (properties.and_then(|known| known.get(&entry.key)), additional) {
                (Some(schema), _) => self.at(schema).check(&entry.node, what, problems),
                (None, Some(Value::Bool(false))) => {
                    meant.extend(nearest(&entry.key, self.keys()));
                    problems.push(unknown_key(entry, what, self.keys()));
                }
                (None, Some(schema)) => self.at(schema).check(&entry.node, what, problems),
                (None, None) => {}
            }
        }
        let required = self.here.get("required").and_then(Value::as_array).into_iter().flatten();
        // One that was misspelt is reported as that.
        let is_missing = |key: &&str| node.get(key).is_none() && !meant.contains(key);
        for key in required.filter_map(Value::as_str).filter(is_missing) {
            let missing = Diagnostic::error(format!("`{key}` is missing"), &node.place);
            problems.push(missing.label(format!("{what} needs it")));
        }
    }

    /// The literal values it allows, its own and those of its alternatives.
    fn words(self) -> Vec<&'a Value> {
        let own = self.here.get("enum").and_then(Value::as_array).into_iter().flatten();
        let inner = self.alternatives().unwrap_or_default().into_iter().flat_map(Schema::words);
        own.chain(self.here.get("const")).chain(inner).collect()
    }

    fn not_one_of(self, node: &Node) -> Diagnostic {
        let words: Vec<String> = self.words().into_iter().map(bare).collect();
        let found = bare(&node.value());
        if words.is_empty() {
            return self.wrong_type(node);
        }
        Diagnostic::error(format!("`{found}` is not one of {}", words.join(", ")), &node.place).nearest(
            &found,
            if words.len() > 3 { words.iter().map(String::as_str).collect() } else { Vec::new() },
        )
    }

    fn expected(self) -> String {
        let mut names = self.all_types();
        names.dedup();
        let names: Vec<&str> = names.into_iter().map(with_article).collect();
        match names.is_empty() {
            true => "something else".to_string(),
            false => names.join(" or "),
        }
    }
}

/// A path that is relative, though no directory on the host is the current one.
fn relative(path: &str, node: &Node) -> Diagnostic {
    let hint = match path {
        _ if path.starts_with('~') => "write the home directory itself: /root, /home/NAME".to_string(),
        _ if path.is_empty() || path.starts_with('.') => "write the whole path".to_string(),
        _ => format!("write \"/{path}\", or the whole path"),
    };
    Diagnostic::error("a path on a host must begin with /", &node.place).hint(hint)
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn fits(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn with_article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "boolean" => "a boolean",
        "integer" => "an integer",
        "number" => "a number",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use expect_test::{Expect, expect};
    use schemars::JsonSchema;
    use std::collections::BTreeMap;

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Example {
        path: String,
        port: Option<u16>,
        state: Option<State>,
        list: Option<Vec<Inner>>,
        map: Option<BTreeMap<String, i64>>,
        any: Option<Value>,
        numbers: Option<Vec<u16>>,
    }

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        name: String,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum State {
        /// Running.
        Started,
        /// Not running.
        Stopped,
    }

    fn check(text: &str, expected: Expect) {
        let schema = schemars::schema_for!(Example).to_value();
        let mut problems = Diagnostics::default();
        Schema::new(&schema).check(
            &Node::parse(&Source::new("x", text)).unwrap(),
            "`example`",
            &mut problems,
        );
        expected.assert_eq(&problems.plain());
    }

    #[test]
    fn what_fits_is_fine() {
        check(
            "path = '/x'\nport = '{{ p }}'\nstate = 'started'\nlist = [{ name = 'a' }]\nmap = { a = 1 }\nany = [1, {}]",
            expect![[""]],
        );
    }

    #[test]
    fn numbers_in_a_text_are_written_as_a_list() {
        check(
            "path = '/x'\nnumbers = '200, 204'",
            expect![[r#"
                error: expected a list, found a string
                 --> x:2:11
                  |
                2 | numbers = '200, 204'
                  |           ^^^^^^^^^^
                  |
                  = hint: write a list of numbers: [200, 204]
            "#]],
        );
    }

    #[test]
    fn a_required_key_that_is_misspelt_is_not_missing_too() {
        check(
            "pth = '/x'",
            expect![[r#"
                error: unknown key `pth`
                 --> x:1:1
                  |
                1 | pth = '/x'
                  | ^^^ not a key of `example`
                  |
                  = hint: did you mean `path`?
            "#]],
        );
    }

    #[test]
    fn what_does_not_fit_is_pointed_at() {
        check(
            "prt = 1\nport = 70000\nstate = 'startd'\nlist = [{ nam = 'a' }, 3]\nmap = { a = 'x' }",
            expect![[r#"
                error: unknown key `prt`
                 --> x:1:1
                  |
                1 | prt = 1
                  | ^^^ not a key of `example`
                  |
                  = hint: did you mean `port`?

                error: must be at most 65535
                 --> x:2:8
                  |
                2 | port = 70000
                  |        ^^^^^

                error: `startd` is not one of started, stopped
                 --> x:3:9
                  |
                3 | state = 'startd'
                  |         ^^^^^^^^

                error: unknown key `nam`
                 --> x:4:11
                  |
                4 | list = [{ nam = 'a' }, 3]
                  |           ^^^ not a key of `example`
                  |
                  = hint: did you mean `name`?

                error: expected a map, found an integer
                 --> x:4:24
                  |
                4 | list = [{ nam = 'a' }, 3]
                  |                        ^
                  |
                  = hint: write a table: { key = value }

                error: expected an integer, found a string
                 --> x:5:13
                  |
                5 | map = { a = 'x' }
                  |             ^^^

                error: `path` is missing
                 --> x:1:1
                  |
                1 | prt = 1
                  | ^ `example` needs it
            "#]],
        );
    }
}
