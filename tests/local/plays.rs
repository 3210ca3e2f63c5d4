//! Several plays in one file.

use crate::folder_host::FolderStage;
use crate::language::{lasting, newest_run, refused, run as play};
use crate::stage::Finished;
use expect_test::{Expect, expect};

/// The database first, then the web servers, then the database again.
const SITE: &str = r#"
[params.version]
default = "1"
[vars]
everywhere = "all"

[[plays]]
name = "prepare the database"
hosts = "db1"
vars = { role = "db" }
[[plays.steps]]
name = "a token"
register = "made"
notify = "say"
changed_when = true
command = { shell = "echo secret-$RANDOM | sed 's/secret-.*/secret-7/'" }
[[plays.steps]]
set = { token = "{{ made.stdout }}" }
[[plays.handlers]]
name = "say"
debug = { message = "db handler {{ role }}" }

[[plays]]
name = "web servers"
hosts = "web*"
serial = 1
vars = { role = "web" }
[[plays.steps]]
name = "configure"
notify = "say"
file = { path = "/etc/app.conf", content = "{{ hosts['db1'].vars.token }} {{ hosts['db1'].vars.made.status }} {{ role }} {{ everywhere }} {{ version }}\n" }
[[plays.handlers]]
name = "say"
debug = { message = "web handler {{ inventory_hostname }}" }

[[plays]]
hosts = "db1"
[[plays.steps]]
tags = "report"
debug = { message = "still {{ token }} {{ made.stdout }} {{ role | default('no role') }}" }
"#;

fn stage() -> FolderStage {
    FolderStage::of(&["db1", "web1", "web2"])
}

/// What the steps say, and how the hosts ended.
#[track_caller]
fn shows(finished: &Finished, code: i32, expected: Expect) {
    // What happens at the same time is shown in any order.
    let text = lasting(finished);
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort();
    lines.dedup();
    expected.assert_eq(&lines.concat());
    assert_eq!(finished.code, code, "{finished:?}");
}

