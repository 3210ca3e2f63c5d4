//! Services over a pretended host: how systemd describes the unit, and what systemctl is told to do.

use crate::model::op::{Op, Run};
use crate::system::pretend::Pretend;
use crate::systemd::question;
use crate::testing::{self, answer_to, apply, parse, planned, pretend_a_change};
use expect_test::expect;

const USUAL: &str = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\nType=notify\nRemainAfterExit=no\n\
                     CanReload=yes\nNeedDaemonReload=no\n";

/// A host with a unit `app`, which is [`USUAL`] but for these properties.
fn host(properties: &str) -> Pretend<'static> {
    let host = testing::host(&[("/usr/lib/systemd/system/nginx.service", "")]);
    let text = properties.replace(' ', "\n") + "\n" + USUAL;
    answer_to(&host, question("app").argv, 0, &text);
    host
}

fn told(properties: &str, keys: &str) -> String {
    let told = apply(&host(properties), "service", &format!("name = 'app'\n{keys}"));
    told.unwrap_or_else(|failure| failure.to_string())
}

fn runs(properties: &str, keys: &str) -> Vec<Run> {
    let step = parse("service", &format!("name = 'app'\n{keys}")).unwrap();
    let ops = step.plan(&host(properties)).unwrap().ops;
    ops.into_iter().map(|op| if let Op::Run(run) = op { *run } else { panic!("{op:?}") }).collect()
}

