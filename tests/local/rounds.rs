//! Loops around several steps: includes, roles and blocks for each element of a list.

use crate::folder_host::FolderStage;
use crate::language::{lasting, play, prints, refused};
use crate::stage::{Finished, Project};
use expect_test::expect;

/// Included for an app: a step, a block that may fail, and a handler.
const APP: &str = r#"
[params.app]
required = true
[params.port]
type = "integer"
default = 80
[[steps]]
name = "configure"
notify = ["restart", "reload {{ app }}", "apps changed"]
file = { path = "/etc/{{ app }}.conf", content = "{{ app }}:{{ port }}\n" }
[[steps]]
[[steps.block]]
command = { shell = "test {{ app }} != bad" }
[[steps.rescue]]
debug = { message = "rescued {{ app }}" }
[[handlers]]
name = "restart"
debug = { message = "restarts {{ app }} {{ port }}" }
[[handlers]]
name = "reload {{ app }}"
debug = { message = "reloads {{ app }}" }
[[handlers]]
name = "log"
listen = "apps changed"
debug = { message = "logs {{ app }}" }
"#;

fn with_app(playbook: &str, options: &str) -> (FolderStage, Finished) {
    let stage = FolderStage::set();
    stage.project.write("playbooks/app.toml", APP);
    let finished = play(&stage, playbook, options);
    (stage, finished)
}

