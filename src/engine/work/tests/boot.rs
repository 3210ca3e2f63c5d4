//! A boot in the middle of a run.

use super::*;

const STEPS: &str = r#"
    [[steps]]
    kind = "file"
    register = "first"
    notify = ["owed"]
    args = { path = "/a", content = "A" }
    [[steps]]
    kind = "reboot"
    name = "boot"
    args = { always = true }
    [[steps]]
    kind = "debug"
    name = "after"
    args = { message = "{{ first.changed }}" }
    [[handlers]]
    kind = "debug"
    name = "owed"
    args = { message = "handled" }
"#;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the first half reports: the boot it is about to begin. The pretended host does not go down, so that the step is
/// one that failed; its agent would have ended with the host.
fn first_half(host: &Pretend<'_>) -> Resume {
    let heard = Heard::default();
    run_with(host, &job("1-a", Mode::Apply, STEPS), &heard);
    let events = heard.events.borrow();
    let booting = events.iter().find_map(|event| match event {
        Event::Booting(resume) => Some((**resume).clone()),
        _ => None,
    });
    booting.expect("it is told before the host goes down")
}

fn second_half(host: &Pretend<'_>, resume: Resume) -> String {
    let mut job = job("1-a", Mode::Apply, STEPS);
    job.envelope.resume = Some(Box::new(resume));
    run_with(host, &job, &Heard::default())
}

fn resume() -> Resume {
    Resume {
        step: 2,
        boot_id: "one".to_string(),
        registered: [(
            "first".to_string(),
            serde_json::json!({ "changed": true }).as_object().unwrap().clone(),
        )]
        .into(),
        notified: vec!["owed".to_string()],
        changed: true,
        ..Resume::default()
    }
}

#[test]
fn the_second_half_goes_on_behind_the_boot() {
    let host = host(&[(BOOT_ID, "two\n")]);
    expect![[r#"
        boot changed
            boot the host
        after ok
            true
        owed ok
            handled
        => changed
    "#]]
    .assert_eq(&second_half(&host, resume()));
    assert!(host.stat(Path::new("/a")).unwrap().is_none(), "the step before it is not run again");
}

#[test]
fn a_host_that_did_not_boot_fails_the_step() {
    let host = host(&[(BOOT_ID, "one\n")]);
    let told = second_half(&host, resume());
    assert!(told.contains("reboot: the host is up, and has not rebooted"), "{told}");
}

#[test]
fn a_failure_before_a_handler_that_boots_is_not_forgotten() {
    let host = host(&[(BOOT_ID, "two\n")]);
    let failed = Resume { step: 4, failure: Some(Failure::new("a", "b")), ..resume() };
    let told = second_half(&host, failed);
    assert!(told.ends_with("=> failed\na: b\n"), "{told}");
}

#[test]
fn check_says_that_it_would_boot() {
    let told = check(&host(&[]), STEPS);
    assert!(told.contains("boot would_change\n    run reboot\n"), "{told}");
}

#[test]
fn what_the_second_half_needs_is_told_before_the_host_goes_down() {
    let host = host(&[(BOOT_ID, "one\n")]);
    let told = first_half(&host);
    assert_eq!((told.step, told.boot_id.as_str(), told.changed), (2, "one", true));
    assert_eq!(told.registered["first"]["changed"], true);
    assert_eq!(told.notified, ["owed"]);
}

#[test]
fn what_ran_in_the_background_before_the_reboot_was_waited_for() {
    let steps =
        STEPS.replace("kind = \"file\"", "kind = \"command\"\n    name = \"build\"\n    background = true");
    let steps = steps.replace("path = \"/a\", content = \"A\"", "run = \"make\"")
        + "[[steps]]\nkind = 'wait'\nname = 'wait'\nwaits_for = [1]\n";
    let host = host(&[(BOOT_ID, "one")]);
    let told = run_with(&host, &job("1-a", Mode::Apply, &steps), &Heard::default());
    assert!(
        told.contains("build changed\n    run make\n    waited for here, since the host is rebooted"),
        "{told}"
    );
    let mut job = job("1-b", Mode::Apply, &steps);
    job.envelope.resume = Some(Box::new(resume()));
    let told = run_with(&crate::testing::host(&[(BOOT_ID, "two")]), &job, &Heard::default());
    assert!(told.contains("wait ok\n    build: it was waited for before the reboot"), "{told}");
}
