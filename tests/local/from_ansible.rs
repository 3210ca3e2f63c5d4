//! What users of Ansible write out of habit, and what windlass says to it.

use crate::folder_host::FolderStage;
use crate::language::play;

const SAYS: &str =
    "[vars]\nport = 80\nuser = 'app'\n[[steps]]\ndebug = { message = '{{ port }} {{ user }}' }\n";

#[test]
fn two_variables_behind_one_e_are_refused() {
    let stage = FolderStage::set();
    stage.project.write("playbooks/site.toml", SAYS);
    let with = |vars: &str| {
        stage.project.windlass(["run", "playbook", "site", "--hosts", "all", "--check", "-e", vars])
    };
    let refused = with("port=81 user=root");
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stderr.contains("one `--var` sets one variable, and `user=` stands in the text of `port`")
    );
    assert!(refused.stderr.contains("write --var port=… --var user=…"), "{refused:?}");
    for (vars, expected) in [
        ("port=81", "81 app"),
        ("user=a b=c", "80 a b=c"),
        ("port=\"81 user=root\"", "81 user=root app"),
        ("{\"port\": 81, \"user\": \"root\"}", "81 root"),
    ] {
        let finished = with(vars);
        assert!(finished.code == 0 && finished.stdout.contains(expected), "{vars}: {finished:?}");
    }
    let refused = with("{\"port\": 123456789012345678901234567890}");
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("is too large a number for a value"), "{refused:?}");
    let finished = with("port=123456789012345678901234567890");
    assert!(finished.stdout.contains("123456789012345678901234567890 app"), "{finished:?}");
}

#[test]
fn the_result_of_a_skipped_step_says_so() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nwhen = 'facts.arch == \"none\"'\nregister = 'r'\ncommand = { run = 'echo 1' }\n\
                    [[steps]]\ndebug = { message = '{{ r.stdout }}' }\n";
    let finished = play(&stage, playbook, "");
    assert_eq!(finished.code, 2, "{finished:?}");
    let hint =
        "hint: the step that gives `r` was skipped: ask with `r is not skipped`, or write `| default(…)`";
    assert!(finished.stdout.contains(hint), "{finished:?}");
}

#[test]
fn elements_of_loops_around_blocks_are_in_the_names_of_steps() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nloop = ['a', 'b']\nblock = [{ debug = { message = 'in {{ item }}' } }]\n";
    let finished = play(&stage, playbook, "");
    for name in ["debug: a", "debug: b"] {
        assert!(finished.stdout.contains(name), "{name}: {finished:?}");
    }
}

#[test]
fn text_that_says_no_is_no_condition() {
    let stage = FolderStage::set();
    let playbook =
        "[vars]\nflag = true\n[[steps]]\nwhen = 'flag and not (1 > 2)'\ndebug = { message = 'it ran' }\n";
    for vars in ["flag=no", "flag=False", "flag=\"false\""] {
        let finished = play(&stage, playbook, &format!("--check -e {vars}"));
        assert_eq!(finished.code, 5, "{vars}: {finished:?}");
        assert!(finished.stderr.contains("which counts as true"), "{finished:?}");
        assert!(finished.stderr.contains("hint: write `flag | bool`"), "{finished:?}");
    }
    for (vars, runs) in [("flag=false", false), ("flag=true", true), ("flag=yes", true), ("flag=0", false)] {
        let finished = play(&stage, playbook, &format!("--check -e {vars}"));
        assert_eq!((finished.code, finished.stdout.contains("it ran")), (0, runs), "{vars}: {finished:?}");
    }
    let asserted = "[vars]\nflag = true\n[[steps]]\nassert = { that = 'flag' }\n";
    for (vars, code) in [("flag=no", 2), ("flag=true", 0)] {
        let finished = play(&stage, asserted, &format!("-e {vars}"));
        assert_eq!(finished.code, code, "{vars}: {finished:?}");
    }
    let with_bool = playbook.replace("'flag and", "'flag | bool and");
    assert_eq!(play(&stage, &with_bool, "--check -e flag=no").code, 0);
}

#[test]
fn a_handler_may_notify_one_that_stands_before_it() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nnotify = 'a'\ncommand = { run = 'true' }\n\
                    [[handlers]]\nname = 'b'\ndebug = { message = 'b runs' }\n\
                    [[handlers]]\nname = 'a'\nnotify = 'b'\ncommand = { run = 'true' }\n";
    let finished = play(&stage, playbook, "");
    assert!(finished.code == 0 && finished.stdout.contains("b runs"), "{finished:?}");
    let again = play(&stage, &playbook.replace("notify = 'a'", ""), "");
    assert!(!again.stdout.contains("b runs") && !again.stderr.contains("did not finish"), "{again:?}");
    // Those that notify each other come to an end.
    let circle =
        playbook.replace("debug = { message = 'b runs' }", "notify = 'a'\ncommand = { run = 'true' }");
    assert_eq!(play(&stage, &circle, "").code, 0);
}

#[test]
fn a_loop_over_a_list_that_is_not_there_is_left_out_by_when() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nwhen = 'extra is defined'\nloop = '{{ extra }}'\ndebug = { message = '{{ item }}' }\n\
                    [[steps]]\ndebug = { message = 'goes on' }\n";
    let finished = play(&stage, playbook, "");
    assert!(finished.code == 0 && finished.stdout.contains("goes on"), "{finished:?}");
}

#[test]
fn habits_get_a_hint_before_a_host_is_contacted() {
    let stage = FolderStage::set();
    for (step, expected) in [
        (
            "loop = [{ n = 1 }]\nlabel = '{{ item.name }}'\ndebug = { message = 'x' }",
            "`item.name` is undefined",
        ),
        (
            "loop = '{{ { \"a\": 1 } | dict2items }}'\ndebug = { message = '{{ item.val }}' }",
            "there are: key, value",
        ),
        ("debug = { message = 'x' }\nrescue = [{ debug = { message = 'y' } }]", "it stands beside `block`"),
        (
            "loop = ['a']\nnotify = 'restart {{ item }}'\ncommand = { run = 'true' }",
            "names as they are written",
        ),
        ("x = 1\n[steps.debug]\nmessage = 'x'\n[handlers]\nname = 'x'", "write [[…]] for each element"),
        ("include = 'other'", "did you mean `other.toml`?"),
        ("include = 'other.toml'\nparams = { a = 1 }", "write `vars`"),
    ] {
        stage.project.write("playbooks/other.toml", "[[steps]]\ndebug = { message = 'x' }\n");
        let finished = play(&stage, &format!("[[steps]]\n{step}\n"), "");
        assert_eq!(finished.code, 5, "{step}: {finished:?}");
        assert!(finished.stderr.contains(expected), "{step}: {finished:?}");
    }
}
