//! The schema of a playbook.

use super::{anything, boolean, count, duration, named, secrets, share, table, text, texts, vars, words};
use crate::model::Value;
use crate::playbook::params::ParamKind;
use crate::step::KINDS;
use serde_json::{Map, json};

/// The whole schema.
pub fn document() -> Value {
    let mut definitions = Map::new();
    let step = step(&mut definitions);
    definitions.insert("step".to_string(), step);
    let steps = steps();
    let table = table(&[
        ("description", text(), "What the playbook does, in one line."),
        ("hosts", text(), "The hosts it is for, as a pattern. `--hosts` is given all the same."),
        ("params", named(param()), "What the user gives with -e NAME=VALUE."),
        ("vars", vars(), "Variables of all steps."),
        ("secrets", secrets(), "Where secret variables come from."),
        ("become", boolean(), "Work as root, through sudo or doas."),
        (
            "serial",
            json!({ "type": ["integer", "string", "array"], "items": share() }),
            "How many hosts, or which share of them, are worked at a time; a list gives each batch.",
        ),
        ("max_failures", share(), "Start no more hosts after so many failures."),
        (
            "on_failure",
            words(&["stop", "undo", "undo_host", "continue"]),
            "What happens to a host that fails, and to the others. Default: stop.",
        ),
        (
            "plays",
            json!({ "type": "array", "items": play() }),
            "Several plays in one file, which run one after the other.",
        ),
        ("steps", steps.clone(), "The work, in order."),
        (
            "handlers",
            steps.clone(),
            "Steps that run at the end when a step that changed something notifies them.",
        ),
        ("rescue", steps.clone(), "Steps that run on a host that failed."),
        ("always", steps, "Steps that run last, whatever happened."),
    ]);
    super::document("windlass playbook", table, definitions)
}

fn steps() -> Value {
    json!({ "type": "array", "items": { "$ref": "#/$defs/step" } })
}

/// One of `[[plays]]`.
fn play() -> Value {
    let mut play = table(&[
        ("name", text(), "What the play is for; shown in output."),
        ("description", text(), "For those who read the file."),
        ("hosts", text(), "The hosts of the play, as a pattern."),
        ("vars", vars(), "Variables of the steps of the play."),
        ("tags", texts(), "Words for --tags and --skip-tags, for all its steps."),
        ("become", boolean(), "Work as root; the plays of one host agree about it."),
        (
            "serial",
            json!({ "type": ["integer", "string", "array"], "items": share() }),
            "How many hosts, or which share of them, are worked at a time; a list gives each batch.",
        ),
        ("max_failures", share(), "Start no more hosts of the play after so many failures."),
        ("steps", steps(), "The work, in order."),
        ("handlers", steps(), "Steps that run at the end of the play when they are notified."),
        ("rescue", steps(), "Steps that run on a host that failed in the play."),
        ("always", steps(), "Steps that run last in the play, whatever happened."),
    ]);
    play["required"] = json!(["hosts"]);
    play
}

fn param() -> Value {
    table(&[
        ("type", words(&ParamKind::words()), "What its value must be. Default: string."),
        ("choices", texts(), "The values of a param of type one-of."),
        ("default", anything(), "Its value when the user gives none."),
        ("required", boolean(), "The user must give it."),
        ("help", text(), "One line about it, for `windlass playbooks NAME`."),
    ])
}

/// A step, or an include in the place of steps.
fn step(definitions: &mut Map<String, Value>) -> Value {
    let mut step = table(&[
        ("name", text(), "What the step ensures; shown in output."),
        (
            "when",
            json!({ "type": ["string", "boolean", "array"] }),
            "An expression: the step is skipped where it is false.",
        ),
        (
            "loop",
            json!({ "type": ["string", "array"] }),
            "A list, or an expression that gives one: the step runs for each item.",
        ),
        ("loop_var", text(), "The name of the variable that holds the item. Default: item."),
        ("label", text(), "What an item is called in output."),
        ("listen", texts(), "Of a handler: other names by which it is notified."),
        ("rescue", steps(), "Of a block: steps that run when one of its steps failed."),
        ("always", steps(), "Of a block: steps that run last, whatever happened."),
        ("register", text(), "The name of the variable that holds the result."),
        ("notify", texts(), "Handlers to run at the end when this step changes something."),
        ("tags", texts(), "Words for --tags and --skip-tags."),
        ("vars", vars(), "Variables of this step."),
        ("become", boolean(), "Work as root, or not, in this step."),
        ("become_user", text(), "The user that the step's commands run as."),
        ("environment", json!({ "type": ["object", "string"] }), "Added to the environment of its commands."),
        ("retries", count(0), "How many times more a failed step is tried."),
        ("delay", duration(), "The time between tries. Default: 5s."),
        (
            "until",
            json!({ "type": ["string", "boolean", "array"] }),
            "An expression: the step is tried until it is true.",
        ),
        ("timeout", duration(), "The time that the whole step may take."),
        ("async", duration(), "Of a command or script: it runs in the background for at most so long."),
        (
            "changed_when",
            json!({ "type": ["string", "boolean", "array"] }),
            "An expression: whether the step counts as changed.",
        ),
        (
            "failed_when",
            json!({ "type": ["string", "boolean", "array"] }),
            "An expression: whether the step counts as failed.",
        ),
        ("ignore_errors", boolean(), "The run continues when this step fails."),
        ("run_once", boolean(), "Only the first host of the run does it."),
        ("on", text(), "The host that runs it for each host: another one, or `controller`."),
        ("no_log", boolean(), "Only the outcome of the step is shown and recorded."),
        ("include", text(), "Another playbook, relative to this file, whose steps take this place."),
        ("role", text(), "A directory of roles/, whose steps take this place."),
    ]);
    for row in KINDS {
        let schema = super::moved(row.name, (row.schema)().to_value(), definitions);
        step["properties"][row.name] = templated(schema, definitions);
    }
    let kind = step["properties"]["block"].take();
    step["properties"]["block"] = json!({
        "anyOf": [kind, steps()],
        "description": "A list: steps with one `when`, `vars` and so on. A table: the step kind `block`."
    });
    step
}

/// The same, where text with a template may stand in place of any value.
fn templated(schema: Value, definitions: &mut Map<String, Value>) -> Value {
    definitions.entry("template").or_insert_with(|| json!({ "type": "string", "pattern": "\\{[{%]" }));
    let mut schema = schema;
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        if property["type"] == "string" && property.get("enum").is_none() {
            continue;
        }
        let about = property.get("description").cloned();
        let mut either = json!({ "anyOf": [property.take(), { "$ref": "#/$defs/template" }] });
        if let Some(about) = about {
            either["description"] = about;
        }
        *property = either;
    }
    schema
}
