//! `on`: a step is run on another host for each host.

use crate::folder_host::FolderStage;
use crate::language::run;
use std::fs;

const ROLL: &str = r#"
hosts = "web*"
serial = 1
[[steps]]
name = "version"
register = "version"
command = { shell = "echo v-{{ inventory_hostname }}", read_only = true }
[[steps]]
name = "take {{ inventory_hostname }} out"
on = "lb1"
register = "out"
notify = "say"
file = { path = "/srv/{{ inventory_hostname }}", content = "{{ version.stdout }} {{ facts.arch }} {{ role | default('none') }}\n" }
[[steps]]
name = "deploy"
file = { path = "/srv/deployed", content = "{{ out.changed }}\n" }
[[steps]]
name = "put it back"
on = "lb1"
register = "back"
command = { shell = "echo {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log; wc -l < $WINDLASS_ROOT/srv/log" }
[[steps]]
debug = { message = "{{ inventory_hostname }} is number {{ back.stdout | trim }}" }
[[handlers]]
name = "say"
debug = { message = "handler of {{ inventory_hostname }}" }
"#;

fn stage() -> FolderStage {
    let stage = FolderStage::of(&["lb1", "web1", "web2", "web3"]);
    ["lb1", "web1", "web2", "web3"].iter().for_each(|host| {
        fs::create_dir_all(stage.file(&format!("{host}/srv"))).expect("a directory can be made")
    });
    stage
}

fn text(stage: &FolderStage, path: &str) -> String {
    fs::read_to_string(stage.file(path)).unwrap_or_default()
}

/// The hosts of the newest run with their steps: `lb1 changed take web1 out (for web1)`.
fn steps(stage: &FolderStage) -> Vec<String> {
    let export = stage.project.export();
    let hosts = export["hosts"].as_array().expect("a list").iter();
    let steps = hosts.flat_map(|host| {
        let name = host["host"].as_str().expect("a name").to_string();
        let steps = host["steps"].as_array().expect("a list").clone().into_iter();
        steps.filter(|step| step["item"].is_null()).map(move |step| {
            format!(
                "{name} {} {}",
                step["outcome"].as_str().expect("a word"),
                step["name"].as_str().expect("a name")
            )
        })
    });
    steps.collect()
}

#[test]
fn a_step_runs_on_the_host_that_it_names_with_the_values_of_its_own() {
    let stage = stage();
    let finished = run(&stage, ROLL, "--check");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stderr.contains("steps with `on` also run on lb1"), "{finished:?}");
    assert_eq!(
        text(&stage, "lb1/srv/web1") + &text(&stage, "web1/srv/deployed"),
        "",
        "a dry run changes nothing"
    );

    let finished = run(&stage, ROLL, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(text(&stage, "lb1/srv/log"), "web1\nweb2\nweb3\n", "one after the other");
    let arch = std::env::consts::ARCH;
    assert_eq!(text(&stage, "lb1/srv/web2"), format!("v-web2 {arch} none\n"));
    assert_eq!(text(&stage, "web3/srv/deployed"), "True\n");
    for said in ["web2 is number 2", "handler of web3", "write /srv/web1", "write /srv/web3"] {
        assert!(finished.stdout.contains(said), "{said} in {finished:?}");
    }
    let steps = steps(&stage);
    for expected in [
        "lb1 changed take web1 out (for web1)",
        "lb1 changed put it back (for web3)",
        "web1 ok take web1 out",
        "web1 changed deploy",
    ] {
        assert!(steps.contains(&expected.to_string()), "{expected} in {steps:#?}");
    }

    let again = run(&stage, ROLL, "");
    assert!(
        again.stdout.contains("web1 is number 4") && !again.stdout.contains("write /srv/web1"),
        "{again:?}"
    );
    assert!(!again.stdout.contains("handler of"), "nothing was changed there: {again:?}");
}