#[test]
fn plays_run_one_after_the_other_with_results_of_earlier_ones() {
    let stage = stage();
    let finished = play(&stage, SITE, "");
    shows(
        &finished,
        0,
        expect![[r#"
            db handler db
            db1: changed
            run /bin/sh -c 'echo secret-$RANDOM | sed '\''s/secret-.*/secret-7/'\'''
            still secret-7 secret-7 no role
            web handler web1
            web handler web2
            web1: changed
            web2: changed
            write /etc/app.conf
        "#]],
    );
    assert_eq!(stage.project.read("web1/etc/app.conf"), "secret-7 0 web all 1\n");
    assert_eq!(stage.project.read("web2/etc/app.conf"), "secret-7 0 web all 1\n");
    // One record, one undo.
    let runs = stage.project.windlass(["runs", "list"]).stdout;
    assert_eq!(runs.lines().count(), 2, "{runs}");
    let undone = stage.project.windlass(["runs", "undo", newest_run(&stage).as_str()]);
    // The command gives no undo.
    assert_eq!(undone.code, 2, "{undone:?}");
    assert!(undone.stdout.contains("2 undone, 1 partly undone"), "{undone:?}");
    assert!(!stage.file("web1/etc/app.conf").exists() && !stage.file("web2/etc/app.conf").exists());
}

#[test]
fn each_play_has_one_login_for_each_host() {
    let stage = stage();
    let finished = play(&stage, SITE, "--output jsonl");
    let connected = |host: &str| {
        let line = format!("\"host\":\"{host}\"");
        finished.stdout.lines().filter(|text| text.contains("\"connected\"") && text.contains(&line)).count()
    };
    assert_eq!(["db1", "web1", "web2"].map(connected), [1, 1, 1], "{finished:?}");
}

#[test]
fn check_says_what_can_be_known() {
    let checked = play(&stage(), SITE, "--check");
    assert_eq!(checked.code, 0, "{checked:?}");
    for unknown in ["token depends on made.stdout", "depends on hosts['db1'].vars.token", "depends on token"]
    {
        let line = format!("    {unknown}, unknown until applied\n");
        assert!(checked.stdout.contains(&line), "{unknown}: {checked:?}");
    }
}

#[test]
fn a_failure_holds_back_the_plays_after_it() {
    let stage = stage();
    let broken = SITE.replacen("echo secret", "exit 3; echo secret", 1);
    let finished = play(&stage, &broken, "");
    assert_eq!(finished.code, 2, "{finished:?}");
    for ended in ["db1: failed\n", "web1: cancelled\n", "web2: cancelled\n"] {
        assert!(lasting(&finished).contains(ended), "{finished:?}");
    }
    assert!(!stage.file("web1/etc/app.conf").exists());
    let retried = {
        stage.project.write("playbooks/site.toml", SITE);
        stage.project.windlass(["runs", "retry", newest_run(&stage).as_str()])
    };
    assert_eq!(retried.code, 0, "{retried:?}");
    assert_eq!(stage.project.read("web2/etc/app.conf"), "secret-7 0 web all 1\n");
}

#[test]
fn a_later_failure_undoes_all_plays() {
    let stage = stage();
    let playbook = r#"
on_failure = "undo"
[[plays]]
hosts = "all"
[[plays.steps]]
file = { path = "/etc/first", content = "1" }
[[plays]]
hosts = "web2"
[[plays.steps]]
command = { shell = "exit 1" }
[[plays]]
hosts = "web1"
[[plays.steps]]
debug = { message = "never" }
"#;
    let finished = play(&stage, playbook, "");
    // What the command changed before it failed is not known.
    for (host, how) in [("db1", "undone"), ("web1", "undone"), ("web2", "partly undone")] {
        assert!(!stage.file(&format!("{host}/etc/first")).exists(), "{host}: {finished:?}");
        assert!(lasting(&finished).contains(&format!("{host}: {how}\n")), "{host}: {finished:?}");
    }
}

#[test]
fn tags_hosts_and_the_first_step_choose_among_all_plays() {
    let stage = stage();
    let listed = play(&stage, SITE, "--list-steps");
    expect![[r#"
        prepare the database (db1):
        a token
        set token
        web servers (web*):
        configure
        play 3 (db1):
        debug  [report]
    "#]]
    .assert_eq(&listed.stdout);
    assert_eq!(play(&stage, SITE, "--list-hosts").stdout, "db1,web[1-2] (3 hosts)\n");
    assert_eq!(play(&stage, SITE, "--list-hosts -l web1").stdout, "web1 (1 host)\n");
    let started = play(
        &stage,
        &SITE.replace("{{ token }} {{ made.stdout }}", ""),
        "--start-at-step configure -l web1 -e version=2 --skip-tags report",
    );
    assert_eq!(started.code, 5, "the database is not among the hosts: {started:?}");
    let none = play(&stage, SITE, "-l nosuch");
    assert_eq!(none.code, 5, "{none:?}");
    expect![[r#"
    site (playbooks/site.toml)

    plays, one after the other:
      prepare the database  (db1)
      web servers  (web*)
      play 3  (db1)

    params, given as -e NAME=VALUE (* required):
      version  string  ["1"]
    "#]]
    .assert_eq(&stage.project.windlass(["playbooks", "site"]).stdout);
}

#[test]
fn fewer_slots_than_hosts_are_enough() {
    let stage = stage();
    let playbook = r#"
[[plays]]
hosts = "all"
[[plays.steps]]
debug = { message = "one" }
[[plays]]
hosts = "all"
[[plays.steps]]
run_once = true
register = "once"
command = { shell = "echo first" }
[[plays.steps]]
debug = { message = "{{ once.stdout }}" }
"#;
    let finished = play(&stage, playbook, "--forks 1");
    shows(
        &finished,
        0,
        expect![[r#"
            db1: changed
            first
            one
            run /bin/sh -c 'echo first'
            web1: ok
            web2: ok
        "#]],
    );
}

#[test]
fn a_saved_plan_has_all_plays() {
    let stage = stage();
    let playbook = SITE.replace("{{ hosts['db1'].vars.token }} {{ hosts['db1'].vars.made.status }} ", "");
    stage.project.write("playbooks/site.toml", &playbook);
    let planned = stage.project.windlass(["plan", "playbook", "site", "-o", "site.plan"]);
    assert_eq!(planned.code, 0, "{planned:?}");
    let applied = stage.project.windlass(["apply", "site.plan"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(stage.project.read("web2/etc/app.conf"), "web all 1\n");
    stage.project.write("playbooks/site.toml", SITE);
    let refused = stage.project.windlass(["plan", "playbook", "site", "-o", "site.plan"]);
    expect![[r#"
    error: save a plan: a play looks at hosts['NAME'].vars.made, which another host gives only during the run
      hint: see what would change without saving it: windlass run playbook … --check --diff
    "#]]
    .assert_eq(&refused.stderr);
}

#[test]
fn wrong_plays_are_refused_before_contact() {
    let playbook = r#"
serial = 2
[[plays]]
name = "no hosts"
hots = "web1"
[[plays.steps]]
debug = { message = "x" }
[[plays]]
hosts = "web1"
params = { a = {} }
[[plays.steps]]
notify = "say"
debug = { message = "x" }
[[plays]]
hosts = "web1"
[[plays.handlers]]
name = "say"
debug = { message = "x" }
[[steps]]
debug = { message = "x" }
"#;
    refused(
        playbook,
        "",
        expect![[r#"
    error: `serial` beside `plays`
     --> playbooks/site.toml:2:10
      |
    2 | serial = 2
      |          ^
      |
      = hint: move `serial` into a play: each has its own

    error: `steps` beside `plays`
      --> playbooks/site.toml:19:1
       |
    19 | [[steps]]
       | ^^^^^^^^^
       |
       = hint: move `steps` into a play: each has its own

    error: unknown key `hots`
     --> playbooks/site.toml:5:1
      |
    5 | hots = "web1"
      | ^^^^ not a key of a play
      |
      = hint: did you mean `hosts`?

    error: a play needs `hosts`
     --> playbooks/site.toml:4:8
      |
    4 | name = "no hosts"
      |        ^^^^^^^^^^
      |
      = hint: write the pattern of its hosts: hosts = "web"

    error: unknown key `params`
      --> playbooks/site.toml:10:1
       |
    10 | params = { a = {} }
       | ^^^^^^ not a key of a play
       |
       = hint: it is for all plays: write it at the top of the file

    error: there is no handler called `say`
      --> playbooks/site.toml:12:10
       |
    12 | notify = "say"
       |          ^^^^^
       |
       = hint: a handler of another play has this name: give this play its own
    "#]],
    );
    let hosts = r#"
[[plays]]
hosts = "wbe1"
[[plays.steps]]
debug = { message = "x" }
"#;
    refused(
        hosts,
        "",
        expect![[r#"
    error: no host or group is called `wbe1`
     --> playbooks/site.toml:3:9
      |
    3 | hosts = "wbe1"
      |         ^^^^^^
      |
      = hint: did you mean `web1`?
    "#]],
    );
    let becoming = r#"
[[plays]]
hosts = "web1"
become = true
[[plays.steps]]
debug = { message = "x" }
[[plays]]
name = "as another"
hosts = "web1"
[[plays.steps]]
debug = { message = "x" }
"#;
    refused(
        becoming,
        "",
        expect![[r#"
    error: `as another` has another `become` than an earlier play on web1
     --> playbooks/site.toml:8:8
      |
    8 | name = "as another"
      |        ^^^^^^^^^^^^
      |
      = hint: the plays of one host agree; a single step has become_user = "deploy"
    "#]],
    );
}

#[test]
fn a_name_that_only_other_hosts_have_is_refused_before_contact() {
    let stage = stage();
    let playbook = SITE.replace("hosts['db1'].vars.token", "token");
    let finished = play(&stage, &playbook, "");
    for part in ["`token` is not known here", "hosts['NAME'].vars.token"] {
        assert!(finished.stderr.contains(part), "{finished:?}");
    }
    let lint = stage.project.windlass(["lint"]);
    assert_eq!((finished.code, lint.code, lint.stdout), (5, 5, finished.stderr));
}

#[test]
fn plays_are_on_groups_that_an_earlier_play_makes() {
    let stage = stage();
    let playbook = r#"
[[plays]]
hosts = "web*"
[[plays.steps]]
group_by = { key = "is_{{ inventory_hostname[:3] }}" }
[[plays]]
hosts = "is_web,!web2"
[[plays.steps]]
debug = { message = "{{ inventory_hostname }} of {{ groups['is_web'] | join(',') }}" }
[[plays]]
name = "databases"
hosts = "is_db1"
[[plays.steps]]
debug = { message = "x" }
"#;
    let finished = play(&stage, playbook, "");
    // Only the hosts of the play with the step join.
    shows(
        &finished,
        0,
        expect![[r#"
            web1 of web1,web2
            web1: ok
            web2: ok
        "#]],
    );
    let warning = "warning: `databases` is not run: no host has joined the groups of `is_db1`";
    assert!(finished.stderr.contains(warning), "{finished:?}");
    assert_eq!(stage.project.windlass(["lint"]).code, 0);
    let wrong = play(&stage, &playbook.replace("is_db1", "si_db1"), "");
    assert!(wrong.stderr.contains("no host or group is called `si_db1`"), "{wrong:?}");
    let none = play(&stage, &playbook.replace("web*", "is_all").replace(",!web2", ""), "");
    assert!(none.stderr.contains("no play has a host before the groups are made"), "{none:?}");
    assert_eq!((wrong.code, none.code), (5, 5));
}

#[test]
fn a_host_that_is_in_no_play_any_more_ends_as_cancelled() {
    let stage = stage();
    let broken = SITE.replacen("echo secret", "exit 3; echo secret", 1);
    assert_eq!(play(&stage, &broken, "").code, 2);
    stage.project.write("playbooks/site.toml", SITE.replace("web*", "web2"));
    let retried = stage.project.windlass(["runs", "retry", newest_run(&stage).as_str()]);
    let ended = lasting(&retried);
    for line in ["db1: changed\n", "web1: cancelled\n", "web2: changed\n"] {
        assert!(ended.contains(line), "{retried:?}");
    }
}
