//! What `compose` plans, from what compose and Docker say.

use super::project::Project;
use crate::docker;
use crate::model::op::Plan;
use crate::system::pretend::Pretend;
use crate::testing::{answer, answer_to, apply, host, parse, planned};
use expect_test::expect;

/// The questions of the project `shop` in /srv/shop, its services `app` and `job`, and these containers.
fn compose(members: &str) -> Pretend<'static> {
    let host = host(&[("/srv/shop/docker-compose.yml", "services: {}\n")]);
    answer(&host, "docker compose version --short", 1, "");
    answer(&host, "docker-compose version --short", 0, "1.29.2\n");
    answer(&host, "docker-compose --project-name shop config --hash *", 0, "app aaa\njob bbb\n");
    answer_to(&host, question(&host), 0, members);
    host
}

fn question(host: &Pretend<'_>) -> Vec<String> {
    let mut words = Vec::new();
    docker::plan(host, |docker| {
        let project = Project::find(docker, &"/srv/shop".into(), &[], None)?;
        words = project.prediction(&[]).argv;
        Ok(Plan::nothing())
    })
    .unwrap();
    words
}

const KEYS: &str = "dir = '/srv/shop'\njobs = ['job']\n";
const UP: &str =
    "1 app aaa running False shop_app Up 2 hours\n2 job bbb exited False shop_job Exited (0) 2 hours ago\n";

#[test]
fn what_runs_as_its_files_ask_is_left_alone() {
    assert_eq!(apply(&compose(UP), "compose", KEYS).unwrap(), "");
    let with_a_run = format!("{UP}3 app zzz exited True shop_app Exited (1) 2 hours ago\n");
    assert_eq!(apply(&compose(&with_a_run), "compose", KEYS).unwrap(), "");
}

#[test]
fn what_differs_is_brought_up() {
    let up = "run docker-compose --project-name shop up --detach\n";
    for members in [
        "",
        "1 app aaa running False shop_app Up 2 hours\n",
        &UP.replace("aaa", "old"),
        &UP.replace("running", "exited"),
        &UP.replace("(0)", "(1)"),
        &UP.replace("shop_app", "sha256:0123"),
    ] {
        assert_eq!(apply(&compose(members), "compose", KEYS).unwrap(), up, "{members}");
    }
    let one = format!("{KEYS}services = ['job']");
    assert_eq!(apply(&compose(&UP.replace("aaa", "old")), "compose", &one).unwrap(), "");
}

#[test]
fn volumes_that_an_undo_leaves_are_named_beforehand() {
    let host = compose("");
    let config = "services:\n  app:\n    volumes:\n    - data:/data:rw\nversion: '3.9'\nvolumes:\n  data: {}\n  old: {}\n  \
                  named:\n    name: other\n  theirs:\n    external: true\n    name: shared\nx-more: 1\n";
    answer(&host, "docker-compose --project-name shop config", 0, config);
    answer(&host, "docker volume ls --format {{.Name}}", 0, "shop_old\nshared\n");
    let plan = parse("compose", KEYS).unwrap().plan(&host).unwrap();
    let left = "an undo leaves the volumes that it makes; docker volume rm shop_data other removes them";
    assert_eq!(plan.ops[0].no_undo(), Some(left));
    answer(&host, "docker volume ls --format {{.Name}}", 0, "shop_old\nshop_data\nother\nshared\n");
    let plan = parse("compose", KEYS).unwrap().plan(&host).unwrap();
    assert_eq!(plan.ops[0].no_undo(), None);
}

