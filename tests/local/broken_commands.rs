//! A command that failed after it had started may have changed something: it counts as a change that nothing undoes,
//! in the recap, in the record, in each document and in an undo. One that was never started changed nothing.

use crate::folder_host::FolderStage;
use crate::stage::Finished;
use serde_json::Value;

/// What is said of the command `deploy` that fails.
const DEPLOY: &str =
    "run deploy: it failed, and may have changed something before that; its step gives no undo";

/// A step that writes a file, these, and one that writes another file.
fn between_files(steps: &str) -> String {
    let file = |name: &str| {
        format!("[[steps]]\nname = \"{name}\"\nfile = {{ path = \"/srv/{name}\", content = \"{name}\" }}\n")
    };
    format!("{}{steps}{}", file("one"), file("two"))
}

/// A host with the program `deploy`, which leaves `/srv/half` and fails the first two times.
fn stage() -> FolderStage {
    let stage = FolderStage::set();
    let script = "#!/bin/sh\necho x >>\"$WINDLASS_ROOT/srv/half\"\n[ \"$(wc -l <\"$WINDLASS_ROOT/srv/half\")\" -gt 2 ] || exit 3\n";
    stage.project.write("web1/srv/here", "");
    stage.project.write("web1/usr/bin/deploy", script);
    stage.project.set_mode("web1/usr/bin/deploy", 0o755);
    stage
}

fn run(stage: &FolderStage, playbook: &str) -> Finished {
    stage.project.write("playbooks/p.toml", playbook);
    stage.project.windlass(["run", "playbook", "p", "--hosts", "all"])
}

fn shown(stage: &FolderStage, arguments: &[&str]) -> String {
    let finished = stage.project.windlass(["runs", "show", "last"].iter().chain(arguments));
    assert_eq!(finished.code, 0, "{finished:?}");
    finished.stdout
}

/// The sums of the last run's steps: changes, those that can be undone, and those that are unknown.
fn scope(stage: &FolderStage) -> (u64, u64, u64) {
    let document: Value = serde_json::from_str(&shown(stage, &["--output", "json"])).expect("JSON");
    let steps = document["hosts"][0]["steps"].as_array().expect("steps").clone();
    let sum = |name: &str| steps.iter().filter_map(|step| step["undo"][name].as_u64()).sum();
    (sum("changes"), sum("undoable"), sum("unknown"))
}

fn undo(stage: &FolderStage) -> Finished {
    stage.project.windlass(["runs", "undo", "last"])
}

fn is_there(stage: &FolderStage, path: &str) -> bool {
    stage.file(&format!("web1{path}")).exists()
}

#[test]
fn an_ignored_failure_counts_everywhere_as_a_change_that_nothing_undoes() {
    let stage = stage();
    let steps = "[[steps]]\nname = \"deploy\"\nignore_errors = true\ncommand = { run = \"deploy\" }\n";
    let finished = run(&stage, &between_files(steps));
    assert_eq!(finished.code, 0, "{finished:?}");
    let counted = "2 of 3 changes can be undone: windlass runs undo ";
    for text in [&finished.stdout, &shown(&stage, &[])] {
        assert!(text.contains(counted) && text.contains(&format!("; not: {DEPLOY})")), "{text}");
    }
    let sentence = format!("2 of 3 changes can be undone; not: {DEPLOY}\n");
    assert!(shown(&stage, &["--output", "markdown"]).contains(&sentence));
    stage.project.windlass(["runs", "show", "last", "--report", "page.html"]);
    let page = stage.project.read("page.html");
    assert!(page.contains(&format!("<p>2 of 3 changes can be undone; not: {DEPLOY}</p>")), "{page}");
    assert!(page.contains("<li>run deploy</li>"), "{page}");
    assert_eq!(scope(&stage), (3, 2, 1));
    for check in [&["--check"][..], &[]] {
        let undone = stage.project.windlass(["runs", "undo", "last"].iter().chain(check));
        assert_eq!(undone.code, 2, "{undone:?}");
        assert!(undone.stdout.contains("partly undone"), "{undone:?}");
        let left = format!("1 of 3 changes could not be undone:\n        {DEPLOY}");
        assert!(undone.stdout.contains(&left), "{undone:?}");
    }
    assert!(!is_there(&stage, "/srv/one") && !is_there(&stage, "/srv/two") && is_there(&stage, "/srv/half"));
}

#[test]
fn a_run_that_fails_or_rescues_or_whose_command_is_ended_says_so_too() {
    for (steps, code) in [
        ("[[steps]]\ncommand = { run = \"deploy\" }\n", 2),
        (
            "[[steps]]\n[[steps.block]]\ncommand = { run = \"deploy\" }\n[[steps.rescue]]\ndebug = { message = \"x\" }\n",
            0,
        ),
        ("[[steps]]\nignore_errors = true\ntimeout = \"1s\"\ncommand = { shell = \"sleep 9\" }\n", 0),
        ("[[steps]]\nignore_errors = true\nscript = { file = \"s.sh\" }\n", 0),
        (
            "[[steps]]\nignore_errors = true\nfailed_when = \"result.status == 3\"\ncommand = { run = \"deploy\" }\n",
            0,
        ),
    ] {
        let stage = stage();
        stage.project.write("files/s.sh", "#!/bin/sh\nexit 4\n");
        stage.project.write("s.sh", "#!/bin/sh\nexit 4\n");
        let finished = run(&stage, &between_files(steps));
        assert_eq!(finished.code, code, "{steps}: {finished:?}");
        let (changes, undoable, _) = scope(&stage);
        assert_eq!(changes, undoable + 1, "{steps}: {finished:?}");
        assert!(
            finished.stdout.contains(&format!("{undoable} of {changes} changes can be undone")),
            "{finished:?}"
        );
        let undone = undo(&stage);
        assert_eq!(undone.code, 2, "{steps}: {undone:?}");
    }
}

