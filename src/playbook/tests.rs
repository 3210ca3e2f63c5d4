//! Playbooks as people write them, and what is said of those that are wrong.

use super::*;
use crate::project::tests::project;
use expect_test::{Expect, expect};
use proptest::prelude::*;

mod mistakes;

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
    assert_eq!(step.place.to_string(), "playbooks/x.toml:15");
}

#[test]
fn a_step_has_exactly_one_kind() {
    check(
        "[[steps]]\nname = 'a'\n[[steps]]\nname = 'b'\n[steps.fiel]\npath = '/x'\n[[steps]]\nfile = { path = '/x' }\nflie = 3\n",
        expect![[r#"
            error: this step does nothing
             --> playbooks/x.toml:2:1
              |
            2 | name = 'a'
              | ^^^^ no step kind
              |
              = hint: give it one table named after a step kind; `windlass steps` lists them

            error: unknown step kind `fiel`
             --> playbooks/x.toml:5:8
              |
            5 | [steps.fiel]
              |        ^^^^
              |
              = hint: did you mean `file`?

            error: unknown key `flie`
             --> playbooks/x.toml:9:1
              |
            9 | flie = 3
              | ^^^^
              |
              = hint: did you mean `file`?
        "#]],
    );
    check(
        "[[steps]]\nwehn = 'x'\n[steps.file]\npath = '/x'\n",
        expect![[r#"
        error: unknown key `wehn`
         --> playbooks/x.toml:2:1
          |
        2 | wehn = 'x'
          | ^^^^
          |
          = hint: did you mean `when`?
    "#]],
    );
}

#[test]
fn the_keys_of_a_kind_are_checked() {
    check(
        "[[steps]]\n[steps.file]\npth = '/x'\ncontent = 3\nmode = [1]\n[[steps]]\nfile = '/x'\n[[steps]]\nfile = { path = '{{ a b }}' }\n",
        expect![[r#"
            error: unknown key `pth`
             --> playbooks/x.toml:3:1
              |
            3 | pth = '/x'
              | ^^^ not a key of `file`
              |
              = hint: did you mean `path`?

            error: expected a string, found an integer
             --> playbooks/x.toml:4:11
              |
            4 | content = 3
              |           ^
              |
              = hint: put it in quotes: "3"

            error: expected a string or an integer, found a list
             --> playbooks/x.toml:5:8
              |
            5 | mode = [1]
              |        ^^^
              |
              = hint: write it alone: 1

            error: expected a map, found a string
             --> playbooks/x.toml:7:8
              |
            7 | file = '/x'
              |        ^^^^
              |
              = hint: write a table: file = { path = "/x" }

            error: expected the end, found `b`
             --> playbooks/x.toml:9:23
              |
            9 | file = { path = '{{ a b }}' }
              |                       ^
        "#]],
    );
}

#[test]
fn the_common_keys_are_checked() {
    check(
        "serail = 1\nmax_failures = 'many'\non_failure = 'retry'\n[[steps]]\nwhen = '{{ x }}'\ntimeout = 0\ndelay = 'soon'\nnotify = 'restrt'\nloop_var = 'a b'\nbecome = false\nregister = 'facts'\nenvironment = { A = [] }\nfile = { path = '/x' }\n[[handlers]]\nname = 'restart'\nfile = { path = '/x' }\n[[handlers]]\nfile = { path = '/x' }\n",
        expect![[r#"
            error: expected a number of hosts or a string like "20%", found "many"
             --> playbooks/x.toml:2:16
              |
            2 | max_failures = 'many'
              |                ^^^^^^
              |
              = hint: write a number from 1 on, or a share: "1%" to "100%"

            error: expected "stop", "undo", "undo_host" or "continue", found "retry"
             --> playbooks/x.toml:3:14
              |
            3 | on_failure = 'retry'
              |              ^^^^^^^

            error: unknown key `serail`
             --> playbooks/x.toml:1:1
              |
            1 | serail = 1
              | ^^^^^^ not a key of a playbook
              |
              = hint: did you mean `serial`?

            error: `loop_var` is about the elements of a loop, and there is none
             --> playbooks/x.toml:9:12
              |
            9 | loop_var = 'a b'
              |            ^^^^^
              |
              = hint: give it a `loop`, or leave it out

            error: expected a number of seconds or a string like "30s" or "5m", found "soon"
             --> playbooks/x.toml:7:9
              |
            7 | delay = 'soon'
              |         ^^^^^^

            error: a step needs more time than none
             --> playbooks/x.toml:6:11
              |
            6 | timeout = 0
              |           ^

            error: `{{ x }}` is no expression
             --> playbooks/x.toml:5:8
              |
            5 | when = '{{ x }}'
              |        ^^^^^^^^^
              |
              = hint: an expression is written without braces

            error: `a b` cannot be the name of a variable
             --> playbooks/x.toml:9:12
              |
            9 | loop_var = 'a b'
              |            ^^^^^
              |
              = hint: use letters, digits and `_`, with a letter first

            error: `facts` is a name that windlass itself uses
              --> playbooks/x.toml:11:12
               |
            11 | register = 'facts'
               |            ^^^^^^^

            error: a step cannot give up what the connection became
              --> playbooks/x.toml:10:10
               |
            10 | become = false
               |          ^^^^^
               |
               = hint: name the user it should run as: become_user = "deploy"

            error: expected a string, found a list
              --> playbooks/x.toml:12:21
               |
            12 | environment = { A = [] }
               |                     ^^

            error: a handler needs a `name`, by which it is notified
              --> playbooks/x.toml:18:1
               |
            18 | file = { path = '/x' }
               | ^^^^

            error: there is no handler called `restrt`
             --> playbooks/x.toml:8:10
              |
            8 | notify = 'restrt'
              |          ^^^^^^^^
              |
              = hint: did you mean `restart`?
        "#]],
    );
}

#[test]
fn params_are_checked() {
    check(
        "[params.a]\ntype = 'strng'\n[params.b]\ntype = 'port'\ndefault = 70000\n[params.c]\ntype = 'one-of'\n[params.d]\nchoices = ['x', 'y']\ndefault = 'z'\n[params.e]\nrequired = true\ndefault = 1\n[params.groups]\n[params.f]\ntype = 'list'\ndefault = 'a'\nhlep = ''\n",
        expect![[r#"
            error: there is no type `strng`
             --> playbooks/x.toml:2:8
              |
            2 | type = 'strng'
              |        ^^^^^^^
              |
              = hint: did you mean `string`?

            error: `b` must be a port, 1 to 65535, found 70000
             --> playbooks/x.toml:5:11
              |
            5 | default = 70000
              |           ^^^^^ the default of `b`

            error: a param of type `one-of` needs `choices`
             --> playbooks/x.toml:7:8
              |
            7 | type = 'one-of'
              |        ^^^^^^^^

            error: `z` is not one of x, y; did you mean `x`?
              --> playbooks/x.toml:10:11
               |
            10 | default = 'z'
               |           ^^^ the default of `d`

            error: a required param has no use for a default
              --> playbooks/x.toml:13:11
               |
            13 | default = 1
               |           ^

            error: `groups` is a name that windlass itself uses
              --> playbooks/x.toml:14:9
               |
            14 | [params.groups]
               |         ^^^^^^

            error: unknown key `hlep`
              --> playbooks/x.toml:18:1
               |
            18 | hlep = ''
               | ^^^^ not a key of a param
               |
               = hint: did you mean `help`?

            error: `f` must be a list, found a string
              --> playbooks/x.toml:17:11
               |
            17 | default = 'a'
               |           ^^^ the default of `f`
        "#]],
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
    expect![[r#"
        error: playbooks include each other: playbooks/x.toml → playbooks/y.toml → x.toml
         --> playbooks/y.toml:2:11
          |
        2 | include = 'x.toml'
          |           ^^^^^^^^

        error: a playbook that is included cannot have `rescue` or `always`
         --> playbooks/x.toml:2:11
          |
        2 | include = 'y.toml'
          |           ^^^^^^^^
          |
          = hint: move its steps to another file than playbooks/y.toml

        error: include `z.toml`: no such file or directory
         --> playbooks/x.toml:4:11
          |
        4 | include = 'z.toml'
          |           ^^^^^^^^
          |
          = hint: did you mean `y.toml`?
    "#]]
    .assert_eq(&read(&files, "x").unwrap_err().plain());
}

#[test]
fn an_unknown_playbook_is_told_with_the_nearest() {
    expect![[r#"
        error: there is no playbook called `fixdns`
         |
         = hint: did you mean `fix-dns`?
    "#]]
    .assert_eq(&read(&[("playbooks/fix-dns.toml", "")], "fixdns").unwrap_err().plain());
    expect![[r#"
        error: read no/such.toml: no such file or directory
    "#]]
    .assert_eq(&read(&[("playbooks/fix-dns.toml", "")], "no/such.toml").unwrap_err().plain());
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
