//! What a playbook means, on hosts that are folders: names, variables, batches, steps that run once.

use crate::folder_host::FolderStage;
use crate::stage::{Finished, Project};
use expect_test::{Expect, expect};

/// Runs a playbook on every host of the stage.
pub fn play(stage: &FolderStage, playbook: &str, options: &str) -> Finished {
    run(stage, playbook, &format!("--hosts all {options}"))
}

/// Runs a playbook on the hosts that it or the options name.
pub fn run(stage: &FolderStage, playbook: &str, options: &str) -> Finished {
    stage.project.write("playbooks/site.toml", playbook);
    stage.project.windlass(["run", "playbook", "site"].into_iter().chain(options.split_whitespace()))
}

/// What the steps of a playbook print on one host, without what the run says of itself.
#[track_caller]
pub fn prints(playbook: &str, options: &str, expected: Expect) {
    let stage = FolderStage::set();
    let finished = play(&stage, playbook, options);
    assert_eq!(finished.code, 0, "{finished:?}");
    let printed: Vec<&str> = finished.stdout.lines().filter(|line| line.starts_with("    ")).collect();
    expected.assert_eq(&printed.iter().map(|line| format!("{}\n", line.trim())).collect::<String>());
}

/// What a run prints without what differs each time: what the steps say, and how the hosts ended.
pub fn lasting(finished: &Finished) -> String {
    let says = finished.stdout.lines().filter(|line| line.starts_with("    ")).map(str::trim);
    let table = finished.stdout.lines().skip_while(|line| !line.starts_with("host ")).skip(1);
    let rows = table.take_while(|line| !line.is_empty());
    let ended = rows.map(|row| {
        row.split("  ").map(str::trim).filter(|word| !word.is_empty()).take(2).collect::<Vec<_>>().join(": ")
    });
    says.map(str::to_string).chain(ended).map(|line| format!("{}\n", line.trim())).collect()
}

/// The name of the newest run.
pub fn newest_run(stage: &FolderStage) -> String {
    let list = stage.project.windlass(["runs", "list"]).stdout;
    let line = list.lines().nth(1).expect("a run");
    line.split_whitespace().next().expect("its name").to_string()
}

/// A playbook that is refused before contact, on the command line and by `lint`.
#[track_caller]
pub fn refused(playbook: &str, options: &str, expected: Expect) {
    let project = Project::with_web1();
    project.write("playbooks/site.toml", playbook);
    let words = ["run", "playbook", "site", "--hosts", "web1"];
    let finished = project.windlass(words.into_iter().chain(options.split_whitespace()));
    expected.assert_eq(&finished.stderr);
    assert_eq!((finished.code, finished.stdout.as_str()), (5, ""), "{finished:?}");
    if options.is_empty() {
        let lint = project.windlass(["lint"]);
        assert_eq!((lint.code, lint.stdout), (5, finished.stderr), "lint says the same");
    }
    assert_eq!(project.windlass(["runs", "list"]).stdout, "nothing has been run in this project\n");
}

#[test]
fn what_is_looked_up_may_depend_on_the_element_of_a_known_loop() {
    let stage = FolderStage::set();
    stage.project.write("files/a.txt", "first\n");
    stage.project.write("files/b.txt", "second\n");
    stage.project.write("templates/inner.j2", "{{ app }} {{ item }}\n");
    let playbook = r#"
hosts = "web1"
[vars]
app = "shop"
[[steps]]
loop = ["a", "b"]
debug = { message = "{{ item }} {{ lookup('file', item ~ '.txt') }} {{ lookup('vars', 'ap' ~ 'p') }}" }
[[steps]]
loop = [{ name = "a" }]
debug = { message = "{{ lookup('template', 'inner.j2', template_vars={'item': 'x'}) if false else 'no' }} {{ facts.arch | length > 0 }} {{ lookup('file', 'b.txt') }}" }
"#;
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    for said in ["a first shop", "b second shop", "no True second"] {
        assert!(finished.stdout.contains(said), "{said}: {finished:?}");
    }
    let waits = "hosts = \"web1\"\n[[steps]]\nregister = \"r\"\ncommand = { argv = [\"true\"] }\n[[steps]]\n";
    for (step, expected) in [
        (
            "debug = { message = \"{{ lookup('file', r.stdout) }}\" }",
            "it is looked up before a host is contacted",
        ),
        ("when = \"lookup('env', 'HOME') == r.stdout\"\ndebug = { message = \"x\" }", "vars = { found ="),
    ] {
        let finished = run(&stage, &format!("{waits}{step}\n"), "");
        assert!(finished.code == 5 && finished.stderr.contains(expected), "{expected}: {finished:?}");
    }
}

