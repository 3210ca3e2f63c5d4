//! A release on a pretended host, stage by stage.

use crate::model::Value;
use crate::system::pretend::Pretend;
use crate::system::{Probe, System};
use crate::systemd;
use crate::testing::{answer, answer_to, converge, host, parse, planned, text, tree};
use expect_test::expect;
use std::path::Path;

const NOTHING_CHANGED: &str = "";

fn app() -> Pretend<'static> {
    host(&[("/srv/app/src/index.js", "one"), ("/srv/app/only-here", "kept")])
}

fn source(content: &str) -> String {
    tree("app", &[("src/index.js", content)])
}

fn deploy(host: &Pretend<'_>, content: &str, more: &str) -> String {
    // Nothing is written to what serves meanwhile.
    let trees = ["app", "app.releases/0002", "app.releases/0003", "app.releases/0004"];
    for (live, new) in trees.iter().flat_map(|live| (1..6).map(move |new| (live, new))) {
        answer(host, &format!("/bin/sh -s -- /srv/{live} /srv/app.releases/{new:04}.since"), 0, "");
    }
    converge(host, "release", &keys(content, more)).unwrap()
}

fn keys(content: &str, more: &str) -> String {
    format!("source = {}\ndest = '/srv/app'\n{more}", source(content))
}

fn target(host: &Pretend<'_>) -> String {
    let stat = host.stat(Path::new("/srv/app")).unwrap();
    stat.and_then(|stat| stat.target).map(|target| target.display().to_string()).unwrap_or_default()
}

fn record(host: &Pretend<'_>, number: &str) -> Value {
    serde_json::from_str(&text(host, &format!("/srv/app.releases/{number}.json"))).unwrap()
}

#[test]
fn the_first_release_leaves_what_only_the_host_has() {
    let host = app();
    deploy(&host, "two", "");
    assert_eq!(target(&host), "/srv/app.releases/0002");
    assert_eq!(text(&host, "/srv/app/src/index.js") + &text(&host, "/srv/app/only-here"), "twokept");
    assert_eq!(text(&host, "/srv/app.releases/0001/src/index.js"), "one");
    assert_eq!(record(&host, "0002")["state"], "good");
    assert_eq!(record(&host, "0001")["why"], "it stood at /srv/app before the first release");
    assert_eq!(deploy(&host, "two", ""), NOTHING_CHANGED);
}

