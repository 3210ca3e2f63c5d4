//! What is known of the values that filters, functions and methods give: each name is in one of these tables.

use super::super::shape::{Record, Shape};
use super::super::tree::{Expr, Kind, Passed};
use super::super::value::Datum;

/// They give text, whatever they are given.
const TEXT_FILTERS: &[&str] = &[
    "b64decode",
    "b64encode",
    "basename",
    "capitalize",
    "center",
    "checksum",
    "comment",
    "commonpath",
    "crc32",
    "dirname",
    "e",
    "escape",
    "expanduser",
    "expandvars",
    "filesizeformat",
    "forceescape",
    "format",
    "hash",
    "human_readable",
    "indent",
    "ip4_hex",
    "ipcut",
    "ipv6form",
    "join",
    "lower",
    "md5",
    "normpath",
    "password_hash",
    "path_join",
    "pprint",
    "quote",
    "random_mac",
    "realpath",
    "regex_escape",
    "regex_replace",
    "relpath",
    "replace",
    "safe",
    "sha1",
    "strftime",
    "string",
    "striptags",
    "title",
    "to_json",
    "to_nice_json",
    "to_nice_yaml",
    "to_uuid",
    "to_yaml",
    "tojson",
    "trim",
    "truncate",
    "type_debug",
    "upper",
    "urldecode",
    "urlencode",
    "urlize",
    "win_basename",
    "win_dirname",
    "wordwrap",
    "xmlattr",
];

/// They give a number.
const NUMBER_FILTERS: &[&str] =
    &["abs", "count", "human_to_bytes", "length", "log", "pow", "root", "round", "wordcount"];

/// They give a number unless what they give instead of one (`default`) is something else.
const NUMBER_OR_DEFAULT: &[&str] = &["float", "int"];

/// They give true or false.
const BOOL_FILTERS: &[&str] = &["bool", "network_in_network", "network_in_usable"];

/// They give a list of the elements that they are given, or some of them.
const CHOOSING_FILTERS: &[&str] = &[
    "difference",
    "intersect",
    "list",
    "reject",
    "rejectattr",
    "select",
    "selectattr",
    "shuffle",
    "sort",
    "unique",
];

/// They give a list, of whose elements nothing is known.
const LIST_FILTERS: &[&str] = &[
    "chain",
    "combinations",
    "dictsort",
    "flatten",
    "from_yaml_all",
    "items",
    "permutations",
    "product",
    "regex_findall",
    "subelements",
    "symmetric_difference",
    "union",
    "values",
    "zip",
    "zip_longest",
];

/// They give a list of lists of elements.
const PARTING_FILTERS: &[&str] = &["batch", "slice"];

/// They give a list of texts.
const TEXTS_FILTERS: &[&str] = &["fileglob", "lines", "reduce_on_network", "splitlines"];

/// They give a map.
const MAP_FILTERS: &[&str] = &["combine", "dict_kv", "items2dict", "rekey_on_member", "usable_range"];

/// What they give depends on the value, not on its type: a part of it, an attribute by name, whatever a text holds; false or
/// none where something does not fit; a list for a list.
#[cfg(test)]
const VARYING_FILTERS: &[&str] = &[
    "attr",
    "cidr_merge",
    "extract",
    "from_json",
    "from_yaml",
    "hwaddr",
    "ipaddr",
    "ipmath",
    "ipsubnet",
    "ipv4",
    "ipv6",
    "ipwrap",
    "macaddr",
    "next_nth_usable",
    "nthhost",
    "previous_nth_usable",
    "regex_search",
    "slaac",
    "splitext",
    "to_datetime",
    "urlsplit",
    "win_splitdrive",
];

/// [`by_filter`] says itself what they give.
#[cfg(test)]
const OWN_RULES: &[&str] = &[
    "as_text",
    "d",
    "default",
    "dict2items",
    "first",
    "groupby",
    "keys",
    "last",
    "mandatory",
    "map",
    "max",
    "min",
    "random",
    "reverse",
    "split",
    "sum",
    "ternary",
];

const TEXT_METHODS: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "expandtabs",
    "format",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "removeprefix",
    "removesuffix",
    "replace",
    "rjust",
    "rstrip",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