#[test]
fn lint_finds_what_a_run_refuses_before_contact() {
    let project = Project::with_web1();
    let step =
        |step: &str| format!("hosts = \"web1\"\n[vars]\nports = [1, 2]\ndomain = \"x\"\n[[steps]]\n{step}\n");
    for playbook in [
        step("template = { path = \"/etc/x\", source = \"nope.j2\" }"),
        step("file = { path = \"/etc/x\", source = \"nope.conf\" }"),
        step("loop = 3\ndebug = { message = \"{{ item }}\" }"),
        step("debug = { message = \"{{ ports | sort(revers=true) }}\" }"),
        step("debug = { message = \"{{ domain + 1 }}\" }"),
        step("vars = { a = \"{{ b }}\", b = \"{{ a }}\" }\ndebug = { message = \"{{ a }}\" }"),
        step("loop = [{ name = 1 }]\ndebug = { message = \"{{ item.nmae }}\" }"),
        step("debug = { message = \"{{ lookup('file', 'nope') }}\" }"),
    ] {
        project.write("playbooks/site.toml", &playbook);
        let run = project.windlass("run playbook site".split(' '));
        let lint = project.windlass(["lint"]);
        assert_eq!((run.code, lint.code), (5, 5), "{playbook}: {run:?} {lint:?}");
        assert_eq!(lint.stdout, run.stderr, "{playbook}");
    }
    // What runs a program, or needs a value that is not there yet, is left to the run.
    for playbook in [
        step("debug = { message = \"{{ lookup('pipe', 'touch ran; exit 1') }}\" }"),
        step("debug = { message = \"{{ must }}\" }")
            .replace("[vars]", "[params.must]\nrequired = true\n[vars]"),
    ] {
        project.write("playbooks/site.toml", &playbook);
        let lint = project.windlass(["lint"]);
        assert_eq!(lint.code, 0, "{playbook}: {lint:?}");
        assert!(!project.path().join("ran").exists());
    }
}

#[test]
fn templates_are_read_as_ansible_reads_them() {
    let stage = FolderStage::set();
    std::fs::create_dir_all(stage.file("web1/srv")).expect("a directory can be made");
    stage.project.write("templates/line.j2", "{{ i }}{{ ',' if not last }}\n");
    stage.project.write(
        "templates/all.j2",
        "{% for i in [1, 2] %}{% set last = loop.last %}{% include 'line.j2' %}{% endfor %}\r\nend {{ facts.arch | length > 0 }}\r\n",
    );
    let playbook = "hosts = \"web1\"\n[[steps]]\ntemplate = { path = \"/srv/all\", source = \"all.j2\" }\n";
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 0, "{finished:?}");
    let text = std::fs::read_to_string(stage.file("web1/srv/all")).expect("it is there");
    assert_eq!(text, "1,2end True\n");
    stage.project.write("templates/all.j2", "#jinja2: lstrip_blocks: True\nx\n");
    let finished = run(&stage, playbook, "");
    assert!(finished.code == 5 && finished.stderr.contains("`#jinja2:` are not honoured"), "{finished:?}");
}

