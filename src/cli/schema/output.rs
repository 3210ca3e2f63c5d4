//! The schemas of what `--output json` and `--output jsonl` print, for programs that read it. A test runs the commands and
//! compares.

use super::{anything, boolean, count, named, text, vars, words};
use crate::model::Value;
use serde_json::{Map, json};

mod lists;

/// What a program can read: the commands that print it, its schema.
struct Output {
    name: &'static str,
    about: &'static str,
    schema: fn() -> Value,
}

const OUTPUTS: &[Output] = &[
    Output { name: "run", about: "`--output json` of a run, `runs show`, `runs export`", schema: run },
    Output { name: "event", about: "a line of `--output jsonl`", schema: event },
    Output { name: "runs list", about: "`runs list --output json`", schema: || list(lists::run_line()) },
    Output { name: "runs check", about: "`runs check --output json`", schema: lists::runs_check },
    Output { name: "runs diff", about: "`runs diff --output json`", schema: lists::runs_diff },
    Output { name: "runs prune", about: "`runs prune --output json`", schema: || list(lists::pruned_run()) },
    Output { name: "plan show", about: "`plan show FILE --output json`", schema: lists::plan },
    Output { name: "hosts", about: "`hosts --json`", schema: || list(lists::host_of_inventory()) },
    Output { name: "explain", about: "`explain var --output json`", schema: || list(lists::setting()) },
    Output { name: "lint", about: "`lint --output json`", schema: || list(lists::problem()) },
    Output { name: "steps", about: "`steps --output json`", schema: || list(lists::step_kind()) },
    Output { name: "playbooks", about: "`playbooks --output json`", schema: || list(lists::playbook_line()) },
    Output { name: "playbook", about: "`playbooks NAME --output json`", schema: lists::playbook },
    Output { name: "filters", about: "`filters --output json`", schema: || list(lists::filter()) },
    Output { name: "facts", about: "`facts --output json`", schema: || list(lists::fact()) },
    Output { name: "facts of hosts", about: "`facts HOST --output json`", schema: || named(vars()) },
    Output { name: "doctor", about: "`doctor --output json`", schema: || list(lists::examined()) },
    Output { name: "secrets", about: "`secrets show --output json`", schema: || list(lists::secret()) },
    Output { name: "backups list", about: "`backups list --output json`", schema: || list(lists::backup()) },
    Output {
        name: "backups verify",
        about: "`backups verify --output json`",
        schema: || list(lists::verified()),
    },
    Output {
        name: "backups prune",
        about: "`backups prune --output json`",
        schema: || list(lists::pruned_backup()),
    },
    Output {
        name: "schedule list",
        about: "`schedule list` and `schedule check`, `--output json`",
        schema: || list(lists::schedule()),
    },
    Output { name: "schedule next", about: "`schedule next --output json`", schema: || list(lists::next()) },
];

/// All schemas in one document: each output has a definition of its name.
pub fn document() -> Value {
    let named = |output: &Output| {
        let mut schema = (output.schema)();
        schema["description"] = json!(output.about);
        (output.name.to_string(), schema)
    };
    let definitions: Map<String, Value> = OUTPUTS.iter().map(named).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outputs of windlass",
        "description": "Each definition is the schema of one output. Readers must accept fields that are not in it: later \
                        versions add some.",
        "$defs": definitions,
    })
}

const HOST_OUTCOMES: &[&str] =
    &["ok", "changed", "failed", "undone", "partly_undone", "unreachable", "unknown", "cancelled"];
const STEP_OUTCOMES: &[&str] = &["ok", "changed", "skipped", "failed", "would_change", "unknown"];
const RUN_KINDS: &[&str] = &["playbook", "command", "script", "step", "undo", "unlock"];

/// An object that has these fields and no others.
fn object(fields: &[(&str, Value)]) -> Value {
    object_without(&[], fields)
}