/// What is known of the value that a filter gives; `part` is what it takes of each element.
pub fn by_filter(name: &str, of: Shape, part: Option<Shape>, shapes: &[Shape], passed: &Passed) -> Shape {
    let element = of.element();
    let named = |wanted: &str| passed.named.iter().position(|(name, _)| name.as_ref() == wanted);
    let argument = |place: usize, name: &str| {
        let by_name = named(name).map(|at| passed.positional.len() + at);
        let at = by_name.or((place < passed.positional.len()).then_some(place));
        at.and_then(|at| shapes.get(at).cloned())
    };
    let is_open = passed.spread.is_some() || passed.spread_named.is_some();
    match name {
        _ if TEXT_FILTERS.contains(&name) => Shape::Text,
        _ if NUMBER_FILTERS.contains(&name) => Shape::Number,
        _ if NUMBER_OR_DEFAULT.contains(&name) => match argument(0, "default") {
            _ if is_open => Shape::Any,
            Some(default) => Shape::Number.or(default),
            None => Shape::Number,
        },
        _ if BOOL_FILTERS.contains(&name) => Shape::Bool,
        _ if CHOOSING_FILTERS.contains(&name) => Shape::list(element),
        _ if LIST_FILTERS.contains(&name) => Shape::list(Shape::Any),
        _ if PARTING_FILTERS.contains(&name) => Shape::list(Shape::list(Shape::Any)),
        _ if TEXTS_FILTERS.contains(&name) => Shape::list(Shape::Text),
        _ if MAP_FILTERS.contains(&name) => Shape::Table(Box::default()),
        "map" => Shape::list(part.unwrap_or_else(|| {
            let inner = passed.positional.first().and_then(text).map(last_part);
            // With what else it is given, a filter may give something else.
            let is_alone = passed.all().count() == 1 && !is_open;
            inner
                .filter(|_| is_alone)
                .map_or(Shape::Any, |inner| by_filter(inner, element, None, &[], &Passed::default()))
        })),
        "groupby" => {
            let group = Shape::Pair(Box::new(part.unwrap_or_default()), Box::new(Shape::list(element)));
            Shape::list(group)
        }
        "reverse" => match of {
            Shape::List(_) => of,
            Shape::Text => Shape::Text,
            _ => Shape::Any,
        },
        "first" | "last" | "min" | "max" => element,
        "random" => {
            if of == Shape::Number {
                Shape::Number
            } else {
                element
            }
        }
        "sum" if argument(1, "start").is_none() && !is_open => Shape::Number,
        "default" | "d" => of.or(shapes.first().cloned().unwrap_or(Shape::Text)),
        "mandatory" => of,
        "as_text" => match of {
            Shape::Number | Shape::Bool | Shape::Text => Shape::Text,
            other => {
                if other.is_unknown() {
                    Shape::Any
                } else {
                    other
                }
            }
        },
        "ternary" => match (shapes, passed.positional.len()) {
            ([yes, no], 2) => yes.clone().or(no.clone()),
            _ => Shape::Any,
        },
        "keys" if matches!(of, Shape::Table(_) | Shape::Record(_)) => Shape::list(Shape::Text),
        "keys" => Shape::list(Shape::Any),
        "split" if of == Shape::Text => Shape::list(Shape::Text),
        "dict2items" if passed.all().next().is_none() => {
            let value = if let Shape::Table(value) = of { *value } else { Shape::Any };
            let fields = vec![("key".to_string(), Shape::Text), ("value".to_string(), value)];
            let what = "an element of `dict2items`".to_string();
            Shape::list(Shape::Record(Record { what, fields, ..Record::default() }))
        }
        "dict2items" => Shape::list(Shape::Any),
        _ => Shape::Any,
    }
}

/// What is known of the value that a function gives.
pub fn by_function(name: &str, passed: &Passed) -> Shape {
    match name {
        "range" => Shape::list(Shape::Number),
        "query" | "q" => Shape::list(Shape::Any),
        "dict" => Shape::Table(Box::default()),
        "file" => Shape::Text,
        "env" if passed.all().count() == 1 => Shape::Text,
        _ => Shape::Any,
    }
}

/// What is known of the value that a method gives.
pub fn by_method(name: &str, of: &Shape) -> Shape {
    let value = |of: &Shape| if let Shape::Table(value) = of { value.as_ref().clone() } else { Shape::Any };
    match (of, name) {
        (Shape::Text, "split" | "rsplit" | "splitlines") => Shape::list(Shape::Text),
        (Shape::Text, "find" | "rfind" | "index" | "rindex" | "count") => Shape::Number,
        (Shape::Text, "startswith" | "endswith") => Shape::Bool,
        (Shape::Text, name) if name.starts_with("is") => Shape::Bool,
        (Shape::Text, _) if TEXT_METHODS.contains(&name) => Shape::Text,
        (Shape::List(_), "index" | "count") => Shape::Number,
        (Shape::Table(_) | Shape::Record(_), "keys") => Shape::list(Shape::Text),
        (Shape::Table(_) | Shape::Record(_), "values") => Shape::list(value(of)),
        (Shape::Table(_) | Shape::Record(_), "items") => {
            Shape::list(Shape::Pair(Box::new(Shape::Text), Box::new(value(of))))
        }
        _ => Shape::Any,
    }
}