#[test]
fn a_host_where_only_a_command_failed_has_changed() {
    let stage = stage();
    let finished = run(&stage, "[[steps]]\nignore_errors = true\ncommand = { run = \"deploy\" }\n");
    assert!(finished.stdout.contains("1 changed in "), "{finished:?}");
    assert!(finished.stdout.contains(&format!("(nothing of it can be undone: {DEPLOY})")), "{finished:?}");
    let undone = undo(&stage);
    assert_eq!(undone.code, 2, "{undone:?}");
}

#[test]
fn what_was_never_started_changed_nothing() {
    for step in [
        "ignore_errors = true\ncommand = { run = \"no-such-program\" }",
        "ignore_errors = true\ncommand = { run = \"/usr/bin/locked\" }",
        "ignore_errors = true\ncommand = { run = \"no-such-program\", undo = \"deploy\" }",
        "ignore_errors = true\ncommand = { run = \"deploy\", directory = \"/no/such\" }",
        "command = { run = \"deploy\", creates = \"/usr/bin/deploy\" }",
        "when = \"false\"\ncommand = { run = \"deploy\" }",
    ] {
        let stage = stage();
        stage.project.write("web1/usr/bin/locked", "#!/bin/sh\n");
        stage.project.set_mode("web1/usr/bin/locked", 0o644);
        let finished = run(&stage, &between_files(&format!("[[steps]]\n{step}\n")));
        assert_eq!(finished.code, 0, "{step}: {finished:?}");
        assert_eq!(scope(&stage), (2, 2, 0), "{step}: {finished:?}");
        let undone = undo(&stage);
        assert_eq!(undone.code, 0, "{step}: {undone:?}");
        assert!(!is_there(&stage, "/srv/half"), "{step}");
    }
}

#[test]
fn the_playbook_may_say_that_it_changes_nothing() {
    for changed_when in ["\"false\"", "\"result.status != 3\""] {
        let stage = stage();
        let step = format!(
            "[[steps]]\nignore_errors = true\nchanged_when = {changed_when}\ncommand = {{ run = \"deploy\" }}\n"
        );
        let finished = run(&stage, &between_files(&step));
        assert!(finished.stdout.contains("(to undo it: "), "{finished:?}");
        assert_eq!(scope(&stage), (2, 2, 0), "{finished:?}");
        assert_eq!(undo(&stage).code, 0, "{finished:?}");
    }
}

#[test]
fn tries_of_one_command_count_once_and_elements_of_a_loop_each() {
    let stage = stage();
    let step = "[[steps]]\nretries = 4\ndelay = \"0s\"\ncommand = { run = \"deploy\" }\n";
    let finished = run(&stage, &between_files(step));
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(scope(&stage), (3, 2, 0), "the third try worked: {finished:?}");
    let undone = undo(&stage);
    assert!(
        undone
            .stdout
            .contains("1 of 3 changes could not be undone:\n        run deploy: its step gives no undo"),
        "{undone:?}"
    );
    let step = "[[steps]]\nretries = 4\ndelay = \"0s\"\nregister = \"r\"\nuntil = \"r.stdout == '6'\"\n\
                command = { shell = \"deploy; wc -l <$WINDLASS_ROOT/srv/half\" }\n";
    let finished = run(&stage, step);
    assert_eq!(
        (finished.code, scope(&stage)),
        (0, (1, 0, 0)),
        "the third try met the condition: {finished:?}"
    );
    assert!(undo(&stage).stdout.contains("1 of 1 changes could not be undone:"));
    let step = "[[steps]]\nignore_errors = true\nloop = [3, 0, 4]\nchanged_when = \"item == 3\"\ncommand = { shell = \"exit {{ item }}\" }\n";
    run(&stage, step);
    assert_eq!(scope(&stage), (1, 0, 1));
    let undone = undo(&stage);
    assert!(undone.stdout.contains("1 of 1 changes could not be undone:"), "{undone:?}");
}

#[test]
fn a_step_whose_command_can_be_undone_leaves_nothing() {
    let stage = stage();
    stage.project.write("web1/usr/bin/clean", "#!/bin/sh\nrm -f \"$WINDLASS_ROOT/srv/half\"\n");
    stage.project.set_mode("web1/usr/bin/clean", 0o755);
    let step = "[[steps]]\nignore_errors = true\ncommand = { run = \"deploy\", undo = \"clean\" }\n";
    run(&stage, &between_files(step));
    assert!(!is_there(&stage, "/srv/half"));
    assert_eq!(scope(&stage), (2, 2, 0));
    let step =
        "[[steps]]\nignore_errors = true\ncommand = { run = \"deploy\", undo = \"no-such-program\" }\n";
    let finished = run(&stage, step);
    assert_eq!(scope(&stage), (1, 0, 1), "{finished:?}");
    assert_eq!(undo(&stage).code, 2);
}
