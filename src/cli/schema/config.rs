//! The schema of `windlass.toml`.

use super::{boolean, count, duration, inventory, named, table, table_with, text, texts, vars, words};
use crate::model::Value;
use serde_json::{Map, json};

/// The whole schema.
pub fn document() -> Value {
    let mut definitions = Map::new();
    inventory::ssh_into(&mut definitions);
    let secrets = table(&[
        ("recipients", texts(), "age keys and ssh keys that can read the files in secrets/."),
        ("identity", texts(), "The file of your own key, or env:NAME, or command:PROGRAM."),
    ]);
    let table = table(&[
        ("project", text(), "The name by which hosts know the project. Default: what git says of it."),
        ("secrets", secrets, "Who can read the encrypted secrets, and with which key."),
        ("forks", count(1), "How many hosts to work on at once. Default: 64."),
        ("inventory", texts(), "Inventories to read in place of `inventories/`."),
        ("timeout", duration(), "The time that one host's run may take."),
        (
            "ssh",
            json!({ "$ref": "#/$defs/ssh" }),
            "How hosts are reached, where the inventory does not say it.",
        ),
        ("store", named(store()), "Where backups are kept, by name."),
        ("schedule", named(schedule()), "Playbooks that run at times of the day, by name."),
        ("notify", named(channel()), "Who is notified of schedules, by name."),
    ]);
    super::document("windlass.toml", table, definitions)
}

fn store() -> Value {
    let keep = table(&[
        ("last", count(0), "The newest backups."),
        ("hourly", count(0), "The newest of each of so many hours."),
        ("daily", count(0), "The newest of each of so many days."),
        ("weekly", count(0), "The newest of each of so many weeks."),
        ("monthly", count(0), "The newest of each of so many months."),
        ("yearly", count(0), "The newest of each of so many years."),
        ("timezone", text(), "The time zone of days and weeks."),
    ]);
    table_with(
        &["url"],
        &[
            ("url", text(), "A directory, or s3://BUCKET/PREFIX."),
            ("region", text(), "The region of the bucket."),
            ("endpoint", text(), "The server, where it is not Amazon's."),
            ("access_key", text(), "env:NAME or file:PATH."),
            ("secret_key", text(), "env:NAME or file:PATH."),
            ("encrypt_to", texts(), "age recipients: only they can read the backups."),
            ("identity", text(), "The file of the age identity, for verify and restore."),
            ("max_size", text(), "A larger backup is refused. Default: 1 TiB."),
            ("keep", keep, "How many backups of a host and name are kept. Without it none is removed."),
        ],
    )
}

fn schedule() -> Value {
    table_with(
        &["playbook", "cron"],
        &[
            ("playbook", text(), "The playbook, as `run playbook` takes it."),
            ("hosts", text(), "The hosts, as a pattern."),
            ("vars", vars(), "Params and variables, as -e gives them."),
            ("cron", text(), "Five fields, six with seconds in front, or @daily and the like."),
            ("timezone", text(), "The time zone of `cron`. Default: the machine's."),
            ("jitter", duration(), "It runs later by a share of this, always the same on one machine."),
            ("catch_up", boolean(), "Times that were missed are made up for by one run. Default: false."),
            ("overlap", words(&["skip", "wait"]), "What happens to a time that comes during the run before."),
            ("timeout", duration(), "The time that the whole run may take. Default: 6h."),
            ("late_after", duration(), "Without a success so long after its time it is late."),
            ("notify", texts(), "Names of [notify.NAME]."),
        ],
    )
}

fn channel() -> Value {
    let smtp = table_with(
        &["host", "from", "to"],
        &[
            ("host", text(), "The server."),
            ("port", json!({ "type": "integer", "minimum": 1, "maximum": 65535 }), "Its port."),
            (
                "tls",
                words(&["starttls", "tls", "none"]),
                "How the connection is encrypted. Default: starttls.",
            ),
            ("user", text(), "The login name."),
            ("password", text(), "env:NAME or file:PATH."),
            ("from", text(), "The sender's address."),
            ("to", texts(), "The recipients' addresses."),
        ],
    );
    let events = json!({ "type": ["string", "array"], "items": { "enum": ["failed", "late", "recovered", "succeeded"] } });
    table(&[
        ("on", events, "Which events. Default: failed, late and recovered."),
        ("webhook", text(), "An address that gets a POST of JSON, or env:NAME or file:PATH."),
        ("command", texts(), "A program and its arguments; the JSON is its standard input."),
        ("smtp", smtp, "A mail server."),
    ])
}
