//! The built program, as people type it.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program itself")]

use expect_test::expect;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `windlass LINE` in `folder`.
fn windlass(folder: &Path, line: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
    program.args(line.split_whitespace()).current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", "100");
    program.output().unwrap()
}

/// Exit code, standard output and standard error in an empty folder.
fn printed(line: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = windlass(folder.path(), line);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_lists_the_subcommands() {
    let (code, out, _) = printed("--help");
    assert_eq!(code, 0);
    // clap fills the empty lines between paragraphs with spaces.
    let out: String = out.lines().map(|line| line.trim_end().to_string() + "\n").collect();
    expect![[r#"
        Operates a fleet of hosts over SSH: playbooks that make only the changes that are missing, and a
        record of every run

        Usage: windlass [OPTIONS] <COMMAND>

        Commands:
          run          Run something on hosts
          plan         Save what a playbook would change, to apply exactly that later
          apply        Apply a saved plan: exactly what it says, or nothing
          hosts        Show the inventory as it is resolved: hosts, how they are reached, their groups
          explain      Explain where a value comes from
          lint         Check inventories, playbooks and templates without connecting
          runs         Look at earlier runs
          backups      List, verify, restore and prune backups
          schedule     Run playbooks at times of the day: the [schedule.NAME] tables of windlass.toml
          secrets      Keep secrets in the project, encrypted with age: secrets/*.toml.age
          import       Import inventories of other programs
          serve        Run schedules when they come due, until it is stopped
          playbooks    List the playbooks, or show what one does and takes
          steps        Show the step kinds, or the keys and an example of one
          filters      List the filters, tests and functions of templates, each with an example
          facts        List the facts that expressions can use, or show those of hosts
          schema       Print the JSON Schema of a file, for editors and checkers
          doctor       Look at the project, keys, ssh-agent, known_hosts, clock and terminal, and say what
                       is wrong
          trust        Trust the project of another user, who can then run anything as you
          demo         Start three throw-away hosts on loopback, run a real playbook on them, clean up
          init         Create a starter project: an inventory, a playbook and a template, with comments
          completions  Print a completion script for a shell
          man          Write manual pages into a directory: one for windlass, one for each subcommand
          help         Print this message or the help of the given subcommand(s)

        Options:
          -v, --verbose...
                  Show more: what was skipped and why, what was done, what commands printed

          -q, --quiet
                  Show only failures and the recap

              --color <WHEN>
                  When to use colours; NO_COLOR is honoured

                  [default: auto]
                  [possible values: auto, always, never]

              --output <FORMAT>
                  What to write to standard output

                  Possible values:
                  - human:    Text for people
                  - json:     One JSON document at the end
                  - jsonl:    A line of JSON for each event, as it comes
                  - junit:    One JUnit XML document at the end
                  - markdown: One report in Markdown at the end

                  [default: human]

              --project <DIR>
                  The project's directory, instead of the nearest one at or above this directory

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version
    "#]]
    .assert_eq(&out);
}

#[test]
fn each_subcommand_has_help() {
    for line in ["runs --help", "runs show --help", "steps --help", "init --help", "man --help"] {
        let (code, out, _) = printed(line);
        assert!(code == 0 && out.contains("Usage: windlass"), "{line}: {out}");
    }
}

#[test]
fn wrong_options_exit_5() {
    for line in ["--frobnicate", "", "runs", "runs list --output yaml", "-v -q runs list", "completions tcl"]
    {
        let (code, out, err) = printed(line);
        assert_eq!((code, out.as_str()), (5, ""), "{line}: {err}");
    }
}

#[test]
fn an_unknown_subcommand_is_reported_with_the_nearest() {
    let (code, _, err) = printed("setps");
    assert_eq!(code, 5);
    expect![[r#"
        error: unrecognized subcommand 'setps'

          tip: a similar subcommand exists: 'steps'

        Usage: windlass [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]]
    .assert_eq(&err);
}

#[test]
fn steps_describes_a_kind_and_knows_the_nearest() {
    let (code, out, _) = printed("steps file");
    assert!(code == 0 && out.contains("[steps.file]") && out.contains("* path"), "{out}");
    let (code, _, err) = printed("steps fiel");
    assert_eq!(code, 5);
    expect![[r#"
        error: describe step kind fiel: there is no such kind
          hint: did you mean `file`?
    "#]]
    .assert_eq(&err);
}

#[test]
fn step_kinds_are_found_by_a_word() {
    let (code, out, _) = printed("steps --search crontab");
    assert_eq!(code, 0);
    assert!(out.contains("\n  cron ") && !out.contains("\n  nginx_site "), "{out}");
    let (code, _, err) = printed("steps --search nosuchword");
    assert_eq!((code, err.contains("none speaks of it")), (5, true), "{err}");
}

#[test]
fn facts_are_listed_and_a_wrong_host_is_named() {
    let (code, out, _) = printed("facts");
    assert_eq!((code, out.contains("facts.hostname   the host's own name")), (0, true), "{out}");
    let (code, _, err) = printed("facts nosuch");
    assert_eq!((code, err.contains("nosuch")), (5, true), "{err}");
}

#[test]
fn steps_are_json_when_asked_for() {
    let (code, out, _) = printed("steps file --output json");
    let kinds: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, kinds[0]["kind"].as_str()), (0, Some("file")));
    assert!(kinds[0]["schema"]["properties"]["path"].is_object());
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = printed(&format!("completions {shell}"));
        assert!(code == 0 && out.contains("windlass") && out.contains("WINDLASS_COMPLETE"), "{shell}");
    }
}

#[test]
fn manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = windlass(folder.path(), "man pages");
    assert!(output.status.success());
    for page in ["windlass.1", "windlass-runs.1", "windlass-runs-show.1"] {
        assert!(folder.path().join("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn a_starter_project_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let made = windlass(folder.path(), "init shop");
    assert!(made.status.success());
    assert!(folder.path().join("shop/playbooks/hello.toml").exists());
    let again = windlass(folder.path(), "init shop");
    assert_eq!(again.status.code(), Some(5));
    expect![[r#"
        error: create a project in shop: it has a windlass.toml already
          hint: name another directory: windlass init DIR
    "#]]
    .assert_eq(&String::from_utf8(again.stderr).unwrap());
}

/// Writes files into a new folder.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

const INVENTORY: (&str, &str) = (
    "inventories/prod.toml",
    "vars = { port = 1 }\n[ssh]\nuser = \"deploy\"\n[hosts.\"web[1-3]\"]\nvars = { port = 2 }\n[hosts.db]\naddress = \"203.0.113.9\"\nssh = { port = 2222 }\n",
);

fn answered(folder: &Path, line: &str) -> String {
    let output = windlass(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hosts_are_shown_as_resolved() {
    let folder = project(&[INVENTORY]);
    expect![[r#"
        host  address                  groups
        web1  deploy@web1              prod
        web2  deploy@web2              prod
        web3  deploy@web3              prod
        db    deploy@203.0.113.9:2222  prod
    "#]]
    .assert_eq(&answered(folder.path(), "hosts"));
    expect![[r#"
        prod: db,web[1-3]
    "#]]
    .assert_eq(&answered(folder.path(), "hosts --graph"));
    let json: serde_json::Value =
        serde_json::from_str(&answered(folder.path(), "hosts web* --json")).unwrap();
    assert_eq!((json[2]["host"].as_str(), json[2]["vars"]["port"].as_i64()), (Some("web3"), Some(2)));
}

#[test]
fn a_variable_is_explained() {
    let folder = project(&[INVENTORY]);
    expect![[r#"
           1  inventory file prod, inventories/prod.toml:1
           2  host web2, inventories/prod.toml:5
        => 3  --var, --var port
    "#]]
    .assert_eq(&answered(folder.path(), "explain var web2.port -e port=3"));
    let wrong = windlass(folder.path(), "explain var port");
    let err = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(5) && err.contains("a dot"), "{err}");
}

#[test]
fn lint_tells_every_problem_and_the_starter_project_has_none() {
    let folder = project(&[
        ("templates/page", "{{ open"),
        ("playbooks/a.toml", "[[steps]]\n[steps.fiel]\npath = \"/x\"\n"),
    ]);
    let output = windlass(folder.path(), "lint");
    assert_eq!(output.status.code(), Some(5));
    expect![[r#"
        error: unknown step kind `fiel`
         --> playbooks/a.toml:2:8
          |
        2 | [steps.fiel]
          |        ^^^^
          |
          = hint: did you mean `file`?

        error: the block ends too early
         --> templates/page:1:8
          |
        1 | {{ open
          |        ^
          |
          = hint: close it with `}}`
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap());
    let starter = tempfile::tempdir().unwrap();
    let said = answered(starter.path(), "init");
    assert!(
        said.contains("created ./.schemas, for editors\n") && said.contains("created ./tombi.toml\n"),
        "{said}"
    );
    assert_eq!(answered(starter.path(), "lint"), "no problems found\n");
}

/// They check each file of a project against its schema.
#[test]
fn editors_are_set_up_in_a_new_project_and_in_one_that_exists() {
    let folder = project(&[
        INVENTORY,
        (".taplo.toml", "# mine\n"),
        (".schemas/config.json", "an old one, and longer"),
    ]);
    let said = answered(folder.path(), "init --editors");
    assert_eq!(said, "created ./.schemas, for editors\ncreated ./tombi.toml\nkept ./.taplo.toml\n");
    assert!(!folder.path().join("playbooks/hello.toml").exists(), "it creates no project");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read(".taplo.toml"), "# mine\n");
    for name in ["playbook", "inventory", "config"] {
        assert!(read("tombi.toml").contains(&format!("\".schemas/{name}.json\"")));
        let printed = answered(folder.path(), &format!("schema {name}"));
        let as_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(as_json(&read(&format!(".schemas/{name}.json"))), as_json(&printed));
    }
}

/// Nothing listens there, which a refused connection shows at once.
#[test]
fn the_password_of_a_url_is_on_no_record_and_a_retry_asks_for_it() {
    let host = "[hosts.gone]\naddress = '127.0.0.1'\n[ssh]\nport = 1\nuser = 'nobody'\n";
    let folder = project(&[("inventories/prod.toml", host)]);
    let run = |line: &str| {
        let output = windlass(folder.path(), line);
        let text = [output.stdout, output.stderr].concat();
        format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&text))
    };
    for line in [
        "run playbook readiness --hosts gone -e tables=[{database='postgres://app:canary@db/app',count=1}]",
        "run step sql database=postgres://app:canary@db/app query=SELECT --hosts gone",
    ] {
        let ran = run(line);
        assert!(ran.starts_with("Some(4)"), "{ran}");
        let record = run("runs export last") + &run("runs show last");
        assert!(record.contains("postgres://app:***@db/app"), "{record}");
        assert!(!(ran + &record).contains("canary"), "{record}");
        let again = run("runs retry last");
        assert!(again.starts_with("Some(5)") && !again.contains("canary"), "{again}");
        assert!(
            again.contains("hint: give it again: -e tables=") || again.contains("type the step again"),
            "{again}"
        );
    }
}

#[test]
fn without_a_run_there_is_nothing_to_show() {
    let folder = project(&[INVENTORY]);
    let list = windlass(folder.path(), "--project . runs list");
    assert_eq!(list.status.code(), Some(0));
    assert_eq!(list.stdout, b"nothing has been run in this project\n");
    assert!(!folder.path().join(".windlass").exists(), "looking makes nothing");
    let show = windlass(folder.path(), "--project . runs show last");
    assert_eq!(show.status.code(), Some(5));
    expect![[r#"
        error: find run last: nothing has been run in this project
          hint: name its directory with --project
    "#]]
    .assert_eq(&String::from_utf8(show.stderr).unwrap());
}

#[test]
fn a_script_arrives_as_it_is_written() {
    let stage = crate::folder_host::FolderStage::set();
    for (script, said) in [
        ("echo one\necho two\n", "web1 | one\nweb1 | two\n"),
        (
            "x='a\\tb'\nprintf '%s {{.Names}} {%% raw %%}\\n' \"$x\" # {% endraw %}\n",
            "a\\tb {{.Names}} {% raw %}",
        ),
    ] {
        stage.project.write("it.sh", script);
        let finished = stage.project.windlass(["run", "script", "it.sh", "--hosts", "web1"]);
        assert!(finished.code == 0 && finished.stdout.contains(said), "{said:?}: {finished:?}");
    }
    stage.project.write("args.sh", "printf '%s|' \"$@\"\n");
    let arguments =
        ["run", "script", "args.sh", "--hosts", "web1", "--", "c\\d", "{{ x }}", "it's", "two\nlines"];
    let finished = stage.project.windlass(arguments);
    assert!(finished.stdout.contains("c\\d|{{ x }}|it's|two"), "{finished:?}");
}
