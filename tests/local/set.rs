//! `set`: variables that get their values in the middle of a run.

use crate::folder_host::FolderStage;
use crate::language::{lasting, play, prints, refused};
use expect_test::expect;

#[test]
fn later_steps_templates_and_handlers_see_what_was_set() {
    let playbook = r#"
[vars]
port = 80
url = "http://web:{{ port }}/"
[[steps]]
debug = { message = "before {{ port }} {{ url }} {{ word | default('-') }}" }
[[steps]]
register = "asked"
command = { shell = "echo 81" }
[[steps]]
register = "given"
[steps.set]
port = "{{ asked.stdout | int }}"
word = "{{ facts.user.name | length > 0 }}"
list = ["{{ port }}", { deep = "{{ asked.stdout }}" }]
[[steps]]
debug = { message = "after {{ port + 1 }} {{ url }} {{ word }} {{ list }} {{ given.list[0] }} {{ given.changed }}" }
[[steps]]
loop = [1, 2, 3]
set = { port = "{{ port + item }}", all = "{{ all | default([]) + [item] }}" }
[[steps]]
vars = { port = 7, own = "{{ port }}" }
notify = "say"
changed_when = "true"
debug = { message = "{{ port }} {{ all }} {{ own }}" }
[[handlers]]
name = "say"
debug = { message = "handler {{ port }}" }
"#;
    prints(
        playbook,
        "",
        expect![[r#"
            before 80 http://web:80/ -
            run /bin/sh -c 'echo 81'
            after 82 http://web:81/ True [80, {'deep': '81'}] 80 False
            87 [1, 2, 3] 87
            handler 87
        "#]],
    );
    prints(
        playbook,
        "-e port=5",
        expect![[r#"
            before 5 http://web:5/ -
            run /bin/sh -c 'echo 81'
            after 6 http://web:5/ True [5, {'deep': '81'}] 5 False
            5 [1, 2, 3] 5
            handler 5
        "#]],
    );
}

#[test]
fn what_is_not_set_is_what_it_was() {
    let playbook = r#"
[vars]
port = 80
[[steps]]
register = "asked"
command = { shell = "echo no" }
[[steps]]
when = "asked.stdout == 'yes'"
set = { port = 81, more = 1 }
[[steps]]
debug = { message = "{{ port }} {{ more | default('unset') }}" }
[[steps]]
vars = { port = 9 }
debug = { message = "{{ port }}" }
[[steps]]
loop = "{{ asked.stdout_lines }}"
loop_var = "port"
debug = { message = "{{ port }}" }
"#;
    prints(
        playbook,
        "",
        expect![[r#"
            run /bin/sh -c 'echo no'
            80 unset
            9
            no
        "#]],
    );
}

#[test]
fn check_says_what_can_be_known() {
    let stage = FolderStage::set();
    let playbook = r#"
[[steps]]
register = "asked"
command = { shell = "echo 81" }
[[steps]]
name = "two values"
set = { known = "{{ 1 + 1 }}", port = "{{ asked.stdout }}" }
[[steps]]
debug = { message = "known {{ known }}" }
[[steps]]
debug = { message = "port {{ port }}" }
[[steps]]
when = "port == 81"
set = { known = 3 }
[[steps]]
debug = { message = "now {{ known }}" }
"#;
    let checked = play(&stage, playbook, "--check");
    expect![[r#"
    run /bin/sh -c 'echo 81'
    port depends on asked.stdout, unknown until applied
    known 2
    depends on port, unknown until applied
    when port == 81 depends on port, unknown until applied
    depends on known, unknown until applied
    web1: would change
    "#]]
    .assert_eq(&lasting(&checked));
}

#[test]
fn what_one_host_sets_for_all_is_set_on_all() {
    let playbook = r#"
[[steps]]
register = "asked"
command = { shell = "echo token" }
[[steps]]
run_once = true
set = { token = "{{ asked.stdout }} of {{ inventory_hostname }}" }
[[steps]]
debug = { message = "{{ inventory_hostname }} {{ token }}" }
"#;
    prints(
        playbook,
        "",
        expect![[r#"
            run /bin/sh -c 'echo token'
            web1 token of web1
        "#]],
    );
}

/// What another host did not set does not replace what this one has.
#[test]
fn a_set_that_runs_once_and_is_skipped_leaves_each_host_its_value() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let playbook = r#"
[[steps]]
set = { who = "{{ inventory_hostname }}" }
[[steps]]
register = "asked"
command = { shell = "echo no", read_only = true }
[[steps]]
run_once = true
when = "asked.stdout == 'yes'"
set = { who = "all" }
[[steps]]
run_once = true
set = { first = "{{ inventory_hostname }}" }
[[steps]]
file = { path = "/etc/who", content = "{{ who }} {{ first }}\n" }
"#;
    let finished = play(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(
        ["web1", "web2"].map(|host| stage.project.read(&format!("{host}/etc/who"))),
        ["web1 web1\n", "web2 web1\n"]
    );
}

#[test]
fn wrong_forms_are_refused_before_contact() {
    let playbook = r#"
[[steps]]
debug = { message = "{{ port }}" }
[[steps]]
set = { port = "{{ port + 1 }}", "two words" = 1, facts = 2, range = 3, hosts = 4, 1st = 5 }
[[steps]]
set = {}
[[steps]]
set = "port"
[[steps]]
set = { port = "{{ prot }}" }
[[steps]]
loop = [1]
set = { total = "{{ total + item }}" }
[[steps]]
set_fact = { a = 1 }
"#;
    refused(
        playbook,
        "",
        expect![[r#"
    error: `two words` cannot be the name of a variable
     --> playbooks/site.toml:5:34
      |
    5 | set = { port = "{{ port + 1 }}", "two words" = 1, facts = 2, range = 3, hosts = 4, 1st = 5 }
      |                                  ^^^^^^^^^^^
      |
      = hint: use letters, digits and `_`, with a letter first

    error: `facts` is a name that windlass itself uses
     --> playbooks/site.toml:5:51
      |
    5 | set = { port = "{{ port + 1 }}", "two words" = 1, facts = 2, range = 3, hosts = 4, 1st = 5 }
      |                                                   ^^^^^

    error: `hosts` is a name that expressions know already
     --> playbooks/site.toml:5:73
      |
    5 | set = { port = "{{ port + 1 }}", "two words" = 1, facts = 2, range = 3, hosts = 4, 1st = 5 }
      |                                                                         ^^^^^
      |
      = hint: choose another name for the variable

    error: `1st` cannot be the name of a variable
     --> playbooks/site.toml:5:84
      |
    5 | set = { port = "{{ port + 1 }}", "two words" = 1, facts = 2, range = 3, hosts = 4, 1st = 5 }
      |                                                                                    ^^^
      |
      = hint: use letters, digits and `_`, with a letter first

    error: `set` gives no variable a value
     --> playbooks/site.toml:7:1
      |
    7 | set = {}
      | ^^^
      |
      = hint: write a line for each: port = "{{ answer.stdout | int }}"

    error: expected a map, found a string
     --> playbooks/site.toml:9:7
      |
    9 | set = "port"
      |       ^^^^^^
      |
      = hint: write a table: { key = value }

    error: unknown step kind `set_fact`
      --> playbooks/site.toml:16:1
       |
    16 | set_fact = { a = 1 }
       | ^^^^^^^^
       |
       = hint: write [steps.set]
    "#]],
    );
    let names = r#"
[[steps]]
debug = { message = "{{ port }}" }
[[steps]]
set = { port = "{{ port + 1 }}" }
[[steps]]
set = { port = "{{ prot }}" }
[[steps]]
loop = [1]
set = { total = "{{ total + item }}" }
"#;
    refused(
        names,
        "",
        expect![[r#"
    error: `port` is not known here
     --> playbooks/site.toml:3:25
      |
    3 | debug = { message = "{{ port }}" }
      |                         ^^^^ a later step sets it: `set port`, playbooks/site.toml:5
      |
      = hint: move that step in front of this one

    error: `port` is not known here
     --> playbooks/site.toml:5:20
      |
    5 | set = { port = "{{ port + 1 }}" }
      |                    ^^^^ this step is the first that sets it
      |
      = hint: write what it is before: `port | default(…)`, or set it in [vars]

    error: `prot` is undefined
     --> playbooks/site.toml:7:20
      |
    7 | set = { port = "{{ prot }}" }
      |                    ^^^^
      |
      = hint: did you mean `port`?

    error: `total` is not known here
      --> playbooks/site.toml:10:21
       |
    10 | set = { total = "{{ total + item }}" }
       |                     ^^^^^ this step is the first that sets it
       |
       = hint: write what it is before: `total | default(…)`, or set it in [vars]
    "#]],
    );
}