#[test]
fn a_loop_goes_on_past_a_failure_that_is_ignored_and_a_variable_can_be_set_to_none() {
    let playbook = r#"
[vars]
old = "keep"
[[steps]]
loop = [1, 2, 3]
register = "r"
ignore_errors = true
command = { shell = "test {{ item }} != 2" }
[[steps]]
set = { old = "{{ none }}" }
[[steps]]
debug = { message = "{{ r.results | length }} {{ old is none }}" }
"#;
    let said = expect![[r#"
        run /bin/sh -c 'test 1 != 2'
        run /bin/sh -c 'test 2 != 2': exit status 1, and it said nothing
        run /bin/sh -c 'test 3 != 2'
        3 True
    "#]];
    prints(playbook, "", said);
}

#[test]
fn fields_that_no_result_has_are_refused_everywhere() {
    let playbook = r#"
[vars]
count = "{{ listed.stdot_lines | length }}"
[[steps]]
register = "listed"
changed_when = "result.sttus == 0"
failed_when = "listed.rc != 0"
until = "result.stdout != ''"
command = { argv = ["true"] }
[[steps]]
register = "motd"
file = { path = "/etc/motd", content = "{{ listed.stdout }}{{ listed.msg }}" }
[[steps]]
when = "motd.stdout"
register = "each"
loop = ["a", "b"]
command = { argv = ["echo", "{{ item }}"] }
[[steps]]
loop = "{{ each.results }}"
debug = { message = "{{ item.item }} {{ item.stdout }} {{ item.sdtout }} {{ each.stdout }} {{ count }}" }
[[steps]]
notify = "say"
debug = { message = "{{ listed.status | default(3) }} {{ listed.findings }}" }
[[handlers]]
name = "say"
debug = { message = "{{ motd.pth }}" }
"#;
    refused(
        playbook,
        "",
        expect![[r#"
        error: the result of `command` has no `stdot_lines`
         --> playbooks/site.toml:3:13
          |
        3 | count = "{{ listed.stdot_lines | length }}"
          |             ^^^^^^^^^^^^^^^^^^
          |
          = hint: did you mean `stdout_lines`?

        error: the result of `command` has no `sttus`
         --> playbooks/site.toml:6:17
          |
        6 | changed_when = "result.sttus == 0"
          |                 ^^^^^^^^^^^^
          |
          = hint: did you mean `status`?

        error: the result of `command` has no `rc`
         --> playbooks/site.toml:7:16
          |
        7 | failed_when = "listed.rc != 0"
          |                ^^^^^^^^^
          |
          = hint: use `status`

        error: the result of `command` has no `msg`
          --> playbooks/site.toml:12:63
           |
        12 | file = { path = "/etc/motd", content = "{{ listed.stdout }}{{ listed.msg }}" }
           |                                                               ^^^^^^^^^^
           |
           = hint: use `stdout`, `stderr` or the step's own fields

        error: the result of `file` has no `stdout`
          --> playbooks/site.toml:14:9
           |
        14 | when = "motd.stdout"
           |         ^^^^^^^^^^^
           |
           = hint: there are: changed, failed, findings, skipped

        error: the result of `command` has no `sdtout`
          --> playbooks/site.toml:20:59
           |
        20 | debug = { message = "{{ item.item }} {{ item.stdout }} {{ item.sdtout }} {{ each.stdout }} {{ count }}" }
           |                                                           ^^^^^^^^^^^
           |
           = hint: did you mean `stdout`?

        error: the result of a loop has no `stdout`
          --> playbooks/site.toml:20:77
           |
        20 | debug = { message = "{{ item.item }} {{ item.stdout }} {{ item.sdtout }} {{ each.stdout }} {{ count }}" }
           |                                                                             ^^^^^^^^^^^
           |
           = hint: each element has its own: look into `results`

        error: the result of `file` has no `pth`
          --> playbooks/site.toml:26:25
           |
        26 | debug = { message = "{{ motd.pth }}" }
           |                         ^^^^^^^^
           |
           = hint: there are: changed, failed, findings, skipped
    "#]],
    );
}

#[test]
fn variables_that_a_playbook_does_not_have_are_refused() {
    let message = r#"
error: the playbook site has no variable `prot`
 |
 = hint: did you mean `port`?
"#;
    for options in ["-e prot=80", "-e {\"prot\":80}"] {
        says(PORT, options, message);
    }
    says(
        PORT,
        "-e {port:80}",
        r#"
error: read --var {port:80}: key must be a string at line 1 column 2
 |
 = hint: a JSON object has its names in double quotes: --var '{"port": 8080}'
"#,
    );
}

/// A playbook with one param.
const PORT: &str =
    "[params.port]\ntype = \"port\"\ndefault = 80\n[[steps]]\ndebug = { message = \"{{ port }}\" }\n";

/// The message of a playbook that is refused before contact.
#[track_caller]
fn says(playbook: &str, options: &str, message: &str) {
    let project = Project::with_web1();
    project.write("playbooks/site.toml", playbook);
    let words = ["run", "playbook", "site", "--hosts", "web1"];
    let finished = project.windlass(words.into_iter().chain(options.split_whitespace()));
    assert_eq!((finished.code, finished.stderr.trim()), (5, message.trim()));
}

#[test]
fn what_chooses_nothing_is_refused() {
    says(PORT, "--tags nosuch", "error: no step has the tag `nosuch`\n |\n = hint: no step of site has tags");
    says(PORT, "--serial 0", "error: read --serial 0: it must be at least 1");
    says(
        "description = \"nothing\"\n",
        "",
        r#"
error: this playbook has no steps
 --> playbooks/site.toml:1:1
  |
1 | description = "nothing"
  | ^
  |
  = hint: give it [[steps]]; `windlass steps` lists what a step can do
"#,
    );
    says(
        &format!("serial = 0\nmax_failures = 0\n{PORT}"),
        "",
        r#"
error: a batch has at least 1 host
 --> playbooks/site.toml:1:10
  |
1 | serial = 0
  |          ^
  |
  = hint: write serial = 1 for one host after the other

error: a run stops after at least 1 failure
 --> playbooks/site.toml:2:16
  |
2 | max_failures = 0
  |                ^
  |
  = hint: write max_failures = 1 to stop it at the first
"#,
    );
    let project = Project::with_web1();
    project.write("playbooks/site.toml", format!("hosts = \"wbe1\"\n{PORT}"));
    let lint = project.windlass(["lint"]);
    assert!(lint.code == 5 && lint.stdout.contains("playbooks/site.toml:1:9"), "{lint:?}");
}

#[test]
fn what_an_include_gives_must_be_there_and_fit() {
    let project = Project::with_web1();
    project.write("templates/page", "{{ title }}");
    project.write(
        "playbooks/parts/page.toml",
        "[params.port]\ntype = \"port\"\ndefault = 80\n[[steps]]\ntemplate = { source = \"page\", path = \"/p\" }\n",
    );
    project.write(
        "playbooks/site.toml",
        "[[steps]]\ninclude = \"parts/page.toml\"\nvars = { title = \"t\", prot = 1 }\n\
         [[steps]]\ninclude = \"parts/page.toml\"\nvars = { title = \"t\", port = 70000 }\n\
         [[steps]]\ndebug = { message = \"{{ port }}\" }\n",
    );
    let gone = project.windlass(["lint", "sight"]);
    assert!(gone.code == 5 && gone.stdout.contains("check sight: there is no such file"), "{gone:?}");
    assert_eq!(project.windlass(["lint", "site"]).code, 5, "a playbook by its name");
    let lint = project.windlass(["lint", "playbooks/site.toml"]);
    let expected = r#"
error: the playbook page has no variable `prot`
 --> playbooks/site.toml:3:30
  |
3 | vars = { title = "t", prot = 1 }
  |                              ^
  |
  = hint: did you mean `port`?

error: `port` must be a port, 1 to 65535, found 70000
 --> playbooks/site.toml:6:30
  |
6 | vars = { title = "t", port = 70000 }
  |                              ^^^^^ a param of page
"#;
    assert_eq!((lint.code, lint.stdout.trim()), (5, expected.trim()));
}

#[test]
fn schedules_give_what_their_playbook_has() {
    let project = Project::with_web1();
    project.write(
        "windlass.toml",
        "[schedule.nightly]\nplaybook = \"readiness\"\nhosts = \"web1\"\ncron = \"0 3 * * *\"\n\
         vars = { disk_fre_min = \"10%\", services = \"ssh\" }\n",
    );
    let lint = project.windlass(["lint"]);
    let expected = r#"
error: the playbook readiness has no variable `disk_fre_min`
 --> windlass.toml:5:25
  |
5 | vars = { disk_fre_min = "10%", services = "ssh" }
  |                         ^^^^^
  |
  = hint: did you mean `disk_free_min`?

error: `services` must be a list, found a string
 --> windlass.toml:5:43
  |
5 | vars = { disk_fre_min = "10%", services = "ssh" }
  |                                           ^^^^^ a param of readiness
"#;
    assert_eq!((lint.code, lint.stdout.trim()), (5, expected.trim()));
}

#[test]
fn a_size_without_a_unit_is_refused() {
    let project = Project::with_web1();
    let words = ["run", "playbook", "resources", "--hosts", "web1", "-e", "disk_free_min=90"];
    let finished = project.windlass(words);
    let why = "disk.free_min: 90 has no unit: write \"90%\" or a size such as \"90 GiB\"";
    assert!(finished.code == 5 && finished.stderr.contains(why), "{finished:?}");
}

#[test]
fn variables_come_as_toml_json_and_files() {
    let playbook = r#"
[[steps]]
debug = { message = "{{ a }} {{ b.c }} {{ d }} {{ e }} {{ f }} {{ g }}" }
"#;
    let stage = FolderStage::set();
    stage.project.write("e.json", r#"{"e": [1, 2]}"#);
    stage.project.write("f.yaml", "f: yes\n");
    stage.project.write("g.toml", "g = 7\n");
    let options = r#"-e a=x -e b={"c":1} -e {"d":null} -e @e.json -e @f.yaml -e @g.toml"#;
    let finished = play(&stage, playbook, options);
    assert!(finished.stdout.contains("    x 1  [1, 2] True 7\n"), "{finished:?}");
}

#[test]
fn a_name_that_is_registered_later_is_its_variable_before() {
    let playbook = r#"
[params.unset]
[vars]
kept = "before"
[[steps]]
debug = { message = "1 {{ kept }} {{ unset is defined }} {{ unset is none }} {{ unset | default('x') }}" }
[[steps]]
when = "facts.hostname is defined"
debug = { message = "2 {{ kept }}" }
[[steps]]
register = "kept"
vars = { kept = "own" }
command = { shell = "echo {{ kept }}", read_only = true }
[[steps]]
debug = { message = "3 {{ kept.stdout }}" }
"#;
    prints(
        playbook,
        "",
        expect![[r#"
            1 before False False x
            2 before
            3 own
        "#]],
    );
}

#[test]
fn params_of_an_include_stay_there() {
    let stage = FolderStage::set();
    stage.project.write(
        "playbooks/part.toml",
        "[params.colour]\ndefault = \"red\"\n[[steps]]\ndebug = { message = \"inside {{ colour }}\" }\n",
    );
    let playbook = "[[steps]]\ninclude = \"part.toml\"\n\
                    [[steps]]\ninclude = \"part.toml\"\nvars = { colour = \"blue\" }\n\
                    [[steps]]\ndebug = { message = \"outside {{ colour is defined }}\" }\n";
    let finished = play(&stage, playbook, "");
    for line in ["inside red", "inside blue", "outside False"] {
        assert!(finished.stdout.contains(&format!("    {line}\n")), "{line}: {finished:?}");
    }
    let finished = play(&stage, playbook, "-e colour=green");
    assert_eq!(finished.stdout.matches("inside green").count(), 2, "{finished:?}");
    assert!(finished.stdout.contains("outside True"), "{finished:?}");
}

/// How the three hosts end when the playbook's one step fails on some of them, sorted: with as many at once as there are
/// slots, only the first host is known.
fn ends(stage: &FolderStage, head: &str, bad: &str, options: &str) -> String {
    let playbook = format!(
        "{head}\n[[steps]]\nname = \"t\"\n[steps.command]\nshell = \"case '{bad}' in *{{{{ inventory_hostname }}}}*) exit 1;; esac\"\n"
    );
    let finished = play(stage, &playbook, &format!("--output json {options}"));
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap_or_default();
    let hosts = report["hosts"].as_array().unwrap_or_else(|| panic!("{finished:?}"));
    let mut words: Vec<&str> = hosts.iter().map(|host| host["outcome"].as_str().unwrap_or("?")).collect();
    words.sort_unstable();
    words.join(" ")
}

#[test]
fn no_host_starts_after_as_many_failures_as_are_allowed() {
    let stage = FolderStage::of(&["a", "b", "c"]);
    for (head, bad, options, expected) in [
        ("serial = 1", "a", "", "cancelled cancelled failed"),
        ("serial = 1\nmax_failures = 1", "a", "", "cancelled cancelled failed"),
        ("serial = 1\nmax_failures = 2", "a b", "", "cancelled failed failed"),
        ("serial = 1\nmax_failures = 2", "a", "", "changed changed failed"),
        ("max_failures = 1", "a b c", "--forks 1", "cancelled cancelled failed"),
        ("max_failures = \"50%\"", "a b c", "--forks 1", "cancelled failed failed"),
    ] {
        assert_eq!(ends(&stage, head, bad, options), expected, "{head} {bad} {options}");
    }
}

const ONCE: &str = r#"
[[steps]]
name = "migrate"
run_once = true
register = "migrated"
[steps.command]
shell = "sleep 0.3; echo {{ inventory_hostname }} >>FILE; echo done; exit CODE"
[[steps]]
name = "restart"
register = "restarted"
command = { shell = "cat FILE", read_only = true }
[[steps]]
debug = { message = "{{ inventory_hostname }}: {{ migrated.stdout }}, {{ restarted.stdout }}" }
"#;

fn once(stage: &FolderStage, code: &str, options: &str) -> Finished {
    let file = stage.file("migrated").display().to_string();
    play(stage, &ONCE.replace("FILE", &file).replace("CODE", code), options)
}

#[test]
fn the_other_hosts_wait_for_the_one_and_have_its_result() {
    let stage = FolderStage::of(&["a", "b", "c"]);
    let finished = once(&stage, "0", "");
    assert_eq!(finished.code, 0, "{finished:?}");
    for host in ["a", "b", "c"] {
        assert!(finished.stdout.contains(&format!("    {host}: done, a\n")), "{finished:?}");
    }
    // One slot is enough: the one that the others wait for has it first.
    let finished = once(&stage, "0", "--forks 1");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(stage.project.read("migrated"), "a\na\n");
}

#[test]
fn the_other_hosts_fail_with_the_one() {
    let stage = FolderStage::of(&["a", "b", "c"]);
    let finished = once(&stage, "3", "");
    assert!(finished.stdout.contains("run once, on a: "), "{finished:?}");
    assert!(finished.stdout.contains("3 failed"), "{finished:?}");
    // One that cannot be reached will not run it either.
    let inventory = stage.project.read("inventories/demo.toml").replacen("port = ", "port = 1 #", 1);
    stage.project.write("inventories/demo.toml", inventory.replacen("1 #", "1 } #", 1));
    let finished = once(&stage, "0", "");
    assert!(finished.stdout.contains("a ended as unreachable before it came to this step"), "{finished:?}");
}

#[test]
fn two_names_of_one_host_take_turns() {
    let stage = FolderStage::of(&["a"]);
    let inventory = stage.project.read("inventories/demo.toml");
    let (_, host) = inventory.split_once("[hosts.a]").expect("a host");
    stage.project.write("inventories/demo.toml", format!("{inventory}[hosts.b]{host}"));
    let playbook = "[[steps]]\ncommand = { shell = \"sleep 1\" }\n";
    let finished = play(&stage, playbook, "--wait 0s");
    assert_eq!(finished.code, 0, "{finished:?}");
}

#[test]
fn what_failed_says_so_in_its_result() {
    let playbook = r#"
[[steps]]
register = "one"
ignore_errors = true
failed_when = "(result.stdout | from_json).nope"
command = { shell = "echo x", read_only = true }
[[steps]]
register = "two"
ignore_errors = true
failed_when = "result.stdout == 'x'"
command = { shell = "echo x", read_only = true }
[[steps]]
register = "three"
ignore_errors = true
until = "result.stdout == 'y'"
retries = 1
delay = 0
command = { shell = "echo x", read_only = true }
[[steps]]
debug = { message = "{{ one.failed }} {{ two.failed }} {{ three.failed }} {{ three.attempts }}" }
"#;
    let finished = play(&FolderStage::set(), playbook, "");
    assert!(finished.stdout.contains("    True True True 2\n"), "{finished:?}");
}

#[test]
fn check_and_apply_agree_about_a_path_with_dots() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nfile = { path = \"/tmp/../etc/x\", content = \"y\" }\n";
    assert_eq!(play(&stage, playbook, "--check").code, 0);
    assert_eq!(play(&stage, playbook, "").code, 0);
    let again = play(&stage, playbook, "--check");
    assert!(again.stdout.contains("1 ok"), "{again:?}");
}

#[test]
fn a_block_is_rescued_and_ends_as_its_steps_do() {
    let playbook = r#"
[params.fails]
default = ""
[[steps]]
name = "deploy"
when = "fails != 'skip'"
environment = { WHAT = "env" }
vars = { word = "shared" }
[[steps.block]]
name = "body"
register = "body"
command = { shell = "echo $WHAT; test '{{ fails }}' != body" }
[[steps.block]]
debug = { message = "body done {{ word }}" }
[[steps.rescue]]
debug = { message = "rescued {{ word }}" }
[[steps.rescue]]
name = "mend"
when = "fails == 'rescue'"
command = { shell = "false", read_only = true }
[[steps.always]]
debug = { message = "always {{ body.stdout }}" }
[[steps]]
debug = { message = "after" }
"#;
    let stage = FolderStage::set();
    let printed = |options: &str| {
        let finished = play(&stage, playbook, options);
        // What a command prints is shown at once, with the host.
        let shown = finished.stdout.lines().filter(|line| line.starts_with("    ") || line.contains(" | "));
        let lines = shown.filter(|line| !line.contains("run /bin/sh"));
        let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("web1 | ").trim()).collect();
        format!("{} {}", finished.code, lines.join(", "))
    };
    assert_eq!(printed(""), "0 env, body done shared, always env, after");
    assert_eq!(printed("-e fails=body"), "0 env, rescued shared, always env, after");
    assert_eq!(printed("-e fails=skip"), "0 after");
}

#[test]
fn handlers_listen_to_topics() {
    let playbook = r#"
[[steps]]
notify = ["changed", "one"]
command = { shell = "true" }
[[handlers]]
name = "one"
listen = "changed"
debug = { message = "one" }
[[handlers]]
name = "two"
listen = ["changed", "other"]
debug = { message = "two" }
[[handlers]]
name = "three"
listen = "other"
debug = { message = "three" }
"#;
    prints(playbook, "", expect![["run /bin/sh -c true\none\ntwo\n"]]);
}

#[test]
fn a_role_brings_defaults_handlers_templates_and_files() {
    let stage = FolderStage::set();
    let write = |path: &str, text: &str| stage.project.write(&format!("roles/web/{path}"), text);
    write("defaults.toml", "port = 80\nsite = \"default\"\n");
    write(
        "handlers.toml",
        "[[handlers]]\nname = \"reload\"\ndebug = { message = \"reloaded {{ site }}\" }\n",
    );
    write("templates/site.conf", "{{ site }}:{{ port }}\n");
    write("files/index.html", "own\n");
    stage.project.write("files/index.html", "of the project\n");
    write(
        "steps.toml",
        "[[steps]]\nnotify = \"reload\"\ntemplate = { source = \"site.conf\", path = \"/etc/{{ site }}.conf\" }\n\
         [[steps]]\nfile = { source = \"index.html\", path = \"/etc/index.html\" }\n",
    );
    let playbook = "[[steps]]\nrole = \"web\"\n[[steps]]\nrole = \"web\"\nvars = { site = \"shop\" }\n";
    let finished = play(&stage, playbook, "");
    // Each role has its own handlers.
    for reloaded in ["    reloaded default\n", "    reloaded shop\n"] {
        assert!(finished.stdout.contains(reloaded), "{finished:?}");
    }
    let finished = play(&stage, "[[steps]]\nrole = \"web\"\nvars = { site = \"shop\" }\n", "-e port=8080");
    assert!(finished.stdout.contains("    reloaded shop\n"), "{finished:?}");
    assert_eq!(stage.project.read("web1/etc/shop.conf"), "shop:8080\n");
    assert_eq!(stage.project.read("web1/etc/index.html"), "own\n");
    let twice = play(&stage, "[[steps]]\nrole = \"web\"\n[[steps]]\nrole = \"web\"\n", "");
    assert_eq!(twice.code, 0, "{twice:?}");
    assert_eq!(stage.project.read("web1/etc/default.conf"), "default:80\n");
    let wrong = play(&stage, "[[steps]]\nrole = \"wbe\"\n", "");
    assert!(wrong.code == 5 && wrong.stderr.contains("did you mean `web`?"), "{wrong:?}");
}

#[test]
fn handlers_can_run_before_the_end() {
    let playbook = r#"
[[steps]]
notify = "say"
command = { shell = "true" }
[[steps]]
flush_handlers = {}
[[steps]]
debug = { message = "between" }
[[steps]]
flush_handlers = {}
[[steps]]
notify = "say"
command = { shell = "true" }
[[handlers]]
name = "say"
debug = { message = "said" }
"#;
    let stage = FolderStage::set();
    let finished = play(&stage, playbook, "--output jsonl");
    let ended = finished.stdout.lines().filter(|line| line.contains("step_ended"));
    let order: Vec<&str> = ended
        .filter_map(|line| ["\"said\"", "\"between\""].into_iter().find(|word| line.contains(word)))
        .collect();
    assert_eq!(order, ["\"said\"", "\"between\"", "\"said\""], "{finished:?}");
}
