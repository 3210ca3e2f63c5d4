//! Playbooks as people write them, and what is said of those that are wrong.

use super::*;
use crate::project::tests::project;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn read(files: &[(&str, &str)], name: &str) -> Result<Playbook, Diagnostics> {
    let (project, _folder) = project(files);
    Playbook::find(&project, name)
}

/// All that is wrong with `playbooks/x.toml`.
fn check(text: &str, expected: Expect) {
    let problems = read(&[("playbooks/x.toml", text)], "x").err().map(|problems| problems.plain());
    expected.assert_eq(&problems.unwrap_or_default());
}

#[test]
fn a_whole_playbook_is_read() {
    let text = r#"
description = "a message"
hosts = "prod"
become = true
serial = [1, "20%"]
max_failures = "10%"
on_failure = "undo"
[params.text]
type = "string"
required = true
help = "what it says"
[vars]
path = "/etc/motd"
[[steps]]
name = "the message for {{ item }}"
when = "facts.os.name == 'debian'"
loop = ["a", "b"]
register = "message"
notify = "tell"
tags = ["a"]
retries = 2
delay = "1m"
changed_when = false
[steps.file]
path = "{{ path }}"
content = "{{ text }}"
[[handlers]]
name = "tell"
file = { path = "/tmp/told" }
"#;
    let playbook = read(&[("playbooks/x.toml", text)], "x").unwrap();
    assert_eq!(playbook.serial, [Share::Count(1), Share::Percent(20)]);
    assert_eq!((playbook.on_failure, playbook.becomes), (OnFailure::Undo, Some(true)));
    let step = &playbook.steps[0];
    assert_eq!((step.retries, step.delay, step.kind.name), (2, Duration::from_secs(60), "file"));
    assert_eq!(step.changed_when.as_ref().unwrap().text, "false");
    assert_eq!(step.place.to_string(), "playbooks/x.toml:14");
}

#[test]
fn a_step_has_exactly_one_kind() {
    check(
        "[[steps]]\nname = 'a'\n[[steps]]\nname = 'b'\n[steps.fiel]\npath = '/x'\n[[steps]]\nfile = { path = '/x' }\nflie = 3\n",
        expect![[""]],
    );
    check("[[steps]]\nwehn = 'x'\n[steps.file]\npath = '/x'\n", expect![[""]]);
}

#[test]
fn the_keys_of_a_kind_are_checked() {
    check(
        "[[steps]]\n[steps.file]\npth = '/x'\ncontent = 3\nmode = [1]\n[[steps]]\nfile = '/x'\n[[steps]]\nfile = { path = '{{ a b }}' }\n",
        expect![[""]],
    );
}

#[test]
fn the_common_keys_are_checked() {
    check(
        "serail = 1\nmax_failures = 'many'\non_failure = 'retry'\n[[steps]]\nwhen = '{{ x }}'\ntimeout = 0\ndelay = 'soon'\nnotify = 'restrt'\nloop_var = 'a b'\nbecome = false\nregister = 'facts'\nenvironment = { A = [] }\nfile = { path = '/x' }\n[[handlers]]\nname = 'restart'\nfile = { path = '/x' }\n[[handlers]]\nfile = { path = '/x' }\n",
        expect![[""]],
    );
}

#[test]
fn params_are_checked() {
    check(
        "[params.a]\ntype = 'strng'\n[params.b]\ntype = 'port'\ndefault = 70000\n[params.c]\ntype = 'one-of'\n[params.d]\nchoices = ['x', 'y']\ndefault = 'z'\n[params.e]\nrequired = true\ndefault = 1\n[params.groups]\n[params.f]\ntype = 'list'\ndefault = 'a'\nhlep = ''\n",
        expect![[""]],
    );
}

#[test]
fn includes_take_steps_with_vars() {
    let files = [
        (
            "playbooks/x.toml",
            "[[steps]]\ninclude = 'parts/y.toml'\nvars = { port = 80 }\nwhen = 'a'\ntags = 'web'\n",
        ),
        (
            "playbooks/parts/y.toml",
            "[params.port]\ntype = 'port'\nrequired = true\n[[steps]]\nwhen = 'b or c'\nfile = { path = '/x' }\nnotify = 'h'\n[[handlers]]\nname = 'h'\nfile = { path = '/h' }\n",
        ),
    ];
    let playbook = read(&files, "x").unwrap();
    let step = &playbook.steps[0];
    assert_eq!(step.when.as_ref().unwrap().text, "(a) and (b or c)");
    assert_eq!((step.tags.as_slice(), step.vars[0].name.as_str()), (["web".to_string()].as_slice(), "port"));
    assert_eq!((playbook.handlers.len(), playbook.params[0].required), (1, false));
}

#[test]
fn wrong_includes_are_pointed_at() {
    let files = [
        ("playbooks/x.toml", "[[steps]]\ninclude = 'y.toml'\n[[steps]]\ninclude = 'z.toml'\n"),
        ("playbooks/y.toml", "[[steps]]\ninclude = 'x.toml'\n[[always]]\nfile = { path = '/x' }\n"),
    ];
    expect![[""]].assert_eq(&read(&files, "x").unwrap_err().plain());
}

#[test]
fn an_unknown_playbook_is_told_with_the_nearest() {
    expect![[""]].assert_eq(&read(&[("playbooks/fix-dns.toml", "")], "fixdns").unwrap_err().plain());
    expect![[""]].assert_eq(&read(&[("playbooks/fix-dns.toml", "")], "no/such.toml").unwrap_err().plain());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_playbook_panics(lines in proptest::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        let source = Source::new("playbooks/x.toml", text);
        let (project, _folder) = project(&[("playbooks/a", "")]);
        if let Err(problems) = Playbook::read(&project, &source) {
            prop_assert!(!problems.plain().is_empty());
        }
    }
}

/// Lines that are often nearly right.
fn line() -> impl Strategy<Value = String> {
    let words =
        "steps|handlers|params|name|when|loop|file|path|mode|include|vars|type|default|choices|serial|é";
    prop_oneof![
        proptest::string::string_regex(&format!("\\[{{0,2}}({words})(\\.({words}))?\\]{{0,2}}")).unwrap(),
        proptest::string::string_regex(&format!(
            "({words}) ?= ?(\"[{{}} a-z%]{{0,8}}\"|[0-9]{{0,3}}|\\[({words}|1|,)*\\]|true)"
        ))
        .unwrap(),
    ]
}