#[test]
fn stages_follow_each_other() {
    let host = app();
    let unit = "LoadState=loaded\nActiveState=active\nType=simple\n";
    answer_to(&host, systemd::question("app").argv, 0, unit);
    let ops = deploy(
        &host,
        "two",
        "check = ['node --check src/index.js']\nrestart = 'app'\nhealth = 'http://127.0.0.1:1/'",
    );
    expect![[r#"
        make directory /srv/app.releases
        run copy /srv/app to /srv/app.releases/0002

        write /srv/app.releases/0002/src/index.js
        run node --check src/index.js
        write /srv/app.releases/0002.json

        run sync /srv/app.releases/0002
        write /srv/app.releases/0002.json
        write /srv/app.releases/0002.since
        link /srv/app.releases/0001 to /srv/app.releases/0002
        exchange /srv/app and /srv/app.releases/0001
        write /srv/app.releases/0001.json
        run systemctl reset-failed app
        run systemctl restart app
        wait until http://127.0.0.1:1/ answers as wanted
        write /srv/app.releases/0002.json

    "#]]
    .assert_eq(&ops);
}

#[test]
fn a_unit_whose_file_has_changed_is_read_before_it_is_restarted() {
    let host = app();
    let unit = "LoadState=loaded\nActiveState=active\nType=simple\nNeedDaemonReload=yes\n";
    answer_to(&host, systemd::question("app").argv, 0, unit);
    let ops = deploy(&host, "two", "restart = 'app'");
    assert!(
        ops.contains(
            "run systemctl daemon-reload\nrun systemctl reset-failed app\nrun systemctl restart app\n"
        ),
        "{ops}"
    );
}

#[test]
fn a_second_release_only_moves_the_link() {
    let host = app();
    deploy(&host, "two", "");
    let ops = deploy(&host, "three", "");
    assert!(ops.contains("link /srv/app to /srv/app.releases/0003\n"), "{ops}");
    assert!(!ops.contains("exchange"), "{ops}");
    assert_eq!(record(&host, "0003")["before"], "/srv/app.releases/0002");
}

#[test]
fn where_nothing_was_the_first_release_is_the_source() {
    let host = host(&[("/srv/other", "")]);
    deploy(&host, "one", "");
    assert_eq!(target(&host), "/srv/app.releases/0001");
    assert_eq!(deploy(&host, "one", ""), NOTHING_CHANGED);
}

#[test]
fn good_releases_are_kept_as_many_as_asked() {
    let host = app();
    for content in ["a", "b", "c", "d"] {
        deploy(&host, content, "keep = 2");
    }
    let names = host.list(Path::new("/srv/app.releases")).unwrap();
    let folders: Vec<_> =
        names.iter().filter_map(|name| name.to_str()).filter(|name| name.len() == 4).collect();
    assert_eq!(folders, ["0004", "0005"]);
    assert_eq!(deploy(&host, "d", "keep = 2"), NOTHING_CHANGED);
}

fn set_state(host: &Pretend<'_>, number: &str, state: &str, why: &str) {
    let mut record = record(host, number);
    record["state"] = state.into();
    record["why"] = why.into();
    let text = serde_json::to_string(&record).unwrap();
    let path = format!("/srv/app.releases/{number}.json");
    host.write(Path::new(&path), &mut text.as_bytes(), &Default::default()).unwrap();
    host.settle();
}

fn back(host: &Pretend<'_>, to: &str) -> crate::model::Result<String> {
    converge(host, "release", &format!("to = '{to}'\ndest = '/srv/app'"))
}

#[test]
fn one_goes_back_to_the_newest_good_release_before() {
    let host = app();
    for content in ["a", "b", "c"] {
        deploy(&host, content, "");
    }
    set_state(&host, "0003", "bad", "wait until it answers: refused");
    assert_eq!(back(&host, "previous").unwrap(), "link /srv/app to /srv/app.releases/0002\n");
    assert_eq!(back(&host, "previous").unwrap(), "link /srv/app to /srv/app.releases/0001\n");
    assert_eq!(back(&host, "4").unwrap(), "link /srv/app to /srv/app.releases/0004\n");
    assert_eq!(back(&host, "0004").unwrap(), NOTHING_CHANGED);
    expect![[r#"
        go back to release 3 of /srv/app: it is known to be bad: wait until it answers: refused
          hint: good ones are 0001, 0002"#]]
    .assert_eq(&back(&host, "3").unwrap_err().to_string());
    assert_eq!(back(&host, "9").unwrap_err().why, "there is no such release");
}

#[test]
fn what_a_cut_off_run_left_is_cleared_away_or_used() {
    let host = app();
    deploy(&host, "two", "");
    deploy(&host, "three", "");
    converge(&host, "release", "to = '2'\ndest = '/srv/app'").unwrap();
    // As if the run that made it had been cut off before its switch.
    set_state(&host, "0003", "ready", "");
    let again = deploy(&host, "three", "");
    assert!(!again.contains("0004"), "{again}");
    assert_eq!(
        (target(&host).as_str(), record(&host, "0003")["state"].as_str()),
        ("/srv/app.releases/0003", Some("good"))
    );

    converge(&host, "release", "to = '2'\ndest = '/srv/app'").unwrap();
    set_state(&host, "0003", "staging", "");
    deploy(&host, "four", "");
    assert_eq!(target(&host), "/srv/app.releases/0004");
    assert!(host.stat(Path::new("/srv/app.releases/0003")).unwrap().is_none());
}

#[test]
fn what_serves_and_was_never_proven_is_tried_first() {
    let host = app();
    deploy(&host, "two", "");
    set_state(&host, "0002", "trying", "");
    let ops = planned(&host, "release", &keys("two", "health = 'http://127.0.0.1:1/'")).unwrap();
    expect![[r#"
        write /srv/app.releases/0002.json
        wait until http://127.0.0.1:1/ answers as wanted
        write /srv/app.releases/0002.json
    "#]]
    .assert_eq(&ops);
}

#[test]
fn what_is_shared_is_moved_once_and_linked_in_every_release() {
    let host = host(&[("/srv/app/src/index.js", "one"), ("/srv/app/data/up/1.png", "picture")]);
    let shared = "shared = ['data/up/', 'logs/', '.env']";
    deploy(&host, "two", shared);
    assert_eq!(text(&host, "/srv/app.shared/data/up/1.png"), "picture");
    deploy(&host, "three", shared);
    assert_eq!(text(&host, "/srv/app.releases/0003/data/up/1.png"), "picture");
    for (path, shared) in [("data/up", "data/up"), ("logs", "logs"), (".env", ".env")] {
        let stat = host.stat(&Path::new("/srv/app.releases/0003").join(path)).unwrap().unwrap();
        assert_eq!(stat.target, Some(Path::new("/srv/app.shared").join(shared)));
    }
    assert_eq!(deploy(&host, "three", shared), NOTHING_CHANGED);
}

#[test]
fn keys_that_cannot_be_meant_are_refused() {
    let refused =
        |keys: &str| parse("release", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
    assert_eq!(refused("dest = '/srv/app'"), "read the keys of release: give exactly one of source and to");
    assert_eq!(
        refused("to = 'last'\ndest = '/srv/app'"),
        "read release.to: \"last\" is neither `previous` nor a release's number"
    );
    assert_eq!(
        refused("to = '1'\ndest = '/srv'"),
        "read release.dest: /srv is part of every host; an application is deeper, as /srv/app"
    );
    for dest in ["/srv/app/", "srv/app", "/srv//app", "/srv/../app/x"] {
        assert!(refused(&format!("to = '1'\ndest = '{dest}'")).contains("write the whole path"), "{dest}");
    }
    assert!(refused("to = '1'\ndest = '/srv/app'\nrestart = 'pm2:'").contains("write a systemd unit"));
    assert!(refused("to = '1'\ndest = '/srv/app'\nshared = ['../x']").contains("does not stay inside"));
    assert!(refused("to = '1'\ndest = '/srv/app'\nshared = ['a/b', 'a']").contains("inside another"));
    assert!(refused("to = '1'\ndest = '/srv/app'\nhealth = 'app/health'").contains("http://"));
    assert_eq!(refused("to = '1'\ndest = '/srv/app'\nhealth = ''\nrestart = ''\nuser = ''"), "");
}
