//! No secret stays on the host: neither after a run that failed nor after an undo, and the undo still works.

use super::*;
use crate::model::delegation::{Awaited, PlayPlace, Reply};
use crate::model::digest::Digest;
use crate::model::once::{Once, OnceEnded};
use crate::model::outcome::StepOutcome;
use crate::model::play::PlayStart;
use crate::system::pretend::Pretend;
use std::collections::BTreeMap;
use std::time::Instant;

const SECRET: &str = "hunter2-hunter2";

const STEPS: &str = r#"
    [[steps]]
    kind = "command"
    name = "use hunter2-hunter2"
    args = { argv = ["deploy"], environment = { TOKEN = "hunter2-hunter2" }, stdin = "hunter2-hunter2", undo = ["undeploy"] }
    [[steps]]
    kind = "swap"
    name = "tell"
    args = { size = "1 GiB", path = "hunter2-hunter2" }
"#;

fn secret_job(run: &str, toml: &str) -> Job {
    let mut job = job(run, Mode::Apply, toml);
    job.work.secrets = vec![SECRET.to_string()];
    with_key(job, "k")
}

fn with_key(mut job: Job, key: &str) -> Job {
    job.envelope.journal_key = Digest::of(key.as_bytes()).to_string();
    job
}

/// The files of the state that hold the secret.
fn keeps(host: &Pretend<'_>, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in host.list(folder).unwrap() {
        let path = folder.join(name);
        match host.read(&path) {
            Ok(Some(bytes)) if String::from_utf8_lossy(&bytes).contains("hunter2") => {
                found.push(path.display().to_string())
            }
            Ok(Some(_)) => {}
            _ => found.extend(keeps(host, &path)),
        }
    }
    found
}

fn kept(host: &Pretend<'_>) -> Vec<String> {
    keeps(host, Path::new("/var/lib/windlass"))
}

#[test]
fn a_failed_run_keeps_no_secret_and_can_be_undone() {
    let host = host(&[]);
    let said = run_with(&host, &secret_job("1-a", STEPS), &Heard::default());
    // To its controller, which hides it, it says what happened.
    assert!(said.contains("hunter2-hunter2 is not an absolute path"), "{said}");
    assert_eq!(kept(&host), Vec::<String>::new());
    let journal = text(&host, "/var/lib/windlass/runs/1-a/journal");
    assert!(journal.contains("*** is not an absolute path") && journal.contains("sealed"), "{journal}");

    let undone = run_with(&host, &with_key(undo_of("1-a"), "k"), &Heard::default());
    assert!(undone.contains("undo use *** changed\n    run undeploy"), "{undone}");
    assert!(!undone.contains("hunter2"), "{undone}");
    assert_eq!(kept(&host), Vec::<String>::new());
}

#[test]
fn without_its_key_a_change_is_left_and_said_to_be() {
    let host = host(&[]);
    run_with(&host, &secret_job("1-a", STEPS), &Heard::default());
    for undo in [with_key(undo_of("1-a"), "another"), undo_of("1-a")] {
        let undone = run_with(&host, &undo, &Heard::default());
        let why = "the command that undoes it may hold a secret, and is sealed with a key that is not here";
        assert!(undone.contains(why) && undone.contains("=> partly_undone"), "{undone}");
    }
    let undone = run_with(&host, &with_key(undo_of("1-a"), "k"), &Heard::default());
    assert!(undone.contains("undo use *** changed"), "{undone}");
}

#[test]
fn a_run_that_undoes_itself_keeps_no_secret() {
    let host = host(&[]);
    let job = secret_job("1-a", &format!("on_failure = 'undo'\n{STEPS}"));
    let said = run_with(&host, &job, &Heard::default());
    assert!(said.contains("run undeploy"), "{said}");
    assert_eq!(kept(&host), Vec::<String>::new());
}