#[test]
fn starts_stops_enables_and_masks_what_is_not_so() {
    assert_eq!(told("ActiveState=inactive", "state = 'started'"), "run systemctl start app\n");
    assert_eq!(told("ActiveState=active", "state = 'stopped'"), "run systemctl stop app\n");
    assert_eq!(told("ActiveState=activating", "state = 'stopped'"), "run systemctl stop app\n");
    assert_eq!(told("UnitFileState=disabled", "enabled = true"), "run systemctl enable app\n");
    assert_eq!(told("UnitFileState=enabled", "enabled = false"), "run systemctl disable app\n");
    assert_eq!(told("", "masked = true"), "run systemctl mask app\n");
    let all = "masked = false\nenabled = true\nstate = 'started'";
    expect![[r#"
        run systemctl unmask app
        run systemctl enable app
        run systemctl start app
    "#]]
    .assert_eq(&told("LoadState=masked UnitFileState=masked", all));
}

#[test]
fn leaves_what_is_already_so() {
    assert_eq!(told("ActiveState=active UnitFileState=enabled", "state = 'started'\nenabled = true"), "");
    assert_eq!(told("ActiveState=failed UnitFileState=static", "state = 'stopped'\nenabled = false"), "");
    assert_eq!(told("LoadState=masked UnitFileState=masked", "masked = true\nstate = 'stopped'"), "");
}

#[test]
fn restarted_and_reloaded_act_each_time() {
    assert_eq!(told("ActiveState=active", "state = 'restarted'"), "run systemctl restart app\n");
    assert_eq!(told("ActiveState=active", "state = 'reloaded'"), "run systemctl reload app\n");
    assert_eq!(told("ActiveState=inactive", "state = 'reloaded'"), "run systemctl start app\n");
    expect![[r#"
        reload app: it cannot be reloaded
          hint: use state = "restarted""#]]
    .assert_eq(&told("ActiveState=active CanReload=no", "state = 'reloaded'"));
}

#[test]
fn a_failed_unit_is_reset_so_that_it_may_start() {
    expect![[r#"
        run systemctl reset-failed app
        run systemctl start app
    "#]]
    .assert_eq(&told("ActiveState=failed", "state = 'started'"));
}

#[test]
fn a_changed_unit_file_is_read_first() {
    let changed = "ActiveState=active NeedDaemonReload=yes";
    expect![[r#"
        run systemctl daemon-reload
        run systemctl restart app
    "#]]
    .assert_eq(&told(changed, "state = 'restarted'"));
    assert_eq!(told(changed, "state = 'started'"), "run systemctl daemon-reload\n");
    assert_eq!(told(changed, "state = 'started'\ndaemon_reload = false"), "");
}

#[test]
fn what_was_started_is_proven_to_run() {
    let proof = |properties| {
        let runs = runs(properties, "state = 'restarted'");
        runs[0].confirm.as_ref().map(|proof| proof.shown())
    };
    assert_eq!(proof("Type=notify").unwrap(), "systemctl is-active app");
    assert_eq!(proof("Type=simple").unwrap(), "/bin/sh -s -- systemctl is-active app");
    assert_eq!(proof("Type=oneshot"), None);
    assert_eq!(proof("Type=oneshot RemainAfterExit=yes").unwrap(), "systemctl is-active app");
}

#[test]
fn a_oneshot_is_run_each_time() {
    assert_eq!(told("Type=oneshot", "state = 'started'"), "run systemctl start app\n");
    let step = parse("service", "name = 'app'\nstate = 'started'").unwrap();
    assert!(step.plan(&host("Type=oneshot")).unwrap().once);
}

#[test]
fn what_it_did_can_be_taken_back() {
    let undo = |properties, keys| format!("{:?}", runs(properties, keys)[0].undo);
    assert!(undo("", "state = 'started'").contains(r#""systemctl", "stop", "app""#));
    assert!(undo("ActiveState=inactive", "state = 'restarted'").contains(r#""systemctl", "stop", "app""#));
    assert_eq!(undo("ActiveState=active", "state = 'restarted'"), "Again");
    assert!(undo("", "enabled = true").contains(r#""systemctl", "disable", "app""#));
}

#[test]
fn a_unit_that_does_not_exist_is_a_failure_that_names_the_nearest() {
    let host = host("");
    answer_to(&host, question("ngnix").argv, 0, "LoadState=not-found\n");
    answer_to(&host, question("redis").argv, 0, "LoadState=not-found\n");
    let keys = |name| format!("name = '{name}'\nstate = 'started'");
    let failed = |name| apply(&host, "service", &keys(name)).unwrap_err().to_string();
    assert_eq!(
        failed("ngnix"),
        "look at service ngnix: the host has no such unit\n  hint: it has nginx.service"
    );
    assert_eq!(
        failed("redis"),
        "look at service redis: the host has no such unit\n  hint: install what brings it first"
    );
    pretend_a_change(&host);
    let told = planned(&host, "service", &keys("redis")).unwrap();
    assert_eq!(told, "wait until systemctl cat redis succeeds\n", "a pretended package may bring it");
}

#[test]
fn what_systemd_cannot_do_is_a_failure() {
    let other = testing::host(&[]);
    let failure = apply(&other, "service", "name = 'app'\nstate = 'started'").unwrap_err();
    expect![[r#"
        look at service app: the host is not run by systemd
          hint: start it with a step of kind command and the host's own service program"#]]
    .assert_eq(&failure.to_string());
    expect![[r#"
        look at service app: it is masked
          hint: set masked = false"#]]
    .assert_eq(&told("LoadState=masked UnitFileState=masked", "state = 'started'"));
    expect![[r#"
        enable app: it is static: nothing in it says when it would start
          hint: leave enabled out, or give its unit file an [Install] section"#]]
    .assert_eq(&told("UnitFileState=static", "enabled = true"));
    expect![[r#"
        look at service app: systemd cannot use its unit file (bad-setting)
          hint: `systemctl status app` on the host tells the line"#]]
    .assert_eq(&told("LoadState=bad-setting", "state = 'started'"));
}

#[test]
fn refuses_keys_that_mean_nothing() {
    let refused = |keys| parse("service", keys).err().unwrap().to_string();
    assert_eq!(
        refused("name = 'app'"),
        "read the keys of service: give at least one of state, enabled and masked"
    );
    assert_eq!(
        refused("name = '--all'\nenabled = true"),
        "read service.name: \"--all\" is not the name of a unit"
    );
    assert_eq!(
        refused("name = 'app'\nmasked = true\nenabled = true"),
        "read service.masked: what is masked can neither be started nor enabled"
    );
}
