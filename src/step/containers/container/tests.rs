//! What `container` plans, from what Docker says.

use crate::docker::container::{Container as There, Restart, SPEC_LABEL};
use crate::docker::image::Image;
use crate::docker::kept::{self, Kept};
use crate::docker::ports;
use crate::model::op::{Command, Op, Prediction, Run};
use crate::system::pretend::Pretend;
use crate::testing::{answer, answer_to, apply, host, parse, planned, pretend_a_change};
use expect_test::expect;
use std::collections::BTreeMap;

const KEYS: &str = "name = 'app'\nimage = 'app:1'\nports = ['127.0.0.1:80:80']\nenv = { KEY = 'canary' }\n";

/// A host whose Docker gives these answers.
fn docker(answers: &[Prediction]) -> Pretend<'static> {
    let host = host(&[]);
    answer(&host, "date -u +%s", 0, "1795239154\n");
    answer_to(&host, ports::question().argv, 0, "");
    host.suppose(&Run { predicts: answers.to_vec(), ..Run::from(Command::new(["true"])) });
    host.settle();
    host
}

fn image(id: &str) -> Prediction {
    Image { id: id.to_string(), ..Image::default() }.prediction("app:1")
}

/// What the keys make, as it is once it runs.
fn running(image: &str) -> There {
    let host = docker(&[image_and_nothing()[0].clone(), There::absence("app"), kept::prediction("app", &[])]);
    let plan = parse("container", KEYS).unwrap().plan(&host).unwrap();
    let Op::Run(create) = &plan.ops[0] else { panic!("{plan:?}") };
    let label = create.command.argv.iter().find_map(|word| word.strip_prefix("--label=windlass.spec="));
    let labels = BTreeMap::from([(SPEC_LABEL.to_string(), label.unwrap().to_string())]);
    There {
        id: "c0ffee".into(),
        image: image.into(),
        status: "running".into(),
        restart: Restart { name: "unless-stopped".into(), ..Restart::default() },
        labels: Some(labels),
        ..There::default()
    }
}

fn image_and_nothing() -> [Prediction; 3] {
    [image("sha256:1"), There::absence("app"), kept::prediction("app", &[])]
}

fn with(there: &There) -> Pretend<'static> {
    docker(&[image("sha256:1"), there.prediction("app"), kept::prediction("app", &[])])
}

#[test]
fn makes_and_starts_what_is_missing() {
    let said = apply(&docker(&image_and_nothing()), "container", KEYS).unwrap();
    let label = running("sha256:1").label(SPEC_LABEL).to_string();
    let said = said.replace(&label, "DIGEST");
    expect![[r#"
        run docker container create --name=app --label=windlass.spec=DIGEST --publish=127.0.0.1:80:80 --restart=unless-stopped --env-file=/dev/stdin app:1
        run docker container start app
    "#]]
    .assert_eq(&said);
}

#[test]
fn what_would_keep_it_from_starting_is_known_beforehand() {
    let host = docker(&image_and_nothing());
    let said = |keys: &str| planned(&host, "container", keys).unwrap_err().to_string();
    answer_to(&host, ports::question().argv, 0, "process \"nginx\",pid=7\t80/tcp\t*\t80\n");
    let held = "start container app: port 80 is already allocated: process \"nginx\",pid=7 holds it";
    assert_eq!(said(KEYS), format!("{held}\n  hint: give it another port, or stop what holds this one"));
    answer_to(&host, ports::question().argv, 0, "container /app\t80/tcp\t127.0.0.1\t80\n");
    assert!(planned(&host, "container", KEYS).is_ok(), "it is replaced itself");
    answer(&host, "docker network inspect --format {{.Name}} web", 1, "");
    let absent = "create container app: the host has no network web";
    let keys = format!("{KEYS}network = 'web'");
    assert_eq!(
        said(&keys),
        format!("{absent}\n  hint: `docker network ls` on the host names the networks it has")
    );
    answer(&host, "docker network inspect --format {{.Name}} web", 0, "web");
    assert!(planned(&host, "container", &keys).is_ok());
    assert!(planned(&host, "container", &format!("{KEYS}network = 'host'")).is_ok());
}

#[test]
fn leaves_what_runs_as_asked() {
    assert_eq!(apply(&with(&running("sha256:1")), "container", KEYS).unwrap(), "");
}

#[test]
fn puts_aside_what_has_another_image_or_other_keys() {
    for keys in [KEYS.to_string(), format!("{KEYS}user = 'app'")] {
        let old = if keys == KEYS { running("sha256:0") } else { running("sha256:1") };
        let said = apply(&with(&old), "container", &keys).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "run docker container update --restart=no c0ffee",
                "run docker container stop c0ffee",
                "run docker container rename c0ffee app-until-20261123T053234Z"
            ]
        );
        assert!(lines[3].starts_with("run docker container create --name=app "));
        assert_eq!(lines[4..], ["run docker container start app"]);
    }
}

