//! Wrong playbooks: the shipped ones with one mistake in each. Every one is refused before contact, with the place of the
//! mistake, and nearly always with a hint.

use crate::stage::Project;
use serde_json::Value;
use std::collections::BTreeMap;
use windlass::playbook::shipped::SHIPPED;

/// So many are made.
const WRONG: usize = 250;

/// Of every playbook and mistake one in so many is taken, so that all mistakes and all playbooks come up.
const ONE_IN: usize = 5;

/// Lines that are wrong at the top of a playbook.
const AT_THE_TOP: &[&str] = &[
    "serial = 0",
    "serial = \"many\"",
    "max_failures = 0",
    "max_fail_percentage = 30",
    "any_errors_fatal = true",
    "on_failure = \"retry\"",
    "gather_facts = false",
    "become = yes",
    "become = \"yes\"",
    "hosts = [\"a\"]",
    "vars_files = [\"x.yml\"]",
    "remote_user = \"deploy\"",
    "descripton = \"x\"",
    "roles = [\"x\"]",
    "tasks = []",
    "become = True",
    "serial = 1 2",
    "name = \"site\"",
];

/// Lines that are wrong in a step.
const IN_A_STEP: &[&str] = &[
    "sudo = true",
    "with_items = [\"a\"]",
    "with_dict = \"{{ x }}\"",
    "become = \"yes\"",
    "retries = -3",
    "retries = \"3\"",
    "delay = \"soon\"",
    "tags = 3",
    "when = \"{{ x }}\"",
    "loop = \"{{ nosuch_list }}\"",
    "delegate_to = \"lb1\"",
    "notify = \"nosuch handler\"",
    "ignore_errors = \"yes\"",
    "until = \"resutl.status == 0\"",
    "register = \"facts\"",
    "timeout = 0",
    "loop_control = { label = \"x\" }",
    "become = false",
    "environment = \"A=1\"",
    "run_once = 1",
    "changed_when = \"result.nosuch\"",
    "wehn = \"true\"",
    "label = \"x\"",
    "lopp = [1]",
    "ignore_errors = yes",
];

/// Steps that are wrong by themselves.
const STEPS: &[&str] = &[
    "copy = { src = \"x\", dest = \"/x\" }",
    "shell = \"true\"",
    "apt = { name = \"x\" }",
    "yum = { name = \"x\" }",
    "lineinfile = { path = \"/x\", line = \"x\" }",
    "systemd = { name = \"x\" }",
    "\"ansible.builtin.file\" = { path = \"/x\" }",
    "uri = { url = \"http://x\" }",
    "set_fact = { a = 1 }",
    "include_tasks = \"x.yml\"",
    "include = \"nosuch.toml\"",
    "file = { dest = \"/x\" }",
    "file = { path = \"/x\", state = \"directory\" }",
    "file = { path = 7 }",
    "file = { path = \"/x\", mode = 0644 }",
    "file = { path = \"/x\", mode = \"0999\" }",
    "file = { content = \"x\" }",
    "command = { cmd = \"true\" }",
    "command = { argv = [\"true\"], chdir = \"/\" }",
    "debug = { msg = \"x\" }",
    "debug = { message = \"{{ nosuch_variable }}\" }",
    "debug = { message = \"{{ 'a' | lenght }}\" }",
    "debug = { message = \"{{ facts.hostnme }}\" }",
    "debug = { message = \"{{ 'a' is defned }}\" }",
    "debug = { message = \"{{ 'a'.lowr() }}\" }",
    "debug = { message = \"{{ lookup('fiel', 'x') }}\" }",
    "debug = { message = \"{% if true %}x\" }",
    "package = { name = \"x\", state = \"instaled\" }",
    "service = { name = \"x\", enabled = \"yes\" }",
    "fiel = { path = \"/x\" }",
    "debug = { message = \"x\" }\nfile = { path = \"/x\" }",
];

/// Lines whose beginnings are replaced.
const REPLACED: &[(&str, &str)] = &[
    ("[[steps]]", "[[tasks]]"),
    ("[[steps]]", "[[steps]"),
    ("[[steps]]", "[[stesp]]"),
    ("type = \"string\"", "type = \"strng\""),
    ("help = \"", "hlep = \""),
    ("default = ", "defualt = "),
    ("register = \"", "registr = \""),
    ("name = \"", "name: \""),
    ("name = \"", "name = "),
    ("description = \"", "description = "),
];

/// Every wrong playbook, by what is wrong with it.
fn wrong() -> BTreeMap<String, Vec<u8>> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (playbook, text) in SHIPPED {
        let mut add = |what: &str, text: String| all.push((format!("{playbook}: {what}"), text.into_bytes()));
        AT_THE_TOP.iter().for_each(|line| add(line, format!("{line}\n{text}")));
        for line in IN_A_STEP.iter().filter(|_| text.contains("[[steps]]\n")) {
            add(line, text.replacen("[[steps]]\n", &format!("[[steps]]\n{line}\n"), 1));
        }
        STEPS.iter().for_each(|step| add(step, format!("{text}\n[[steps]]\n{step}\n")));
        for (from, to) in REPLACED {
            let [from, to] = [from, to].map(|text| format!("\n{text}"));
            if text.contains(&from) {
                add(&format!("{from} -> {to}"), text.replacen(&from, &to, 1));
            }
        }
        add("YAML", "---\n- hosts: all\n  tasks: []\n".to_string());
        all.push((format!("{playbook}: UTF-8"), [text.as_bytes(), b"# \xff\n"].concat()));
    }
    let chosen = all.into_iter().enumerate().filter(|(at, _)| at % ONE_IN == 0).map(|(_, wrong)| wrong);
    chosen.take(WRONG).collect()
}

/// Whether a problem says where it is.
fn is_located(problem: &Value) -> bool {
    // A file that is no text has no lines to show.
    problem["place"]["line"].is_u64()
        || problem["message"].as_str().is_some_and(|text| text.contains(".toml:"))
}

#[test]
fn every_wrong_playbook_is_refused_with_its_place_and_nearly_all_with_a_hint() {
    let project = Project::with_web1();
    let wrong = wrong();
    assert_eq!(wrong.len(), WRONG);
    let (mut silent, mut placeless, mut hintless) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (what, text)) in wrong.iter().enumerate() {
        project.write(&format!("playbooks/w{at:03}.toml"), text);
        if at % 25 == 0 {
            let words =
                ["run".into(), "playbook".into(), format!("w{at:03}"), "--hosts".into(), "web1".into()];
            assert_eq!(project.windlass(words).code, 5, "{what}");
        }
    }
    let lint = project.windlass(["lint", "--output", "json"]);
    assert_eq!(lint.code, 5);
    let problems: Vec<Value> = serde_json::from_str(&lint.stdout).expect("a list of problems");
    for (at, what) in wrong.keys().enumerate() {
        let file = format!("playbooks/w{at:03}.toml");
        let of_file = |problem: &&Value| {
            problem["place"]["file"] == *file
                || problem["message"].as_str().is_some_and(|text| text.contains(&file))
        };
        let own: Vec<&Value> = problems.iter().filter(of_file).collect();
        match own.first() {
            None => silent.push(what),
            Some(first) if !is_located(first) => placeless.push(what),
            Some(_) if own.iter().all(|problem| problem["hint"].is_null()) => hintless.push(what),
            Some(_) => {}
        }
    }
    assert!(
        silent.is_empty() && placeless.is_empty(),
        "not refused: {silent:#?}\nwithout a place: {placeless:#?}"
    );
    assert!(hintless.len() * 10 <= WRONG, "{} have no hint: {hintless:#?}", hintless.len());
}
