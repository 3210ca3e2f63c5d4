//! The schemas of what commands print that list something.

use super::{
    HOST_OUTCOMES, RUN_KINDS, STEP_OUTCOMES, anything, boolean, count, counts, list, object, object_without,
    or_null, text, time, vars, words,
};
use crate::model::Value;
use serde_json::json;

pub fn run_line() -> Value {
    object(&[
        ("run", text()),
        ("kind", words(RUN_KINDS)),
        ("name", text()),
        ("check", boolean()),
        ("who", text()),
        ("pattern", text()),
        ("started", time()),
        ("state", words(&["running", "ended", "died"])),
        ("exit", or_null(count(0))),
        ("outcomes", counts()),
        ("undone", count(0)),
        ("schedule", or_null(text())),
        ("slot", or_null(time())),
    ])
}

pub fn runs_check() -> Value {
    object(&[("runs", count(0)), ("damaged", list(text()))])
}

pub fn runs_diff() -> Value {
    let pair = |of: Value| json!({ "type": "array", "items": of, "minItems": 2, "maxItems": 2 });
    let step = object(&[
        ("name", text()),
        ("outcomes", pair(or_null(words(STEP_OUTCOMES)))),
        ("failures", pair(or_null(text()))),
        ("changes", pair(list(text()))),
    ]);
    let host = object(&[
        ("host", text()),
        ("outcomes", pair(or_null(words(HOST_OUTCOMES)))),
        ("failures", pair(or_null(text()))),
        ("steps", list(step)),
    ]);
    object(&[("runs", pair(text())), ("hosts", list(host))])
}

pub fn pruned_run() -> Value {
    object(&[
        ("run", text()),
        ("kind", words(RUN_KINDS)),
        ("name", text()),
        ("check", boolean()),
        ("keep", boolean()),
        ("why", list(text())),
    ])
}

pub fn plan() -> Value {
    let step = object(&[
        ("step", count(0)),
        ("item", or_null(count(0))),
        ("name", text()),
        ("outcome", words(STEP_OUTCOMES)),
        ("changes", list(text())),
        ("diff", or_null(text())),
        ("notes", list(text())),
        ("fingerprint", or_null(text())),
    ]);
    let host = object(&[("host", text()), ("steps", list(step))]);
    object(&[
        ("digest", text()),
        ("windlass", text()),
        ("run", text()),
        ("made", time()),
        ("who", text()),
        ("name", text()),
        ("pattern", text()),
        ("secrets", list(vars())),
        ("hosts", list(host)),
    ])
}

pub fn host_of_inventory() -> Value {
    object(&[
        ("host", text()),
        ("address", or_null(text())),
        ("ssh", vars()),
        ("groups", list(text())),
        ("vars", vars()),
    ])
}

pub fn setting() -> Value {
    object(&[("at", text()), ("origin", text()), ("value", anything()), ("wins", boolean())])
}

pub fn problem() -> Value {
    let place = object(&[("file", text()), ("line", count(0)), ("column", count(0))]);
    object(&[
        ("severity", words(&["error", "warning"])),
        ("message", text()),
        ("place", or_null(place)),
        ("label", or_null(text())),
        ("hint", or_null(text())),
    ])
}

pub fn step_kind() -> Value {
    object(&[
        ("kind", text()),
        ("group", text()),
        ("result", list(text())),
        ("example", text()),
        ("schema", vars()),
    ])
}

pub fn playbook_line() -> Value {
    object(&[("name", text()), ("from", text()), ("description", text())])
}

pub fn playbook() -> Value {
    let play = object(&[("name", text()), ("hosts", text())]);
    object(&[
        ("name", text()),
        ("description", or_null(text())),
        ("about", text()),
        ("hosts", or_null(text())),
        ("plays", list(play)),
        ("params", list(vars())),
        ("steps", list(text())),
    ])
}

pub fn filter() -> Value {
    object(&[
        ("name", text()),
        ("sort", words(&["filter", "test", "function"])),
        ("example", text()),
        ("result", anything()),
    ])
}

pub fn fact() -> Value {
    object(&[("name", text()), ("about", text())])
}

pub fn examined() -> Value {
    object(&[
        ("what", text()),
        ("state", words(&["ok", "warning", "problem"])),
        ("seen", text()),
        ("hint", or_null(text())),
    ])
}

pub fn secret() -> Value {
    object(&[("name", text()), ("file", text())])
}

pub fn backup() -> Value {
    let part = object(&[
        ("name", text()),
        ("kind", text()),
        ("plain_bytes", count(0)),
        ("plain_sha256", text()),
        ("stored_bytes", count(0)),
        ("entries", or_null(count(0))),
    ]);
    object_without(
        &["playbook", "run", "finished", "encrypted", "plain_bytes", "stored_bytes", "parts"],
        &[
            ("id", text()),
            ("host", text()),
            ("name", text()),
            ("store", text()),
            ("taken", time()),
            ("damaged", or_null(text())),
            ("playbook", text()),
            ("run", text()),
            ("finished", time()),
            ("encrypted", boolean()),
            ("plain_bytes", count(0)),
            ("stored_bytes", count(0)),
            ("parts", list(part)),
        ],
    )
}

pub fn verified() -> Value {
    object(&[
        ("id", text()),
        ("host", text()),
        ("name", text()),
        ("whole", boolean()),
        ("problems", list(text())),
        ("locked", list(text())),
    ])
}

pub fn pruned_backup() -> Value {
    object(&[
        ("id", text()),
        ("host", text()),
        ("name", text()),
        ("store", text()),
        ("keep", boolean()),
        ("why", list(text())),
    ])
}

pub fn schedule() -> Value {
    object(&[
        ("name", text()),
        ("playbook", text()),
        ("hosts", or_null(text())),
        ("cron", text()),
        ("timezone", text()),
        ("delay_secs", count(0)),
        ("overlap", words(&["skip", "wait"])),
        ("catch_up", boolean()),
        ("state", words(&["waiting", "running", "due", "cut off"])),
        ("running_since", or_null(time())),
        ("next", or_null(time())),
        ("late", or_null(time())),
        ("failed", boolean()),
        ("last", or_null(vars())),
        ("success", or_null(vars())),
        ("left_out", or_null(vars())),
        ("counts", counts()),
        ("letters", count(0)),
    ])
}

pub fn next() -> Value {
    object(&[("time", time()), ("schedule", text())])
}