#[test]
fn what_compose_does_not_make_must_be_there_and_ports_must_be_free() {
    let host = compose(UP.lines().next().unwrap());
    let config = "services:\n  app:\n    ports:\n    - 8080:80/tcp\n  job:\n    ports:\n    - published: 99\n      target: 9\n\
                  networks:\n  edge:\n    external: true\n    name: edge\n";
    answer(&host, "docker-compose --project-name shop config", 0, config);
    answer(&host, "docker network ls --format {{.Name}}", 0, "bridge\n");
    let refused = |keys: &str| apply(&host, "compose", keys).unwrap_err().to_string();
    let missing = "start the compose project shop: its files use the external network edge, which does not exist\n  hint: docker network create edge";
    assert_eq!(refused(KEYS), missing);
    answer(&host, "docker network ls --format {{.Name}}", 0, "bridge\nedge\n");
    let ports = docker::ports::question();
    answer_to(
        &host,
        ports.argv.clone(),
        0,
        "container /shop_app_1\t80/tcp\t0.0.0.0\t8080\nprocess \"nc\",pid=7\t99/tcp\t*\t99\n",
    );
    let names =
        "docker container ls --all --filter label=com.docker.compose.project=shop --format {{.Names}}";
    answer(&host, names, 0, "shop_app_1\nshop_job_1\n");
    let taken = "start the compose project shop: port 99 is already allocated: process \"nc\",pid=7 holds it";
    assert!(refused(KEYS).starts_with(taken), "{}", refused(KEYS));
    answer_to(&host, ports.argv, 0, "container /shop_app_1\t80/tcp\t0.0.0.0\t8080\n");
    assert_eq!(
        apply(&host, "compose", KEYS).unwrap(),
        "run docker-compose --project-name shop up --detach\n"
    );
}

#[test]
fn orphans_go_when_asked() {
    let with_orphan = format!("{UP}3 gone ccc running False shop_gone Up 2 hours\n");
    assert_eq!(apply(&compose(&with_orphan), "compose", KEYS).unwrap(), "");
    let done = apply(&compose(&with_orphan), "compose", &format!("{KEYS}remove_orphans = true")).unwrap();
    assert_eq!(done, "run docker-compose --project-name shop up --detach --remove-orphans\n");
}

#[test]
fn comes_down_stops_and_restarts() {
    let told = |state: &str| apply(&compose(UP), "compose", &format!("{KEYS}state = '{state}'")).unwrap();
    expect![[r#"
        run docker-compose --project-name shop down
        run docker-compose --project-name shop stop
        run docker-compose --project-name shop restart
    "#]]
    .assert_eq(&["down", "stopped", "restarted"].map(told).concat());
    assert_eq!(apply(&compose(""), "compose", &format!("{KEYS}state = 'down'")).unwrap(), "");
}

#[test]
fn a_service_that_is_not_healthy_is_told() {
    let unhealthy = UP.replace("Up 2 hours", "Up 2 hours (unhealthy)");
    let failure = planned(&compose(&unhealthy), "compose", KEYS).unwrap_err().to_string();
    assert_eq!(failure, "look at service app of shop: its health check fails");
    let starting = UP.replace("Up 2 hours", "Up 1 second (health: starting)");
    assert!(planned(&compose(&starting), "compose", KEYS).unwrap().starts_with("wait until /bin/sh"));
}

#[test]
fn a_wrong_name_is_told() {
    let failure = planned(&compose(UP), "compose", "dir = '/srv/shop'\nservices = ['web']").unwrap_err();
    assert_eq!(failure.why, "its files have no service web, but app, job");
    let failure = planned(&host(&[]), "compose", "dir = '/srv/none'").unwrap_err().to_string();
    assert_eq!(failure, "look at /srv/none: there is no such directory");
    assert!(parse("compose", "dir = '/a'\nstate = 'down'\nservices = ['a']").is_err());
}

#[test]
fn the_project_s_name_is_compose_s() {
    for (files, name) in [
        (vec![("/srv/My Shop.2/docker-compose.yml", "")], "myshop2"),
        (vec![("/srv/My Shop.2/compose.yaml", "name: 'shop'\n")], "shop"),
        (vec![("/srv/My Shop.2/.env", "A=1\nCOMPOSE_PROJECT_NAME=other\n")], "other"),
    ] {
        let host = host(&files);
        answer(&host, "docker compose version --short", 0, "2.20.2\n");
        let mut found = String::new();
        docker::plan(&host, |docker| {
            found = Project::find(docker, &"/srv/My Shop.2".into(), &[], None)?.name;
            Ok(Plan::nothing())
        })
        .unwrap();
        assert_eq!(found, name);
    }
}

#[test]
fn a_host_without_compose_says_so() {
    let failed = |status: i32| {
        let host = host(&[("/srv/shop/docker-compose.yml", "services: {}\n")]);
        answer(&host, "docker compose version --short", status, "");
        let step = parse("compose", "dir = '/srv/shop'").unwrap();
        step.plan(&host).unwrap_err().why
    };
    assert_eq!(failed(1), "the host has no compose: Docker lacks the plugin, and there is no docker-compose");
    assert_eq!(failed(127), "the host has no compose: neither Docker nor docker-compose is installed");
}