#[test]
fn an_include_is_done_for_each_element_with_its_own_handlers() {
    let playbook = r#"
[vars]
apps = [{ name = "shop", port = 81 }, { name = "bad" }, { name = "blog" }]
[[steps]]
include = "app.toml"
loop = "apps"
loop_var = "one"
vars = { app = "{{ one.name }}", port = "{{ one.port | default(82) }}" }
"#;
    let (stage, finished) = with_app(playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    expect![[r#"
        write /etc/shop.conf
        run /bin/sh -c 'test shop != bad'
        write /etc/bad.conf
        run /bin/sh -c 'test bad != bad': exit status 1, and it said nothing
        rescued bad
        write /etc/blog.conf
        run /bin/sh -c 'test blog != bad'
        restarts shop 81
        reloads shop
        logs shop
        restarts bad 82
        reloads bad
        logs bad
        restarts blog 82
        reloads blog
        logs blog
        web1: changed
    "#]]
    .assert_eq(&lasting(&finished));
    assert_eq!(stage.project.read("web1/etc/shop.conf"), "shop:81\n");
    assert_eq!(stage.project.read("web1/etc/blog.conf"), "blog:82\n");
    assert!(
        finished.stdout.contains("configure: shop") && finished.stdout.contains("reload shop"),
        "{finished:?}"
    );
    let again = play(&stage, playbook, "");
    assert_eq!((again.code, lasting(&again).contains("restarts")), (0, false), "{again:?}");
}

#[test]
fn an_include_that_is_taken_in_twice_has_its_handlers_twice() {
    let playbook = r#"
[[steps]]
include = "app.toml"
vars = { app = "shop" }
[[steps]]
include = "app.toml"
vars = { app = "blog", port = 90 }
[[steps]]
name = "all of them"
when = "late | default(false)"
changed_when = true
notify = "restart"
command = { shell = "true" }
"#;
    let (stage, finished) = with_app(playbook, "");
    expect![[r#"
        write /etc/shop.conf
        run /bin/sh -c 'test shop != bad'
        write /etc/blog.conf
        run /bin/sh -c 'test blog != bad'
        restarts shop 80
        reloads shop
        logs shop
        restarts blog 90
        reloads blog
        logs blog
        web1: changed
    "#]]
    .assert_eq(&lasting(&finished));
    stage.project.write("web1/etc/blog.conf", "other");
    let again = play(&stage, playbook, "");
    expect![[r#"
        run /bin/sh -c 'test shop != bad'
        write /etc/blog.conf
        run /bin/sh -c 'test blog != bad'
        restarts blog 90
        reloads blog
        logs blog
        web1: changed
    "#]]
    .assert_eq(&lasting(&again));
    let all = play(&stage, playbook, "-e late=true");
    expect![[r#"
        run /bin/sh -c 'test shop != bad'
        run /bin/sh -c 'test blog != bad'
        run /bin/sh -c true
        restarts shop 80
        restarts blog 90
        web1: changed
    "#]]
    .assert_eq(&lasting(&all));
}

#[test]
fn blocks_and_loops_in_loops_see_their_elements() {
    let playbook = r#"
[[steps]]
name = "each"
loop = ["a", "{{ 'b' }}"]
loop_var = "outer"
[[steps.block]]
loop = "{{ [1, 2] if outer == 'a' else [3] }}"
[[steps.block.block]]
loop = ["x", "y"]
loop_var = "inner"
debug = { message = "{{ outer }} {{ item }} {{ inner }}" }
[[steps.block]]
debug = { message = "after {{ outer }}" }
[[steps.block]]
when = "outer == 'b'"
command = { shell = "false" }
[[steps.rescue]]
debug = { message = "rescues {{ outer }}" }
"#;
    prints(
        playbook,
        "",
        expect![[r#"
    a 1 x
    a 1 y
    a 2 x
    a 2 y
    after a
    b 3 x
    b 3 y
    after b
    run /bin/sh -c false: exit status 1, and it said nothing
    rescues b
    "#]],
    );
}

#[test]
fn hosts_have_lists_of_their_own() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let inventory = stage.project.read("inventories/demo.toml");
    let inventory = inventory
        .replacen("[hosts.web1]", "[hosts.web1]\nvars = { apps = [\"shop\", \"blog\"] }", 1)
        .replacen("[hosts.web2]", "[hosts.web2]\nvars = { apps = [\"wiki\"] }", 1);
    stage.project.write("inventories/demo.toml", inventory);
    let playbook = "[[steps]]\nloop = \"{{ apps }}\"\nlabel = \"the {{ item }}\"\n[[steps.block]]\n\
        debug = { message = \"{{ item }}\" }\n";
    let finished = play(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    expect![[r#"
        shop
        wiki
        blog
        web1: ok
        web2: ok
    "#]]
    .assert_eq(&lasting(&finished));
    assert!(finished.stdout.contains("debug: the wiki"), "{finished:?}");
}

#[test]
fn wrong_loops_are_refused_before_contact() {
    let playbook = r#"
[[steps]]
register = "asked"
command = { shell = "echo a" }
[[steps]]
loop = "{{ asked.stdout_lines }}"
[[steps.block]]
debug = { message = "{{ item }}" }
"#;
    let project = Project::with_web1();
    project.write("playbooks/site.toml", playbook);
    let run = project.windlass(["run", "playbook", "site", "--hosts", "web1"]);
    expect![[r#"
    error: this must be known before a host is contacted
     --> playbooks/site.toml:6:8
      |
    6 | loop = "{{ asked.stdout_lines }}"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^ a loop around several steps
      |
      = hint: give the steps a `loop` each: theirs may be over facts and results
    "#]]
    .assert_eq(&run.stderr);
    assert_eq!(run.code, 5);
    let playbook = r#"
[[steps]]
loop = "{{ nosuch }}"
[[steps.block]]
debug = { message = "{{ item }}" }
[[steps]]
loop = ["a"]
loop_var = "facts"
[[steps.block]]
debug = { message = "{{ itm }}" }
[[steps]]
label = "x"
[[steps.block]]
debug = { message = "x" }
[[steps]]
loop = 3
[[steps.block]]
debug = { message = "x" }
"#;
    refused(
        playbook,
        "",
        expect![[r#"
    error: `facts` is a name that windlass itself uses
     --> playbooks/site.toml:8:12
      |
    8 | loop_var = "facts"
      |            ^^^^^^^

    error: `label` is about the elements of a loop, and there is none
      --> playbooks/site.toml:12:9
       |
    12 | label = "x"
       |         ^^^
       |
       = hint: give it a `loop`, or leave it out

    error: expected a list, or an expression that gives one, found an integer
      --> playbooks/site.toml:16:8
       |
    16 | loop = 3
       |        ^
       |
       = hint: put it in brackets: [3]
    "#]],
    );
}

#[test]
fn an_include_in_a_loop_makes_groups_for_each_element() {
    let stage = FolderStage::set();
    stage.project.write("playbooks/join.toml", "[[steps]]\ngroup_by = { key = \"is_{{ item }}\" }\n");
    let playbook = r#"
[[steps]]
include = "join.toml"
loop = ["a", "b"]
[[steps]]
[[steps.block]]
debug = { message = "of {{ group_names | join(',') }}" }
[[steps]]
loop = "{{ groups['is_b'] }}"
[[steps.block]]
debug = { message = "b is {{ item }}" }
"#;
    let finished = play(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    expect![[r#"
        of demo,is_a,is_b
        b is web1
        web1: ok
    "#]]
    .assert_eq(&lasting(&finished));
}
