//! What `blue_green` plans at each stage, from what Docker says and nginx's files hold.

use crate::docker::container::{Binding, Container, Restart, SPEC_LABEL};
use crate::docker::image::Image;
use crate::docker::kept::{self, Kept};
use crate::model::op::{Command, Op, Prediction, Run, Undo};
use crate::system::pretend::Pretend;
use crate::testing::{answer, host, parse, planned, pretend_a_change, text};
use expect_test::expect;
use std::collections::BTreeMap;

const KEYS: &str = "name = 'app'\nimage = 'app:2'\nport = 80\nsite = '/etc/nginx/site'\n";
const NOW: i64 = 1_795_239_154;
const SITE: &str = "upstream app { server 127.0.0.1:3001; } # not 127.0.0.1:3001\nserver { listen 80; location / { proxy_pass http://app; } }\n";

/// A host with this site, on which Docker gives these answers.
fn docker(site: &str, answers: &[Prediction]) -> Pretend<'static> {
    let main = "http { include site; }\n";
    let host = host(&[("/etc/nginx/nginx.conf", main), ("/etc/nginx/site", site)]);
    answer(&host, "date -u +%s", 0, &format!("{NOW}\n"));
    answer(&host, "nginx -V", 0, "");
    answer(&host, "docker container ls --all --quiet", 0, "");
    let nothing = [
        Image { id: "sha256:2".into(), ..Image::default() }.prediction("app:2"),
        Container::absence("app"),
        Container::absence("app-next"),
        kept::prediction("app", &[]),
    ];
    let predicts = nothing.into_iter().chain(answers.iter().cloned()).collect();
    host.suppose(&Run { predicts, ..Run::from(Command::new(["true"])) });
    host.settle();
    host
}

/// A container of this image on a port of the host's.
fn container(id: &str, image: &str, port: u16) -> Container {
    let host = docker(SITE, &[]);
    let plan = parse("blue_green", KEYS).unwrap().plan(&host).unwrap();
    let Op::Run(create) = &plan.ops[0] else { panic!("{plan:?}") };
    let label =
        create.command.argv.iter().find_map(|word| word.strip_prefix("--label=windlass.spec=")).unwrap();
    let binding = Binding { host_ip: "127.0.0.1".into(), host_port: port.to_string() };
    Container {
        id: id.into(),
        image: image.into(),
        status: "running".into(),
        restart: Restart { name: "always".into(), ..Restart::default() },
        labels: Some(BTreeMap::from([(SPEC_LABEL.to_string(), label.to_string())])),
        ports: Some(BTreeMap::from([("80/tcp".to_string(), Some(vec![binding]))])),
        ..Container::default()
    }
}

fn old() -> Prediction {
    container("01d", "sha256:1", 3001).prediction("app")
}

fn told(host: &Pretend<'_>) -> String {
    match planned(host, "blue_green", KEYS) {
        Ok(told) => told.lines().map(|line| shortened(line) + "\n").collect(),
        Err(failure) => failure.to_string(),
    }
}