#[test]
fn what_no_log_hides_and_passwords_of_urls_are_sealed_too() {
    let host = host(&[]);
    let plain = r#"
        [[steps]]
        kind = "command"
        no_log = true
        args = { argv = ["deploy", "pw-hunter2"], undo = ["undeploy", "pw-hunter2"] }
        [[steps]]
        kind = "command"
        args = { argv = ["deploy", "pw-hunter2"], environment = { U = "postgres://a:hunter2@b" }, undo = ["undeploy"] }
    "#;
    let plain =
        plain.replacen("\"deploy\", \"pw-hunter2\"], environment", "\"deploy\", \"pw\"], environment", 1);
    run_with(&host, &with_key(job("1-a", Mode::Apply, &plain), "k"), &Heard::default());
    assert_eq!(kept(&host), Vec::<String>::new());
    let undone = run_with(&host, &with_key(undo_of("1-a"), "k"), &Heard::default());
    assert!(undone.ends_with("=> undone\n"), "{undone}");
}

#[test]
fn a_diff_of_an_undo_shows_no_secret() {
    let host = host(&[("/etc/env", "TOKEN=old\n")]);
    let toml = "[[steps]]\nkind = 'file'\nargs = { path = '/etc/env', content = 'TOKEN=hunter2-hunter2' }";
    run_with(&host, &secret_job("1-a", toml), &Heard::default());
    let heard = Heard::default();
    let undo = with_key(envelope("2-b").undo(run_id("1-a"), "test", Mode::Apply, true), "k");
    run_with(&host, &undo, &heard);
    let said = format!("{:?}", heard.events.borrow());
    assert!(said.contains("TOKEN=***") && !said.contains("hunter2"), "{said}");
}

/// A controller that hands a secret of another host on: with the result of a step that runs once, and with the start of a play.
struct HandsOn(Heard);

impl Link for HandsOn {
    fn send(&self, event: Event) {
        self.0.send(event);
    }

    fn stopping(&self) -> bool {
        false
    }

    fn hear(&self, awaited: Awaited, _: PlayPlace, _: Instant) -> Result<Option<Reply>> {
        if matches!(awaited, Awaited::Play(_)) {
            let start = PlayStart { secrets: vec!["of the play".into()], ..PlayStart::default() };
            return Ok(Some(Reply::Play(Box::new(start))));
        }
        let (outcome, failure, secrets) = (StepOutcome::Ok, None, vec![SECRET.to_string()]);
        let set = BTreeMap::from([("token".to_string(), Some(SECRET.into()))]);
        let ended = OnceEnded { outcome, failure, known: Values::new(), partial: false, set, secrets };
        Ok(Some(Reply::Ended(Box::new(ended))))
    }
}

impl Assets for HandsOn {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        self.0.open(asset)
    }
}

#[test]
fn a_secret_of_another_host_is_kept_no_more_than_its_own() {
    let host = host(&[]);
    let steps = r#"
        [[steps]]
        kind = "command"
        args = { argv = ["first"], undo = ["unfirst"] }
        [[steps]]
        kind = "set"
        args = { token = "1" }
        [[steps]]
        kind = "command"
        name = "use {{ token }}"
        args = { argv = ["deploy", "{{ token }}"], undo = ["undeploy", "{{ token }}"] }
        [[steps]]
        kind = "command"
        args = { argv = ["of the play"], undo = ["not of the play"] }
    "#;
    let mut job = with_key(job("1-a", Mode::Apply, steps), "k");
    job.work.steps[1].once = Some(Once::On("db1".into()));
    job.work.steps[3].play = 1;
    let link = HandsOn(Heard::default());
    let end = work(&job, &host, &StateDir::at("/var/lib/windlass".into()), &link);
    assert_eq!(end.outcome, HostOutcome::Changed, "{:?}", end.failure);
    assert_eq!(kept(&host), Vec::<String>::new());
    assert!(!text(&host, "/var/lib/windlass/runs/1-a/journal").contains("of the play"));
    let undone = run_with(&host, &with_key(undo_of("1-a"), "k"), &Heard::default());
    assert!(undone.ends_with("=> undone\n") && !undone.contains("hunter2"), "{undone}");
}
