//! What the engine makes of findings.

use super::*;

const CHECKS: &str = r#"
    [[steps]]
    kind = "assert"
    name = "size"
    register = "size"
    args = { group = "size", that = [
        { expression = "cpus > 1", value = true },
        { expression = "memory > 1", value = false },
    ] }
    [[steps]]
    kind = "assert"
    name = "names"
    items = [1, 2]
    args = { group = "names", that = { expression = "a", value = "{{ item == 2 }}" } }
    [[steps]]
    kind = "debug"
    args = { message = "{{ size.findings[1].what }}: {{ size.findings[1].verdict }}" }
"#;

#[test]
fn a_finding_that_fails_fails_its_step_and_the_host() {
    let told = apply(&host(&[]), CHECKS);
    expect![[r#"
        size failed
            pass    size cpus > 1: it is true
            fail    size memory > 1: it is false
        => failed
        1 of 2 checks fail: size memory > 1
    "#]]
    .assert_eq(&told);
}

#[test]
fn where_failures_are_only_told_no_check_hides_another() {
    let toml = format!("on_failure = 'continue'\n{CHECKS}");
    let host = host(&[]);
    let told = apply(&host, &toml);
    expect![[r#"
        size failed
            pass    size cpus > 1: it is true
            fail    size memory > 1: it is false
        names: 1[0] failed
            fail    names a: it is false
        names: 2[1] ok
            pass    names a: it is true
        names failed
        debug ok
            memory > 1: fail
        => failed
        1 of 2 checks fail: size memory > 1
    "#]]
    .assert_eq(&told);
    assert_eq!(check(&host, &toml), told, "check mode says the same");
    assert!(host.stat(Path::new("/var")).unwrap().is_none(), "no lock, no journal");
}

#[test]
fn the_playbook_may_judge_for_itself() {
    let toml = CHECKS.replacen("args", "failed_when = 'false'\nargs", 1);
    let told = apply(&host(&[]), &toml);
    assert!(told.starts_with("size ok\n    pass    size cpus > 1: it is true\n    fail "), "{told}");
    let toml = CHECKS.replacen("args", "failed_when = \"result.findings | length > 1\"\nargs", 1);
    assert!(apply(&host(&[]), &toml).starts_with("size failed"));
}

#[test]
fn a_step_with_no_log_tells_no_finding() {
    let toml = CHECKS.replacen("args", "no_log = true\nargs", 1);
    let told = apply(&host(&[]), &toml);
    assert!(told.starts_with("size failed\n    hidden: the step has no_log\n=> failed\n"), "{told}");
    assert!(!told.contains("memory"), "nor does the host: {told}");
}

#[test]
fn a_step_with_no_log_does_not_tell_how_it_was_judged() {
    for judged in ["failed_when = \"'hunter2' == 'hunter2'\"", "failed_when = \"'hunter2' + 1\""] {
        let toml = CHECKS.replacen("args", &format!("no_log = true\n{judged}\nargs"), 1);
        let shown = apply(&host(&[]), &toml);
        assert!(shown.contains("=> failed\nsize: it failed; the step has no_log"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