/// Digests and ports that follow from names are of no interest.
fn shortened(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.split_once('=') {
        Some(("--label", _)) => "--label=…".to_string(),
        Some(("--publish", value)) => {
            format!("--publish=127.0.0.1:…:{}", value.rsplit(':').next().unwrap_or(""))
        }
        _ => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_new_one_is_made_beside_the_old() {
    expect![[r#"
        run docker container create --name=app-next --label=… --publish=127.0.0.1:…:80 --restart=unless-stopped app:2
        run docker container start app-next
    "#]]
    .assert_eq(&told(&docker(SITE, &[old()])));
}

#[test]
fn it_must_answer_before_nginx_is_led_to_it() {
    let next = container("fe0", "sha256:2", 20_001).prediction("app-next");
    assert_eq!(told(&docker(SITE, &[old(), next])), "wait until http://127.0.0.1:20001/ answers as wanted\n");
}

#[test]
fn then_nginx_is_led_to_it_and_the_names_change() {
    let next = container("fe0", "sha256:2", 20_001).prediction("app-next");
    let host = docker(SITE, &[old(), next]);
    // As check mode goes on, which cannot wait.
    pretend_a_change(&host);
    expect![[r#"
        run nginx -t
        write /etc/nginx/site
        run nginx -s reload
        run docker container rename 01d app-until-20261123T053234Z
        run docker container rename fe0 app
    "#]]
    .assert_eq(&told(&host));
    let plan = parse("blue_green", KEYS).unwrap().plan(&host).unwrap();
    let Op::Run(first) = &plan.ops[0] else { panic!("{plan:?}") };
    let Undo::Command(back) = &first.undo else { panic!("{first:?}") };
    let words = &back.argv[3..];
    assert_eq!(
        words,
        ["back", "/run/nginx.pid", "30", "nginx", "", ""],
        "files are put back before nginx reads them"
    );
    assert_eq!(text(&host, "/etc/nginx/site"), SITE);
    let Op::Write { content: crate::model::op::Content::Bytes(bytes), .. } = &plan.ops[1] else {
        panic!("{plan:?}")
    };
    assert_eq!(
        String::from_utf8_lossy(bytes),
        SITE.replace("server 127.0.0.1:3001;", "server 127.0.0.1:20001;")
    );
}

#[test]
fn the_old_one_ends_last_and_is_forgotten_in_time() {
    let aside = kept::name_until("app", NOW + 1);
    let kept = |status: &str, until| {
        let one =
            Kept { id: "01d".into(), name: kept::name_until("app", until), status: status.into(), until };
        kept::prediction("app", &[one])
    };
    let serving = container("fe0", "sha256:2", 20_001).prediction("app");
    let site = SITE.replace("server 127.0.0.1:3001;", "server 127.0.0.1:20001;");
    let old = container("01d", "sha256:1", 3001).prediction(&aside);
    expect![[r#"
        run docker container update --restart=no 01d
        run docker container stop 01d
    "#]]
    .assert_eq(&told(&docker(&site, &[serving.clone(), old, kept("running", NOW + 1)])));
    assert_eq!(told(&docker(&site, &[serving.clone(), kept("exited", NOW + 1)])), "");
    assert_eq!(
        told(&docker(&site, &[serving.clone(), kept("exited", NOW)])),
        "run docker container rm --volumes 01d\n"
    );
    assert_eq!(told(&docker(&site, &[serving])), "");
}

#[test]
fn what_was_interrupted_goes_on() {
    let fits = container("fe0", "sha256:2", 20_001);
    let stopped = Container { status: "created".into(), ..fits.clone() };
    let start = "run docker container start app-next\n";
    assert_eq!(told(&docker(SITE, &[old(), stopped.prediction("app-next")])), start);

    let broken = Container { restarts: 3, ..fits.clone() };
    let other = Container { image: "sha256:9".into(), ..fits.clone() };
    for next in [broken, other] {
        let told = told(&docker(SITE, &[old(), next.prediction("app-next")]));
        assert!(
            told.starts_with("run docker container rm --force --volumes fe0\nrun docker container create "),
            "{told}"
        );
    }
    // Both are right: a second new one was begun for nothing.
    let told = told(&docker(SITE, &[fits.prediction("app"), fits.prediction("app-next")]));
    assert_eq!(told, "run docker container rm --force --volumes fe0\n");
}

#[test]
fn a_site_that_says_too_little_is_refused() {
    let next = container("fe0", "sha256:2", 20_001).prediction("app-next");
    let refused = |site: &str| {
        let host = docker(site, std::slice::from_ref(&next));
        pretend_a_change(&host);
        planned(&host, "blue_green", KEYS).map_or_else(|failure| failure.to_string(), |_| "fine".to_string())
    };
    assert_eq!(refused("server { location / { proxy_pass http://localhost:1; } }\n"), "fine");
    let several = "server { location / { proxy_pass http://a:1; }\n location /b { proxy_pass http://b; } }\n";
    expect![[r#"
        find the address to replace in /etc/nginx/site: its requests go to several addresses: a:1 (/etc/nginx/site:1), b:80 (/etc/nginx/site:2)
          hint: set replaces to the address that the container takes over"#]]
    .assert_eq(&refused(several));
    expect![
        "find the address to replace in /etc/nginx/site: no proxy_pass and no upstream in it names an address"
    ]
    .assert_eq(&refused("server { }\n"));
}