/// The text that an expression is.
pub fn text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        Kind::Constant(Datum::Text(text)) => Some(text),
        _ => None,
    }
}

/// A name without its collection.
pub fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Templates, filters, reference};
    use super::super::Known;
    use super::*;
    use crate::model::Values;
    use std::collections::BTreeMap;

    #[test]
    fn each_filter_is_in_one_table() {
        let tables = [
            TEXT_FILTERS,
            NUMBER_FILTERS,
            NUMBER_OR_DEFAULT,
            BOOL_FILTERS,
            CHOOSING_FILTERS,
            LIST_FILTERS,
            PARTING_FILTERS,
            TEXTS_FILTERS,
            MAP_FILTERS,
            VARYING_FILTERS,
            OWN_RULES,
        ];
        let mut listed = tables.concat();
        listed.sort_unstable();
        let mut all: Vec<&str> = filters::names().collect();
        all.sort_unstable();
        assert_eq!(listed, all);
    }

    /// Whether a value is of this shape.
    fn admits(shape: &Shape, value: &Datum) -> bool {
        let all = |of: &Shape, values: &[Datum]| values.iter().all(|value| admits(of, value));
        match shape {
            Shape::Any | Shape::Opaque => true,
            Shape::Text => matches!(value, Datum::Text(_)),
            Shape::Number => matches!(value, Datum::Int(_) | Datum::Float(_)),
            Shape::Bool => matches!(value, Datum::Bool(_)),
            Shape::List(of) => value.as_list().is_some_and(|values| all(of, values)),
            Shape::Pair(one, other) => match value.as_list() {
                Some([first, second]) => admits(one, first) && admits(other, second),
                _ => false,
            },
            Shape::Table(of) => value.as_map().is_some_and(|map| map.values().all(|value| admits(of, value))),
            Shape::Record(record) => value.as_map().is_some_and(|map| {
                let has = |name: &str, of: &Shape| {
                    map.get(&Datum::text(name)).is_some_and(|value| admits(of, value))
                };
                record.fields.iter().all(|(name, of)| has(name, of))
            }),
        }
    }

    /// Expressions that say one thing beforehand and give another.
    fn wrong<'a>(sources: impl Iterator<Item = &'a str>, variables: &Values) -> Vec<String> {
        let templates = Templates::new(&BTreeMap::new());
        let known = Known::default();
        let check = |source: &str| {
            let source = source.trim();
            let value = match templates.value(source, variables) {
                Ok(value) => Datum::of(&value),
                Err(_) => return None,
            };
            let is_one =
                source.starts_with("{{") && source.ends_with("}}") && source.matches("{{").count() == 1;
            let shape = if is_one { templates.shape(source, &known) } else { Shape::Any };
            let form = super::super::super::Form::Text;
            let faults = templates.misused(source, form, &known);
            // Values that are never equal are refused, where Ansible gives false.
            let unequal = "text is compared with a number";
            let faults: Vec<String> =
                faults.into_iter().map(|fault| fault.why).filter(|why| why != unequal).collect();
            let is_right = value == Datum::Omitted || admits(&shape, &value);
            (!is_right || !faults.is_empty())
                .then(|| format!("{source}: {shape:?}, and it is {value:?} {faults:?}"))
        };
        sources.filter_map(check).collect()
    }

    #[test]
    fn what_is_said_of_values_beforehand_is_so() {
        let table = include_str!("../../../tests/language/expressions.json");
        let variables = include_str!("../../../tests/language/variables.json");
        let table: Vec<Values> = serde_json::from_str(table).unwrap();
        let sources = table.iter().map(|row| row["source"].as_str().unwrap());
        // It takes long.
        let sources = sources.filter(|source| !source.contains("password_hash"));
        let wrong = wrong(sources, &serde_json::from_str(variables).unwrap());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn examples_give_what_is_said_of_them() {
        let sources: Vec<String> =
            reference::ENTRIES.iter().map(|entry| format!("{{{{ {} }}}}", entry.example)).collect();
        let wrong = wrong(sources.iter().map(String::as_str), &Values::new());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