/// The one that they wait for needs no place among those that are worked at once.
#[test]
fn hosts_that_fill_all_places_get_their_steps_run() {
    for options in ["-f 1", "-f 3"] {
        let stage = stage();
        let finished = run(&stage, &ROLL.replace("serial = 1\n", ""), options);
        assert_eq!(finished.code, 0, "{options}: {finished:?}");
        assert_eq!(text(&stage, "lb1/srv/log").lines().count(), 3, "{finished:?}");
    }
}

#[test]
fn an_undo_covers_the_hosts_that_ran_steps_for_others() {
    let stage = stage();
    let only_files = ROLL.replace("echo {{ inventory_hostname }} >>", "true #");
    fs::write(stage.file("lb1/srv/web1"), "before\n").expect("it can be written");
    assert_eq!(run(&stage, &only_files, "").code, 0);
    assert_ne!(text(&stage, "lb1/srv/web1"), "before\n");
    let undone = stage.project.windlass("runs undo last".split(' '));
    assert!(undone.stdout.contains("undo take web1 out (for web1)"), "{undone:?}");
    assert_eq!(text(&stage, "lb1/srv/web1"), "before\n");
    assert!(!stage.file("lb1/srv/web2").exists() && !stage.file("web2/srv/deployed").exists(), "{undone:?}");
}

#[test]
fn a_failure_there_is_one_of_the_host_that_it_was_for() {
    let stage = stage();
    let playbook = r#"
hosts = "web*"
serial = 1
[[steps]]
block = [
  { on = "lb1", name = "drain", command = { shell = "test {{ inventory_hostname }} != web2" } },
  { name = "work", file = { path = "/srv/work", content = "x" } },
]
rescue = [{ debug = { message = "rescued {{ inventory_hostname }}" } }]
always = [{ on = "lb1", name = "put back", command = { shell = "echo {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" } }]
[[steps]]
on = "lb1"
when = "inventory_hostname == 'web3'"
command = { shell = "exit 3" }
"#;
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 2, "{finished:?}");
    assert!(finished.stdout.contains("rescued web2"), "{finished:?}");
    assert_eq!(text(&stage, "lb1/srv/log"), "web1\nweb2\nweb3\n", "always");
    assert!(!stage.file("web2/srv/work").exists() && stage.file("web3/srv/work").exists());
    assert!(finished.stdout.contains("on lb1: "), "the failure says where: {finished:?}");
    let export = stage.project.export();
    let outcomes: Vec<String> = export["hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|host| format!("{} {}", host["host"].as_str().unwrap(), host["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(outcomes, ["web1 changed", "web2 ok", "web3 failed", "lb1 changed"]);

    // Only web3 is tried again; lb1 comes along for it.
    let mended = playbook.replace("exit 3", "true");
    stage.project.write("playbooks/site.toml", mended);
    let retried = stage.project.windlass("runs retry last".split(' '));
    assert_eq!(retried.code, 0, "{retried:?}");
    assert_eq!(text(&stage, "lb1/srv/log"), "web1\nweb2\nweb3\nweb3\n");
}

#[test]
fn a_host_that_cannot_be_reached_fails_the_steps_that_need_it() {
    let stage = stage();
    stage.project.write(
        "inventories/dead.toml",
        "[hosts.dead]\naddress = \"127.0.0.1\"\nssh = { port = 1, connect_timeout = \"2s\" }\n",
    );
    let playbook = "hosts = \"web1\"\n[[steps]]\non = \"dead\"\ncommand = { argv = [\"true\"] }\n";
    let finished = run(&stage, playbook, "");
    assert_ne!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("dead ended as unreachable"), "{finished:?}");
}

#[test]
fn a_host_of_an_earlier_or_later_play_runs_steps_between_its_own() {
    let stage = stage();
    let playbook = r#"
[[plays]]
hosts = "lb1"
[[plays.steps]]
set = { pool = "main" }
[[plays.steps]]
command = { shell = "echo own >> $WINDLASS_ROOT/srv/log" }
[[plays]]
hosts = "web*"
[[plays.steps]]
on = "lb1"
run_once = true
command = { shell = "echo once {{ hosts['lb1'].vars.pool }} >> $WINDLASS_ROOT/srv/log" }
[[plays.steps]]
on = "{{ inventory_hostname }}"
file = { path = "/srv/itself", content = "{{ inventory_hostname }}" }
[[plays]]
hosts = "lb1,web1"
[[plays.steps]]
command = { shell = "echo {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" }
"#;
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(text(&stage, "lb1/srv/log"), "own\nonce main\nlb1\n");
    assert_eq!(text(&stage, "web2/srv/itself"), "web2");
}