/// The same where the fields that `optional` names may be missing.
fn object_without(optional: &[&str], fields: &[(&str, Value)]) -> Value {
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| *name).filter(|name| !optional.contains(name)).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| (name.to_string(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// It, or null.
fn or_null(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(Value::String(one)) => schema["type"] = json!([one, "null"]),
        _ => return json!({ "anyOf": [schema, { "type": "null" }] }),
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn failure() -> Value {
    object_without(&["hint"], &[("doing", text()), ("why", text()), ("hint", or_null(text()))])
}

fn counts() -> Value {
    named(count(0))
}

fn run() -> Value {
    let sources = || list(object(&[("path", text()), ("text", text())]));
    object_without(
        &["playbook", "inventory"],
        &[
            ("version", json!({ "const": crate::report::json::VERSION })),
            ("run", text()),
            ("kind", words(RUN_KINDS)),
            ("name", text()),
            ("of", or_null(text())),
            ("who", text()),
            ("pattern", text()),
            ("check", boolean()),
            ("epoch", count(0)),
            ("started", time()),
            ("ended", or_null(time())),
            ("took_secs", or_null(number())),
            ("exit", or_null(count(0))),
            ("interrupted", boolean()),
            ("params", vars()),
            ("outcomes", counts()),
            ("hosts", list(host())),
            ("playbook", sources()),
            ("inventory", sources()),
        ],
    )
}

fn host() -> Value {
    let checks = object(&[
        ("pass", count(0)),
        ("fail", count(0)),
        ("unknown", count(0)),
        ("info", count(0)),
        ("percent", or_null(count(0))),
    ]);
    let of_steps = ["ok", "changed", "skipped", "failed", "ignored", "unknown"];
    object(&[
        ("host", text()),
        ("outcome", or_null(words(HOST_OUTCOMES))),
        ("failure", or_null(failure())),
        ("attempts", count(0)),
        ("started", or_null(time())),
        ("ended", or_null(time())),
        ("took_secs", or_null(number())),
        ("settled_by", or_null(text())),
        ("counts", object(&of_steps.map(|outcome| (outcome, count(0))))),
        ("checks", or_null(checks)),
        ("steps", list(object(&step()))),
    ])
}

fn step() -> Vec<(&'static str, Value)> {
    let undo = object(&[
        ("changes", count(0)),
        ("undoable", count(0)),
        ("unknown", count(0)),
        ("not", list(text())),
    ]);
    let output =
        object(&[("status", integer()), ("stdout", text()), ("stderr", text()), ("total_bytes", count(0))]);
    vec![
        ("step", count(0)),
        ("item", or_null(count(0))),
        ("name", text()),
        ("outcome", words(STEP_OUTCOMES)),
        ("took_secs", number()),
        ("tries", count(0)),
        ("changes", list(text())),
        ("diff", or_null(text())),
        ("notes", list(text())),
        ("findings", list(finding())),
        ("failure", or_null(failure())),
        ("ignored", boolean()),
        ("undo", or_null(undo)),
        ("output", or_null(output)),
    ]
}

fn finding() -> Value {
    object_without(
        &["cell", "wanted", "hint", "details"],
        &[
            ("group", text()),
            ("what", text()),
            ("verdict", words(&["pass", "fail", "unknown", "info"])),
            ("seen", text()),
            ("cell", text()),
            ("wanted", text()),
            ("hint", text()),
            ("details", vars()),
        ],
    )
}

/// One of several objects, which differ in `event`.
fn event() -> Value {
    json!({ "anyOf": events().into_iter().map(|(name, fields)| {
        // What belongs to the run and not to a host has no host; notes may be of either.
        let has_host = !matches!(name, "run_started" | "interrupted" | "run_ended");
        let mut all = vec![("time", time()), ("run", text()), ("event", json!({ "const": name }))];
        all.extend(has_host.then(|| ("host", text())));
        all.extend(fields);
        object_without(if name == "note" { &["host"] } else { &[] }, &all)
    }).collect::<Vec<_>>() })
}

fn events() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let ended = || vec![("outcome", words(HOST_OUTCOMES)), ("failure", or_null(failure()))];
    vec![
        (
            "run_started",
            vec![
                ("version", count(1)),
                ("kind", words(RUN_KINDS)),
                ("name", text()),
                ("of", or_null(text())),
                ("who", text()),
                ("pattern", text()),
                ("check", boolean()),
                ("hosts", list(text())),
            ],
        ),
        ("connecting", vec![("attempt", count(1))]),
        ("retrying", vec![("attempt", count(1)), ("failure", failure()), ("wait_secs", number())]),
        ("connected", vec![]),
        ("uploading", vec![("bytes", count(0))]),
        ("sent", vec![]),
        ("hello", vec![("system", text()), ("pid", count(0)), ("boot_id", text())]),
        ("step_started", vec![("step", count(0)), ("item", or_null(count(0))), ("name", text())]),
        ("progress", vec![("step", count(0)), ("text", text())]),
        (
            "output",
            vec![
                ("step", count(0)),
                ("stream", words(&["stdout", "stderr"])),
                ("text", text()),
                ("left_out", count(0)),
            ],
        ),
        ("step_ended", step()),
        ("settled", vec![("settled_run", text()), ("outcome", or_null(words(HOST_OUTCOMES)))]),
        ("need", vec![("files", count(0))]),
        ("once", vec![("step", count(0))]),
        ("asks", vec![("step", count(0)), ("name", text())]),
        ("play", vec![("play", count(0))]),
        ("gave", vec![]),
        ("fetched", vec![("to", text()), ("bytes", count(0)), ("last", boolean())]),
        ("backup", vec![("step", count(0))]),
        ("booting", vec![("within", count(0))]),
        ("confirm", vec![("ports", list(count(0)))]),
        ("alive", vec![]),
        ("note", vec![("text", text())]),
        ("verdict", ended()),
        ("host_ended", ended()),
        ("interrupted", vec![]),
        ("run_ended", vec![("exit", count(0))]),
    ]
}
