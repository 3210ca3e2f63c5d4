//! The schemas fit what the readers accept, and catch what they refuse.

use super::{config, inventory, output, playbook};
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
fn plays_set_and_loops_around_several_steps_fit() {
    let text = r#"
        [[plays]]
        name = "first"
        hosts = "db"
        serial = ["1", "50%"]
        vars = { role = "db" }
        [[plays.steps]]
        set = { token = "{{ made.stdout }}", list = [1, { deep = true }] }
        [[plays.steps]]
        include = "one.toml"
        loop = [1, 2]
        loop_var = "number"
        [[plays.steps]]
        role = "web"
        loop = "{{ sites }}"
        [[plays.steps]]
        loop = ["a", "b"]
        [[plays.steps.block]]
        set = { word = "{{ item }}" }
        [[plays.handlers]]
        name = "say"
        debug = { message = "x" }
    "#;
    assert_eq!(problems(&playbook::document(), text), Vec::<String>::new());
    for wrong in ["[[plays]]\nhost = \"db\"", "[[plays]]\nhosts = \"db\"\n[[plays.steps]]\nset = 1"] {
        assert_ne!(problems(&playbook::document(), wrong), Vec::<String>::new(), "{wrong}");
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

#[test]
fn each_event_has_one_schema() {
    let document = output::document();
    let events = document["$defs"]["event"]["anyOf"].as_array().unwrap();
    let mut names: Vec<&str> =
        events.iter().map(|event| event["properties"]["event"]["const"].as_str().unwrap()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!((names.len(), all > 20), (all, true));
}