#[test]
fn files_loops_and_this_machine() {
    let stage = stage();
    stage.project.write("files/site/index.html", "x".repeat(3 << 20));
    stage.project.write("files/small.conf", "small\n");
    stage.project.write(
        "templates/pool.j2",
        "{{ inventory_hostname }} {{ facts.arch == facts.arch }} {% include 'part.j2' %}\n",
    );
    stage.project.write("templates/part.j2", "{{ copies.results | length }}\n");
    let here = stage.file("here");
    fs::create_dir(&here).expect("a directory can be made");
    let playbook = format!(
        r#"
hosts = "web1,web2"
[[steps]]
on = "lb1"
overlay = {{ source = "site", dest = "/srv/{{{{ inventory_hostname }}}}" }}
[[steps]]
on = "lb1"
loop = ["a", "b"]
register = "copies"
file = {{ path = "/srv/{{{{ inventory_hostname }}}}-{{{{ item }}}}", source = "small.conf" }}
[[steps]]
on = "lb1"
template = {{ path = "/srv/{{{{ inventory_hostname }}}}.pool", source = "pool.j2" }}
[[steps]]
on = "controller"
file = {{ path = "{}/{{{{ inventory_hostname }}}}", content = "{{{{ copies.results | length }}}}" }}
"#,
        here.display()
    );
    let finished = run(&stage, &playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(text(&stage, "lb1/srv/web2/index.html").len(), 3 << 20);
    assert_eq!(text(&stage, "lb1/srv/web1-b"), "small\n");
    assert_eq!(text(&stage, "lb1/srv/web2.pool"), "web2 True 2\n");
    assert_eq!(text(&stage, "here/web1"), "2");
}

const EACH: &str = r#"
hosts = "web1,web2"
serial = 1
[[steps]]
command = { shell = "echo v-{{ inventory_hostname }}", read_only = true }
register = "version"
[[steps]]
name = "announce"
on = "{{ item.host }}"
loop = [{ host = "lb1", weight = 1 }, { host = "web3", weight = 2 }, { host = "lb1", weight = 3 }, { host = "{{ inventory_hostname }}", weight = 4 }, { weight = 5 }]
label = "{{ item.host | default('nowhere') }} {{ item.weight }}"
when = "item.host is defined"
register = "all"
notify = "say"
vars = { line = "{{ inventory_hostname }} {{ item.weight }} {{ version.stdout }}" }
file = { path = "/srv/{{ inventory_hostname }}-{{ item.weight }}", content = "{{ line }}" }
[[steps]]
debug = { message = "{{ all.changed }} {{ all.results | map(attribute='changed') | list }} {{ all.results | map(attribute='item.weight', default=0) | list }}" }
[[handlers]]
name = "say"
debug = { message = "handler of {{ inventory_hostname }}" }
"#;

#[test]
fn each_element_of_a_loop_runs_on_the_host_that_it_names() {
    let stage = stage();
    let finished = run(&stage, EACH, "--check");
    assert_eq!((finished.code, text(&stage, "lb1/srv/web1-1")), (0, String::new()), "{finished:?}");
    assert!(finished.stderr.contains("steps with `on` also run on lb1,web3"), "{finished:?}");

    let finished = run(&stage, EACH, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    for (path, expected) in [
        ("lb1/srv/web1-1", "web1 1 v-web1"),
        ("web3/srv/web2-2", "web2 2 v-web2"),
        ("lb1/srv/web2-3", "web2 3 v-web2"),
        ("web1/srv/web1-4", "web1 4 v-web1"),
    ] {
        assert_eq!(text(&stage, path), expected, "{path}: {finished:?}");
    }
    let said = "True [True, True, True, True, False] [1, 2, 3, 4, 5]";
    assert!(finished.stdout.contains(said) && finished.stdout.contains("handler of web2"), "{finished:?}");
    let steps = steps(&stage);
    for expected in ["lb1 changed announce: lb1 3 (for web2)", "web3 changed announce: web3 2 (for web1)"] {
        assert!(steps.contains(&expected.to_string()), "{expected} in {steps:#?}");
    }
    let undone = stage.project.windlass("runs undo last".split(' '));
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(!stage.file("lb1/srv/web1-1").exists() && !stage.file("web3/srv/web2-2").exists(), "{undone:?}");
    run(&stage, EACH, "");
    let again = run(&stage, EACH, "");
    assert!(
        again.stdout.contains("False [False, False") && !again.stdout.contains("handler of"),
        "{again:?}"
    );
}

#[test]
fn an_element_that_fails_elsewhere_fails_its_loop() {
    let stage = stage();
    let playbook = r#"
hosts = "web1"
[[steps]]
on = "{{ item }}"
loop = ["lb1", "web2", "web3"]
register = "all"
ignore_errors = true
retries = 1
delay = "10ms"
until = "result.status == 0"
command = { shell = "echo {{ item }} >> $WINDLASS_ROOT/srv/log; test {{ item }} != web2" }
[[steps]]
debug = { message = "{{ all.failed }} {{ all.results | map(attribute='failed') | list }} {{ all.results[1].attempts }}" }
"#;
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("True [False, True, False] 2"), "{finished:?}");
    assert_eq!(text(&stage, "web2/srv/log"), "web2\nweb2\n");
    assert!(finished.stdout.contains("on web2: "), "the failure says where: {finished:?}");
    let finished = run(&stage, &playbook.replace("ignore_errors = true\n", ""), "");
    assert_eq!((finished.code, text(&stage, "web3/srv/log")), (2, "web3\n".to_string()), "{finished:?}");
}

#[track_caller]
fn refused(stage: &FolderStage, playbook: &str, expected: &str) {
    let finished = run(stage, playbook, "");
    assert!(finished.code == 5 && finished.stderr.contains(expected), "{expected}: {finished:?}");
    assert_eq!(stage.project.windlass(["runs", "list"]).stdout, "nothing has been run in this project\n");
}

#[test]
fn what_cannot_be_is_said_before_a_host_is_contacted() {
    let stage = stage();
    let with = |on: &str, step: &str| format!("hosts = \"web*\"\n[[steps]]\non = \"{on}\"\n{step}\n");
    let command = "command = { argv = [\"true\"] }";
    for (playbook, expected) in [
        (with("lb2", command), "no host is called `lb2`"),
        (with("localhost", command), "write on = \"controller\""),
        (with("{{ facts.hostname }}", command), "this must be known before a host is contacted"),
        (with("{{ nope }}", command), "nope"),
        (
            with("{{ item }}", "loop = [\"lb1\", \"lb2\"]\ncommand = { argv = [\"true\"] }"),
            "no host is called `lb2`",
        ),
        (
            with("{{ item }}", "loop = \"facts.addresses\"\ncommand = { argv = [\"true\"] }"),
            "this must be known before",
        ),
        (with("lb1", "set = { a = \"b\" }"), "`set` cannot be run on another host"),
        (with("lb1", "fetch = { path = \"/etc/hostname\" }"), "`fetch` cannot be run on another host"),
        (with("lb1", "reboot = {}"), "`reboot` cannot be run on another host"),
    ] {
        refused(&stage, &playbook, expected);
    }
    stage.project.write("playbooks/site.toml", with("lb2", command));
    let lint = stage.project.windlass(["lint"]);
    assert!(lint.code == 5 && lint.stdout.contains("no host is called `lb2`"), "{lint:?}");
    let ansible = "hosts = \"web*\"\n[[steps]]\ndelegate_to = \"lb1\"\ncommand = { argv = [\"true\"] }\n";
    refused(&stage, ansible, "write on = \"NAME\"");
}
