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
