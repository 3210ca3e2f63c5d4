//! What `image` plans, from what Docker says.

use crate::docker::image::Image as There;
use crate::model::digest::Digest;
use crate::model::op::{Command, Op, Prediction, Run, Undo};
use crate::system::pretend::Pretend;
use crate::testing::{apply, host, parse, planned};
use expect_test::expect;

/// Twelve digits of it are in the name of a version.
const NEW: &str = "sha256:1111111111112222";
const OLD: &str = "sha256:0000000000003333";

/// A host whose Docker gives these answers, and knows no other image.
fn docker(answers: &[(&str, &str)]) -> Pretend<'static> {
    let host = host(&[("/var/lib/windlass/x", "")]);
    let names = ["app:1", "app:windlass-111111111111", "app:windlass-000000000000", "app:stable", NEW, OLD];
    let mut predicts: Vec<Prediction> = names.map(There::absence).to_vec();
    predicts.extend(answers.iter().map(|(name, id)| image(id).prediction(name)));
    host.suppose(&Run { predicts, ..Run::from(Command::new(["true"])) });
    host.settle();
    host
}

fn image(id: &str) -> There {
    There { id: id.to_string(), ..There::default() }
}

fn archive() -> String {
    let digest = Digest::of(b"archive");
    format!(
        "name = 'app:1'\narchive = {{ digest = '{digest}', size = 7, images = [{{ id = '{NEW}', tags = ['app:latest'] }}] }}\n"
    )
}

#[test]
fn an_archive_is_brought_and_the_old_image_keeps_a_name() {
    // A pretended host does not get an asset's bytes: the archive is there already, as after an interrupted run.
    let host = docker(&[("app:1", OLD), (OLD, OLD)]);
    let told = planned(&host, "image", &archive()).unwrap();
    let digest = Digest::of(b"archive");
    let path = format!("/var/lib/windlass/images/{digest}.tar");
    let expected = format!(
        "make directory /var/lib/windlass/images\n\
         write {path}\n\
         run docker image tag {OLD} app:windlass-000000000000\n\
         run {path} {NEW} app:windlass-111111111111 app:latest\n\
         run docker image tag app:windlass-111111111111 app:1\n"
    );
    assert_eq!(told, expected);
}

#[test]
fn what_is_there_travels_no_more() {
    let host = docker(&[("app:1", NEW), ("app:windlass-111111111111", NEW)]);
    assert_eq!(apply(&host, "image", &archive()).unwrap(), "");
    let host = docker(&[("app:1", OLD), (NEW, NEW)]);
    let told = apply(&host, "image", &format!("{}tags = ['stable']", archive())).unwrap();
    expect![[r#"
        run docker image tag sha256:0000000000003333 app:windlass-000000000000
        run docker image tag sha256:1111111111112222 app:windlass-111111111111
        run docker image tag sha256:1111111111112222 app:1
        run docker image tag sha256:1111111111112222 app:stable
    "#]]
    .assert_eq(&told);
}

#[test]
fn names_go_back_to_what_they_meant() {
    let host = docker(&[("app:1", OLD), ("app:windlass-000000000000", OLD), (NEW, NEW)]);
    let plan = parse("image", &archive()).unwrap().plan(&host).unwrap();
    let undo = |op: &Op| match op {
        Op::Run(run) => match &run.undo {
            Undo::Command(command) => command.shown(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let undone: Vec<String> = plan.ops.iter().map(undo).collect();
    assert_eq!(
        undone,
        [
            "/bin/sh -s -- untag app:windlass-111111111111".to_string(),
            format!("docker image tag {OLD} app:1")
        ]
    );
}

#[test]
fn a_registry_is_asked_when_it_must_be() {
    let there = docker(&[("app:1", OLD), ("app:windlass-000000000000", OLD)]);
    assert_eq!(apply(&there, "image", "name = 'app:1'").unwrap(), "");
    assert_eq!(
        planned(&docker(&[]), "image", "name = 'app:1'").unwrap(),
        "run docker image pull --quiet app:1\n"
    );
    let told = planned(&there, "image", "name = 'app:1'\npull = 'always'\ntags = ['stable']").unwrap();
    expect![[r#"
        run docker image pull --quiet app:1
        run docker image tag app:1 app:stable
    "#]]
    .assert_eq(&told);
    let failure = planned(&docker(&[]), "image", "name = 'app:1'\npull = 'never'").unwrap_err();
    assert_eq!(failure.why, "the host does not have it");
}

#[test]
fn a_name_is_taken_away() {
    let absent = "name = 'app:1'\nstate = 'absent'";
    assert_eq!(apply(&docker(&[("app:1", OLD)]), "image", absent).unwrap(), "run docker image rm app:1\n");
    assert_eq!(apply(&docker(&[]), "image", absent).unwrap(), "");
}

#[test]
fn a_name_that_was_not_the_only_one_is_given_again() {
    let undo = |tags: &[&str], digests: &[&str]| {
        let words = |words: &[&str]| Some(words.iter().map(|word| word.to_string()).collect());
        let there = There { id: OLD.to_string(), tags: words(tags), digests: words(digests) };
        let host = docker(&[]);
        host.suppose(&Run { predicts: vec![there.prediction("app:1")], ..Run::from(Command::new(["true"])) });
        let plan = parse("image", "name = 'app:1'\nstate = 'absent'").unwrap().plan(&host).unwrap();
        let Op::Run(run) = &plan.ops[0] else { panic!("{:?}", plan.ops) };
        match &run.undo {
            Undo::Command(command) => command.shown(),
            other => format!("{other:?}"),
        }
    };
    let again = format!("docker image tag {OLD} app:1");
    assert_eq!(undo(&["app:1", "other:2"], &[]), again);
    assert_eq!(undo(&["app:1", "other:2"], &["other@sha256:1"]), again);
    for (tags, digests) in [(&["app:1"] as &[_], &[] as &[_]), (&["app:1", "other:2"], &["app@sha256:1"])] {
        assert!(undo(tags, digests).contains("must be pulled or loaded again"), "{tags:?} {digests:?}");
    }
}

#[test]
fn a_tag_that_cannot_be_is_refused() {
    let refused =
        |tag: &str| parse("image", &format!("name = 'app:1'\ntags = ['{tag}']")).err().unwrap().to_string();
    assert_eq!(refused("app:2"), "read image.tags: \"app:2\" is more than a tag: write \"2\"");
    assert!(refused("-x").contains("a tag has at most 128 letters"), "{}", refused("-x"));
    assert!(parse("image", "name = 'registry:5000/app:1'\ntags = ['2', 'stable']").is_ok());
}

#[test]
fn an_archive_must_hold_what_is_named() {
    let digest = Digest::of(b"");
    let images = "[{ id = 'sha256:1', tags = ['a:1'] }, { id = 'sha256:2', tags = ['b:latest'] }]";
    let keys =
        |name| format!("name = '{name}'\narchive = {{ digest = '{digest}', size = 0, images = {images} }}");
    assert!(parse("image", &keys("b")).is_ok());
    let failure = parse("image", &keys("c:1")).err().unwrap().to_string();
    assert_eq!(failure, "read image.archive: it holds no c:1, but a:1, b:latest");
}
