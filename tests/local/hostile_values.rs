//! A hostile host whose values reach other hosts: the result of a step that it runs for all, and what it gives for later plays.
//! The other host ends `ok`, and has heard nothing that its steps do not look at.

use super::hostile_host::{Attacker, MEMORY_KIB, Outcome, SOON, Scene, attacked, true_step};
use std::collections::BTreeMap;
use windlass::model::arg::Arg;
use windlass::model::event::{Event, Order};
use windlass::model::job::{HostWork, JobStep, Mode};
use windlass::model::once::{Once, OnceEnded};
use windlass::model::outcome::{HostOutcome, StepOutcome};
use windlass::model::play::Given;
use windlass::model::{Failure, Value, Values};
use windlass::playbook::plays::Stage;

/// The step that one host runs for all.
const ONCE: u32 = 1;

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::from(1), |inner, _| serde_json::json!([inner]))
}

fn ran(known: Values, set: &[(&str, Value)]) -> Event {
    let set = set.iter().map(|(name, value)| (name.to_string(), Some(value.clone()))).collect();
    let ended = OnceEnded {
        outcome: StepOutcome::Ok,
        failure: None,
        known,
        partial: false,
        set,
        secrets: Vec::new(),
    };
    Event::RanOnce { step: ONCE, ended: Box::new(ended) }
}

fn given(name: &str, value: Value) -> Given {
    Given::from([(name.to_string(), Some(value))])
}

/// What a host says, and what the other one does meanwhile.
pub async fn attack(host: &Attacker, name: &str) {
    let known = |value: Value| Values::from_iter([("stdout".to_string(), value)]);
    let for_play = |play: u32, given: Given| vec![Event::AwaitsPlay { play, given }];
    let failed = |step: u32, why: String| {
        let ended = Box::new(OnceEnded::failed(Failure::new("do", why)));
        vec![Event::RanOnce { step, ended }]
    };
    let said = match name {
        "waits for a result" => return host.ask(Event::AwaitsOnce { step: ONCE }).await,
        "waits for its play" => {
            return host.ask(Event::AwaitsPlay { play: 1, given: Given::new() }).await;
        }
        "a result that is too deep" => vec![ran(known(nested(58)), &[])],
        "a result that is too large" => vec![ran(known("x".repeat(8 << 20).into()), &[])],
        "a long failure" => failed(ONCE, "x".repeat(15 << 20)),
        "a result of another step" => failed(7, "x".to_string()),
        "variables that no step sets" => {
            vec![ran(Values::new(), &[("version", "7".into()), ("owner", "root".into())])]
        }
        "a value that is too deep for a play" => for_play(1, given("token", nested(60))),
        "a value that is too large for a play" => for_play(1, given("token", "x".repeat(8 << 20).into())),
        "values that are given again and again" => {
            let value = || given("token", "x".repeat(1 << 19).into());
            (0..100).flat_map(|_| for_play(1, value())).collect()
        }
        "values that no step looks at" => {
            let names = [("token", "7"), ("path", "/root"), ("secret", "hunter2")];
            let all = names.into_iter().flat_map(|(name, value)| given(name, value.into()));
            for_play(1, all.collect())
        }
        "a play that does not exist" => for_play(9, Given::new()),
        "a question that the person did not want" => {
            vec![Event::AwaitsConsent { step: ONCE, name: "set".to_string() }]
        }
        other => panic!("no attack is called {other}"),
    };
    for event in said {
        if !host.say(event).await {
            return;
        }
    }
    host.finish().await;
}

/// A step that the attacker runs for all, and one that looks at what it has given.
fn work(host: &str) -> HostWork {
    let once = if host == "attacker" { Once::Here } else { Once::On("attacker".into()) };
    let args = Arg::Value(serde_json::json!({ "version": "1" }));
    let set =
        JobStep { index: ONCE, kind: "set".into(), args: Some(args), once: Some(once), ..JobStep::default() };
    let message = Arg::Template("{{ hosts['attacker'].vars.token }}".into());
    let looks = JobStep {
        index: 2,
        kind: "debug".into(),
        args: Some(Arg::Map(vec![("message".into(), message)])),
        play: 1,
        ..JobStep::default()
    };
    let shares = ["secret", "token"].map(str::to_string).to_vec();
    HostWork { mode: Mode::Apply, steps: vec![true_step(), set, looks], shares, ..HostWork::default() }
}

fn stages() -> Vec<Stage> {
    let hosts = ["attacker", "other"].map(str::to_string).to_vec();
    let stage = |play: u32| Stage {
        play,
        name: format!("play {play}"),
        hosts: hosts.clone(),
        serial: Vec::new(),
        max_failures: None,
        needs_the_others: false,
    };
    vec![stage(0), stage(1)]
}

/// The names of values that the other host was sent.
fn heard(outcome: &Outcome) -> Vec<String> {
    let of_order = |order: &Order| -> Vec<String> {
        match order {
            Order::RanOnce { ended, .. } => ended.set.keys().chain(ended.known.keys()).cloned().collect(),
            Order::Play { start, .. } => start.others.values().flat_map(BTreeMap::keys).cloned().collect(),
            _ => Vec::new(),
        }
    };
    outcome.orders.iter().flat_map(of_order).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_a_hostile_host_harms_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut lost = Vec::new();
    let (result, play) = ("waits for a result", "waits for its play");
    for (attack, other, wanted, names) in [
        ("variables that no step sets", result, HostOutcome::Ok, "version"),
        ("a result that is too deep", result, HostOutcome::Ok, "failed"),
        ("a result that is too large", result, HostOutcome::Ok, "failed"),
        ("a long failure", result, HostOutcome::Ok, "failed"),
        ("a result of another step", result, HostOutcome::Unknown, "failed"),
        ("values that no step looks at", play, HostOutcome::Ok, "token"),
        ("a value that is too deep for a play", play, HostOutcome::Ok, ""),
        ("a value that is too large for a play", play, HostOutcome::Ok, ""),
        ("values that are given again and again", play, HostOutcome::Unknown, "token"),
        ("a play that does not exist", play, HostOutcome::Unknown, ""),
        ("a question that the person did not want", result, HostOutcome::Unknown, "failed"),
    ] {
        let scene = Scene { attack, other, work, stages: if other == play { stages() } else { Vec::new() } };
        let outcome = attacked(scene, folder.path()).await;
        println!("{attack}: {} in {:?}, {} KiB", outcome.attacker.as_str(), outcome.took, outcome.grew_kib);
        let sent = serde_json::to_string(&outcome.orders).unwrap().len();
        let fine = [
            (outcome.attacker == wanted, "its verdict"),
            (outcome.other == HostOutcome::Ok, "the other host"),
            (heard(&outcome).join(" ") == names, "what the other host hears"),
            (sent < 2 << 20, "how much the other host hears"),
            (outcome.took < SOON, "the time"),
            (outcome.grew_kib <= MEMORY_KIB, "the memory"),
        ];
        for (_, what) in fine.iter().filter(|(fine, _)| !fine) {
            let (ended, other, why) = (outcome.attacker.as_str(), outcome.other.as_str(), &outcome.why);
            lost.push(format!(
                "{attack}: {what}: {ended} {why:?}, the other {other}, heard {:?}, {sent} bytes, {} KiB",
                heard(&outcome),
                outcome.grew_kib
            ));
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
