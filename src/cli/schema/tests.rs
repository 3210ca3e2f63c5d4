//! The schemas fit what the readers accept, and catch what they refuse.

use super::{config, inventory, playbook};
use crate::diagnostic::Diagnostics;
use crate::model::Value;
use crate::playbook::shipped::SHIPPED;
use crate::schema::Schema;
use crate::source::{Node, Source};
use crate::step::KINDS;

fn problems(schema: &Value, text: &str) -> Vec<String> {
    let node = Node::parse(&Source::new("it.toml", text)).unwrap();
    let mut problems = Diagnostics::default();
    Schema::new(schema).check(&node, "the file", &mut problems);
    problems.plain().lines().filter(|line| line.starts_with("error")).map(str::to_string).collect()
}

#[test]
fn every_shipped_playbook_and_every_example_fits() {
    let schema = playbook::document();
    for (name, text) in SHIPPED {
        assert_eq!(problems(&schema, text), Vec::<String>::new(), "{name}");
    }
    for row in KINDS {
        assert_eq!(problems(&schema, row.example), Vec::<String>::new(), "{}", row.name);
    }
}

#[test]
fn inventories_and_configurations_fit() {
    let example = include_str!("../../../inventories/example.toml");
    assert_eq!(problems(&inventory::document(), example), Vec::<String>::new());
    let text = r#"
        forks = 8
        [store.offsite]
        url = "s3://bucket/fleet"
        keep = { daily = 7 }
        [schedule.nightly]
        playbook = "backup"
        cron = "0 2 * * *"
        notify = "ops"
        [notify.ops]
        webhook = "env:WEBHOOK"
    "#;
    assert_eq!(problems(&config::document(), text), Vec::<String>::new());
}

#[test]
fn what_the_readers_refuse_is_caught() {
    let cases = [
        (playbook::document(), "stps = []"),
        (playbook::document(), "serial = true"),
        (playbook::document(), "on_failure = \"explode\""),
        (playbook::document(), "[[steps]]\n[steps.file]\npth = \"/a\""),
        (playbook::document(), "[[steps]]\nretries = -1\n[steps.debug]\nmessage = \"a\""),
        (playbook::document(), "[[steps]]\n[steps.file]\ncontent = \"a\""),
        (playbook::document(), "[params.a]\ntype = \"text\""),
        (inventory::document(), "[hosts.a]\nadress = \"b\""),
        (inventory::document(), "[ssh]\nport = \"x\""),
        (config::document(), "[schedule.a]\nplaybook = \"b\""),
        (config::document(), "forks = 0"),
    ];
    for (schema, text) in cases {
        assert!(!problems(&schema, text).is_empty(), "{text}");
    }
}

/// An editor follows each reference; one that leads nowhere switches its help off.
#[test]
fn every_reference_has_its_definition() {
    for document in [playbook::document(), inventory::document(), config::document()] {
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            if let Some(path) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
            }
            waiting.extend(value.as_object().into_iter().flat_map(|fields| fields.values()));
            waiting.extend(value.as_array().into_iter().flatten());
        }
    }
}