#[test]
fn removes_what_was_kept_long_enough() {
    let kept = |until, status: &str| Kept {
        id: format!("{status}-{until}"),
        name: kept::name_until("app", until),
        status: status.into(),
        until,
    };
    let all = [kept(1_795_239_154, "exited"), kept(1_795_239_155, "exited"), kept(1, "running")];
    let answers = [image("sha256:1"), running("sha256:1").prediction("app"), kept::prediction("app", &all)];
    let said = apply(&docker(&answers), "container", KEYS).unwrap();
    assert_eq!(said, "run docker container rm --volumes exited-1795239154\n");
}

#[test]
fn stops_and_takes_away() {
    let stopped = format!("{KEYS}state = 'stopped'");
    assert_eq!(
        apply(&with(&running("sha256:1")), "container", &stopped).unwrap(),
        "run docker container stop c0ffee\n"
    );
    let said =
        apply(&with(&running("sha256:1")), "container", "name = 'app'\nstate = 'absent'\nkeep_old = 0")
            .unwrap();
    expect![[r#"
        run docker container update --restart=no c0ffee
        run docker container stop c0ffee
        run docker container rename c0ffee app-until-20261121T053234Z
        run docker container rm --volumes c0ffee
    "#]]
    .assert_eq(&said);
    assert_eq!(
        apply(&docker(&image_and_nothing()), "container", "name = 'app'\nstate = 'absent'").unwrap(),
        ""
    );
}

#[test]
fn says_what_is_wrong() {
    let unhealthy = There { health: "unhealthy".into(), ..running("sha256:1") };
    let failure = planned(&with(&unhealthy), "container", KEYS).unwrap_err().to_string();
    assert_eq!(failure, "look at container app: its health check fails");
    let missing = [Image::absence("app:1"), There::absence("app"), kept::prediction("app", &[])];
    let failure = planned(&docker(&missing), "container", KEYS).unwrap_err().to_string();
    expect![[r#"
        look at image app:1: the host does not have it
          hint: bring it with a step of kind image first"#]]
    .assert_eq(&failure);
    let failure = planned(&host(&[]), "container", KEYS).unwrap_err();
    assert_eq!(failure.why, "the host has no Docker");
    let refused = |keys: &str| parse("container", keys).err().unwrap().to_string();
    assert_eq!(
        refused("name = 'a/b'\nimage = 'a'"),
        "read container.name: \"a/b\" is not the name of a container"
    );
    assert!(
        refused("name = 'app'\nimage = 'a'\nenv = { A = \"b\\nc\" }")
            .starts_with("read container.env.A: a value")
    );
}

#[test]
fn after_pretended_changes_nothing_is_known() {
    let host = with(&running("sha256:1"));
    assert_eq!(planned(&host, "container", KEYS).unwrap(), "", "what was predicted is known");
    let host = host_without_answers();
    pretend_a_change(&host);
    let said = planned(&host, "container", KEYS).unwrap();
    assert!(said.starts_with("wait until docker container inspect"), "{said}");
}

fn host_without_answers() -> Pretend<'static> {
    host(&[])
}
