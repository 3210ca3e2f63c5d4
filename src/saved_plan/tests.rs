//! A plan is written, read and put together again.

use super::*;
use crate::model::arg::Arg;
use crate::model::job::{InlineAsset, JobStep};
use crate::model::op::Asset;
use crate::record::examples;
use serde_json::json;
use std::path::Path;

const SECRET: &str = "s3cret/with+signs";

fn plan() -> SavedPlan {
    SavedPlan {
        windlass: "0.0.0".into(),
        run: RunId::try_from("1-a".to_string()).unwrap(),
        made: Timestamp::UNIX_EPOCH,
        who: "alice@laptop".into(),
        name: "it".into(),
        pattern: "web1".into(),
        becomes: None,
        stages: Vec::new(),
        becomes_of: BTreeMap::new(),
        serial: vec![Share::Percent(25)],
        max_failures: None,
        on_failure: OnFailure::Stop,
        sources: Vec::new(),
        secrets: Vec::new(),
        hosts: Vec::new(),
        trees: BTreeMap::new(),
        contents: Vec::new(),
    }
}

fn part() -> HostPart {
    let base64 = "czNjcmV0L3dpdGgrc2lnbnM=";
    let keys = json!({ "path": "/etc/env", "content": format!("TOKEN={SECRET}\nBASE64={base64}\n\u{F8F0}") });
    let step = JobStep { kind: "file".into(), args: Some(Arg::Value(keys)), ..JobStep::default() };
    let inline = |text: &str| {
        let asset = Asset { digest: Digest::of(text.as_bytes()), size: text.len() as u64 };
        InlineAsset { asset, bytes: text.as_bytes().to_vec() }
    };
    let work = HostWork {
        secrets: vec![SECRET.into()],
        steps: vec![step],
        assets: vec![inline("plain"), inline(&format!("password {SECRET}\n"))],
        ..HostWork::default()
    };
    HostPart { host: "web1".into(), work, contents: Contents::default() }
}

fn written(path: &Path) -> (SavedPlan, Digest) {
    let source = |host: &str, _: &str| {
        Some(SecretSource { host: host.into(), param: "token".into(), from: Some("env:TOKEN".into()) })
    };
    let steps = BTreeMap::from([("web1".to_string(), vec![examples::changed(0)])]);
    Made { plan: plan(), parts: vec![part()], steps, source: &source }.write(path).unwrap()
}

#[test]
fn a_plan_holds_no_secret_and_gives_the_same_work_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    let (plan, digest) = written(&path);
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
    assert_eq!(plan.secrets[0].from.as_deref(), Some("env:TOKEN"));

    let opened = Opened::read(&path).unwrap();
    assert_eq!(opened.digest, digest);
    let again = opened.parts(&[SECRET.into()], Mode::Check, false).unwrap().remove(0);
    let before = part();
    assert_eq!((&again.work.steps, &again.work.assets), (&before.work.steps, &before.work.assets));
    let Planning::Follow(steps) = &again.work.planning else { panic!("it follows no plan") };
    assert_eq!(steps[0].name, examples::changed(0).name);
}

#[test]
fn a_host_gets_no_secret_of_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    let of = |host: &str, secret: &str| {
        let work = HostWork { secrets: vec![secret.into(), "of both".into()], ..HostWork::default() };
        HostPart { host: host.into(), work, contents: Contents::default() }
    };
    let source =
        |host: &str, secret: &str| Some(SecretSource { host: host.into(), param: secret.into(), from: None });
    let parts = vec![of("web1", "of web1"), of("db1", "of db1")];
    Made { plan: plan(), parts, steps: BTreeMap::new(), source: &source }.write(&path).unwrap();
    let opened = Opened::read(&path).unwrap();
    let all: Vec<String> = opened.plan.secrets.iter().map(|secret| secret.param.clone()).collect();
    let parts = opened.parts(&all, Mode::Apply, false).unwrap();
    let secrets = |at: usize| parts[at].work.secrets.join(", ");
    assert_eq!((secrets(0).as_str(), secrets(1).as_str()), ("of web1, of both", "of both, of db1"));
}

#[test]
fn another_secret_than_before_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    written(&path);
    let why =
        Opened::read(&path).unwrap().parts(&["another one".into()], Mode::Check, false).err().unwrap().why;
    assert_eq!(why, "a secret in it is another one than when the plan was made");
}

#[test]
fn a_plan_that_is_cut_or_edited_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    written(&path);
    let bytes = std::fs::read(&path).unwrap();
    let why = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Opened::read(&path).err().map(|failure| failure.why)
    };
    let torn = Some("it is not whole, or was edited: its digest is not the one it names".to_string());
    assert_eq!(why(&bytes), None);
    assert_eq!(why(&bytes[..bytes.len() - 1]), torn);
    let edited = String::from_utf8_lossy(&bytes).replace("/etc/env", "/etc/enw");
    assert_eq!(why(edited.as_bytes()), torn);
    assert_eq!(why(b"[[steps]]\n"), Some("it is no plan of windlass".to_string()));
    assert_eq!(
        why(&String::from_utf8_lossy(&bytes).replacen(" 0002 ", " 0003 ", 1).into_bytes()).unwrap(),
        "it has version 0003 of the format, and this windlass knows 2"
    );
}
