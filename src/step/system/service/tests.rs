//! Services over a pretended host: how systemd describes the unit, and what systemctl is asked to do.

use crate::model::op::{Answer, Command, Op, Prediction, Run};
use crate::system::pretend::Pretend;
use crate::systemd::question;
use crate::testing::{self, answer, answer_to, apply, parse, planned, pretend_a_change};
use expect_test::expect;

const USUAL: &str = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\nType=notify\nRemainAfterExit=no\n\
                     CanReload=yes\nNeedDaemonReload=no\n";

/// A host with a unit `app`, which is [`USUAL`] but for these properties.
fn host(properties: &str) -> Pretend<'static> {
    host_with(&[("/usr/lib/systemd/system/nginx.service", "")], properties)
}

fn host_with(files: &[(&str, &str)], properties: &str) -> Pretend<'static> {
    let host = testing::host(files);
    let text = properties.replace(' ', "\n") + "\n" + USUAL;
    answer_to(&host, question("app").argv, 0, &text);
    installed(&host, "app.service", "");
    host
}

/// What enables a unit: lines as the host's script prints them.
fn installed(host: &Pretend<'_>, unit: &str, lines: &str) {
    answer(host, &format!("/bin/sh -s -- {unit} /etc/systemd/system /run/systemd/system"), 0, lines);
}

/// A link that enables `app` for good.
const ENABLED: &str =
    "link\t/etc/systemd/system/multi-user.target.wants/app.service\t/usr/lib/systemd/system/app.service\n";

/// A link that enables `app` until the next boot.
const ENABLED_UNTIL_BOOT: &str =
    "link\t/run/systemd/system/multi-user.target.wants/app.service\t/usr/lib/systemd/system/app.service\n";

/// What is done where these links are.
fn with_links(properties: &str, lines: &str, keys: &str) -> String {
    let host = host(properties);
    installed(&host, "app.service", lines);
    for (unit, state) in [("app.socket", "disabled"), ("open.socket", "enabled"), ("shut.socket", "masked")] {
        let text = format!("Id={unit}\nUnitFileState={state}\n{USUAL}");
        answer_to(&host, question(unit).argv, 0, &text);
    }
    let said = apply(&host, "service", &format!("name = 'app'\n{keys}"));
    said.unwrap_or_else(|failure| failure.to_string())
}

fn said(properties: &str, keys: &str) -> String {
    let said = apply(&host(properties), "service", &format!("name = 'app'\n{keys}"));
    said.unwrap_or_else(|failure| failure.to_string())
}

fn runs(properties: &str, keys: &str) -> Vec<Run> {
    let step = parse("service", &format!("name = 'app'\n{keys}")).unwrap();
    let ops = step.plan(&host(properties)).unwrap().ops;
    ops.into_iter().map(|op| if let Op::Run(run) = op { *run } else { panic!("{op:?}") }).collect()
}

#[test]
fn a_first_drop_in_is_read_before_the_unit_is_restarted() {
    let files = [
        ("/etc/systemd/system/app.service.d/10-limits.conf", "[Service]\n"),
        ("/etc/systemd/system/app.service.d/empty.conf", ""),
        ("/etc/systemd/system/app.service.d/.hidden.conf", "x"),
        ("/etc/systemd/system/app.service.d/notes.txt", "x"),
    ];
    let host = host_with(&files, "ActiveState=active Id=app.service");
    let told = planned(&host, "service", "name = 'app'\nstate = 'restarted'").unwrap();
    assert_eq!(told, "run systemctl daemon-reload\nrun systemctl restart app\n");
    let known =
        "ActiveState=active Id=app.service DropInPaths=/etc/systemd/system/app.service.d/10-limits.conf";
    answer_to(&host, question("app").argv, 0, &(known.replace(' ', "\n") + "\n" + USUAL));
    assert_eq!(planned(&host, "service", "name = 'app'\nstate = 'started'").unwrap(), "");
}

#[test]
fn a_file_that_comes_before_a_packages_is_read_before_the_unit_is_restarted() {
    for (file, unit, stale) in [
        ("/etc/systemd/system/app.service", "app", true),
        ("/etc/systemd/system/app@.service", "app@one", true),
        ("/etc/systemd/system/app@two.service", "app@one", false),
    ] {
        let host = testing::host(&[(file, "[Service]\n")]);
        let properties =
            format!("ActiveState=active\nFragmentPath=/usr/lib/systemd/system/x.service\n{USUAL}");
        answer_to(&host, question(unit).argv, 0, &properties);
        let told = planned(&host, "service", &format!("name = '{unit}'\nstate = 'started'")).unwrap();
        assert_eq!(told, if stale { "run systemctl daemon-reload\n" } else { "" }, "{file}");
    }
}

#[test]
fn drop_ins_of_templates_types_and_names_that_it_begins_with_are_a_units_too() {
    for directory in ["app@.service.d", "service.d", "app@one.service.d"] {
        let file = format!("/etc/systemd/system/{directory}/a.conf");
        let host =
            testing::host(&[(&file, "[Service]\n"), ("/etc/systemd/system/other.service.d/a.conf", "x\n")]);
        answer_to(&host, question("app@one").argv, 0, &format!("ActiveState=active\n{USUAL}"));
        let told = planned(&host, "service", "name = 'app@one'\nstate = 'started'").unwrap();
        assert_eq!(told, "run systemctl daemon-reload\n", "{directory}");
    }
    let host = testing::host(&[("/etc/systemd/system/my-.service.d/a.conf", "[Service]\n")]);
    answer_to(&host, question("my-web-app").argv, 0, &format!("ActiveState=active\n{USUAL}"));
    let told = planned(&host, "service", "name = 'my-web-app'\nstate = 'started'").unwrap();
    assert_eq!(told, "run systemctl daemon-reload\n");
}

#[test]
fn a_unit_file_that_systemd_will_refuse_is_known_beforehand() {
    let file = "/etc/systemd/system/app.service";
    let said = |verdict: &str| {
        let host = host("ActiveState=active NeedDaemonReload=yes");
        answer(&host, "systemctl show --property FragmentPath --value -- app", 0, file);
        let words =
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file].map(str::to_string);
        let stderr = format!("app.service: Service has no ExecStart=. Refusing.\n{verdict}\n").into_bytes();
        let total = stderr.len() as u64;
        let mut run = Run::from(Command::new(["true"]));
        run.predicts.push(Prediction {
            argv: words.to_vec(),
            answer: Answer { status: 1, stderr, total, ..Answer::default() },
        });
        host.suppose(&run);
        host.settle();
        planned(&host, "service", "name = 'app'\nstate = 'restarted'")
            .unwrap_or_else(|failure| failure.to_string())
    };
    expect![[r#"
        look at service app: systemd refuses its unit file: app.service: Service has no ExecStart=. Refusing.
          hint: correct the unit file; systemd has not read it, so the unit is as it was"#]]
    .assert_eq(&said("Unit app.service has a bad unit file setting."));
    let of_another = said("Unit other.service has a bad unit file setting.");
    assert_eq!(of_another, "run systemctl daemon-reload\nrun systemctl restart app\n");
}

#[test]
fn starts_stops_enables_and_masks_what_is_not_so() {
    assert_eq!(said("ActiveState=inactive", "state = 'started'"), "run systemctl start app\n");
    assert_eq!(said("ActiveState=active", "state = 'stopped'"), "run systemctl stop app\n");
    assert_eq!(said("ActiveState=activating", "state = 'stopped'"), "run systemctl stop app\n");
    assert_eq!(said("UnitFileState=disabled", "enabled = true"), "run systemctl enable app\n");
    assert_eq!(said("UnitFileState=enabled", "enabled = false"), "run systemctl disable app\n");
    assert_eq!(said("", "masked = true"), "run systemctl mask app\n");
    let all = "masked = false\nenabled = true\nstate = 'started'";
    expect![[r#"
        run systemctl unmask app
        run systemctl enable app
        run systemctl start app
    "#]]
    .assert_eq(&with_links(
        "LoadState=masked UnitFileState=masked",
        "link\t/etc/systemd/system/app.service\t/dev/null\n",
        all,
    ));
}

#[test]
fn a_unit_that_is_enabled_through_others_is_enabled_when_they_are() {
    let indirect = |lines, keys| with_links("UnitFileState=indirect", lines, keys);
    let (disabled, enabled) = ("also\tapp.socket\n", "also\topen.socket\n");
    assert_eq!(indirect(disabled, "enabled = true"), "run systemctl enable app\n");
    assert_eq!(indirect(enabled, "enabled = true"), "");
    assert_eq!(
        indirect("also\tapp.socket\nalso\topen.socket\n", "enabled = true"),
        "run systemctl enable app\n"
    );
    assert_eq!(indirect(disabled, "enabled = false"), "");
    assert_eq!(indirect(enabled, "enabled = false"), "run systemctl disable app\n");
    assert_eq!(
        indirect("", "enabled = true"),
        "run systemctl enable app\n",
        "only another name's link enables it"
    );
    expect![[r#"
        enable app: it is enabled through shut.socket (Also= in its unit file), which is masked
          hint: unmask shut.socket first: a service step with masked = false"#]]
    .assert_eq(&indirect("also\tshut.socket\n", "enabled = true"));
}

#[test]
fn what_is_enabled_with_it_is_named_and_foreseen() {
    let host = host("");
    installed(&host, "app.service", "also\tapp.socket\n");
    answer_to(&host, question("app.socket").argv, 0, &format!("Id=app.socket\n{USUAL}"));
    let plan = parse("service", "name = 'app'\nenabled = true").unwrap().plan(&host).unwrap();
    assert_eq!(plan.notes, ["app.socket is enabled with it: Also= in its unit file"]);
    let Op::Run(run) = &plan.ops[0] else { panic!("{:?}", plan.ops) };
    let foreseen = run.predicts.iter().find(|one| one.argv == question("app.socket").argv).unwrap();
    assert!(foreseen.answer.text().contains("UnitFileState=enabled"));
}

#[test]
fn what_lasts_until_the_next_boot_goes_too() {
    let disable =
        |state: &str, lines: &str| with_links(&format!("UnitFileState={state}"), lines, "enabled = false");
    let both = "run systemctl disable app\nrun systemctl disable --runtime app\n";
    assert_eq!(disable("enabled-runtime", ENABLED_UNTIL_BOOT), "run systemctl disable --runtime app\n");
    assert_eq!(disable("enabled", &format!("{ENABLED}{ENABLED_UNTIL_BOOT}")), both);
    let masked = |state: &str, lines: &str, keys| {
        with_links(&format!("LoadState=masked UnitFileState={state}"), lines, keys)
    };
    let until_boot = "link\t/run/systemd/system/app.service\t/dev/null\n";
    let unmasked = masked("masked-runtime", until_boot, "masked = false");
    assert_eq!(unmasked, "run systemctl unmask --runtime app\n");
    assert_eq!(masked("masked-runtime", until_boot, "masked = true"), "run systemctl mask app\n");
    expect![[r#"
        unmask app: its package masks it: its unit file is a link to /dev/null
          hint: put a unit file of your own into /etc/systemd/system"#]]
    .assert_eq(&masked("masked", "", "masked = false"));
}

#[test]
fn a_unit_file_elsewhere_stays_known() {
    let link = "link\t/etc/systemd/system/app.service\t/opt/app/app.service\n";
    let disable = |state: &str| with_links(&format!("UnitFileState={state}"), link, "enabled = false");
    assert_eq!(disable("linked"), "");
    assert_eq!(disable("enabled"), "run systemctl disable app\nrun systemctl link /opt/app/app.service\n");
}

#[test]
fn a_mask_has_no_room_where_the_unit_file_is() {
    let host = testing::host(&[("/etc/systemd/system/app.service", "[Service]\n")]);
    answer_to(&host, question("app").argv, 0, &format!("Id=app.service\n{USUAL}"));
    let refused = apply(&host, "service", "name = 'app'\nmasked = true").unwrap_err().to_string();
    assert_eq!(
        refused,
        "mask app: its unit file is /etc/systemd/system/app.service, where the mask would be\n  hint: set enabled = false instead"
    );
}

#[test]
fn undo_can_go_backwards_through_what_is_done() {
    let keys = "state = 'stopped'\nenabled = false\nmasked = true";
    expect![[r#"
        run systemctl stop app
        run systemctl disable app
        run systemctl mask app
    "#]]
    .assert_eq(&said("ActiveState=active UnitFileState=enabled", keys));
}

#[test]
fn an_alias_stands_for_its_unit() {
    let host = host("");
    let unit =
        "Id=redis-server.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nType=notify\n";
    answer_to(&host, question("redis").argv, 0, unit);
    installed(&host, "redis-server.service", "");
    let keys = "name = 'redis'\nstate = 'stopped'\nenabled = false";
    let said = apply(&host, "service", keys).unwrap();
    assert_eq!(said, "run systemctl stop redis-server.service\nrun systemctl disable redis-server.service\n");
}

#[test]
fn the_alias_of_a_disabled_unit_is_found_by_its_unit_file() {
    let host = host("");
    answer_to(&host, question("redis").argv, 0, "Id=redis.service\nLoadState=not-found\n");
    answer_to(&host, question("redis-server.service").argv, 0, &format!("Id=redis-server.service\n{USUAL}"));
    answer(
        &host,
        "/bin/sh -s -- redis.service /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system",
        0,
        "redis-server.service\n",
    );
    installed(&host, "redis-server.service", "");
    let keys = |keys: &str| format!("name = 'redis'\n{keys}");
    assert_eq!(apply(&host, "service", &keys("state = 'stopped'\nenabled = false")).unwrap(), "");
    let said = apply(&host, "service", &keys("enabled = true")).unwrap();
    assert_eq!(said, "run systemctl enable redis-server.service\n");
}

#[test]
fn a_unit_can_be_masked_before_it_is_there() {
    let host = host("");
    answer_to(&host, question("later").argv, 0, "Id=later.service\nLoadState=not-found\n");
    installed(&host, "later.service", "");
    let said = apply(&host, "service", "name = 'later'\nmasked = true\nstate = 'stopped'").unwrap();
    assert_eq!(said, "run systemctl mask later\n");
}

#[test]
fn a_socket_that_would_start_it_again_is_named() {
    let host = host("ActiveState=active TriggeredBy=app.socket");
    answer_to(&host, question("app.socket").argv, 0, "ActiveState=active\n");
    let plan = parse("service", "name = 'app'\nstate = 'stopped'").unwrap().plan(&host).unwrap();
    assert_eq!(plan.notes, ["app.socket is active and can start app again: stop it too"]);
}

#[test]
fn a_script_of_init_is_enabled_as_a_unit_is() {
    let host = host("UnitFileState=generated");
    answer(&host, "systemctl is-enabled app", 1, "disabled\n");
    let said = apply(&host, "service", "name = 'app'\nenabled = true").unwrap();
    assert_eq!(said, "run systemctl enable app\n");
}

#[test]
fn what_cannot_be_disabled_is_a_failure() {
    expect![[r#"
        disable app: systemd makes it at each boot from another file, such as /etc/fstab
          hint: change that file, or set masked = true"#]]
    .assert_eq(&said("UnitFileState=generated", "enabled = false"));
    let refused = parse("service", "name = 'getty@'\nenabled = true").err().unwrap().to_string();
    assert_eq!(
        refused,
        "read service.name: \"getty@\" is a template: give an instance, for example getty@tty1"
    );
}

#[test]
fn leaves_what_is_already_so() {
    assert_eq!(said("ActiveState=active UnitFileState=enabled", "state = 'started'\nenabled = true"), "");
    assert_eq!(said("ActiveState=failed UnitFileState=static", "state = 'stopped'\nenabled = false"), "");
    assert_eq!(said("LoadState=masked UnitFileState=masked", "masked = true\nstate = 'stopped'"), "");
}

#[test]
fn restarted_and_reloaded_act_each_time() {
    assert_eq!(said("ActiveState=active", "state = 'restarted'"), "run systemctl restart app\n");
    assert_eq!(said("ActiveState=active", "state = 'reloaded'"), "run systemctl reload app\n");
    assert_eq!(said("ActiveState=inactive", "state = 'reloaded'"), "run systemctl start app\n");
    expect![[r#"
        reload app: it cannot be reloaded
          hint: use state = "restarted""#]]
    .assert_eq(&said("ActiveState=active CanReload=no", "state = 'reloaded'"));
}

#[test]
fn a_failed_unit_is_reset_so_that_it_may_start() {
    expect![[r#"
        run systemctl reset-failed app
        run systemctl start app
    "#]]
    .assert_eq(&said("ActiveState=failed", "state = 'started'"));
}

#[test]
fn a_changed_unit_file_is_read_first() {
    let changed = "ActiveState=active NeedDaemonReload=yes";
    expect![[r#"
        run systemctl daemon-reload
        run systemctl restart app
    "#]]
    .assert_eq(&said(changed, "state = 'restarted'"));
    assert_eq!(said(changed, "state = 'started'"), "run systemctl daemon-reload\n");
    assert_eq!(said(changed, "state = 'started'\ndaemon_reload = false"), "");
}

#[test]
fn what_was_started_is_proven_to_run() {
    let proof = |properties| {
        let runs = runs(properties, "state = 'restarted'");
        runs[0].confirm.as_ref().map(|proof| proof.shown())
    };
    assert_eq!(proof("Type=notify").unwrap(), "systemctl is-active app");
    assert_eq!(proof("Type=simple").unwrap(), "systemctl is-active app");
    assert_eq!(proof("Type=oneshot"), None);
    assert_eq!(proof("Type=oneshot RemainAfterExit=yes").unwrap(), "systemctl is-active app");
}

#[test]
fn a_oneshot_is_run_each_time() {
    assert_eq!(said("Type=oneshot", "state = 'started'"), "run systemctl start app\n");
    let step = parse("service", "name = 'app'\nstate = 'started'").unwrap();
    assert!(step.plan(&host("Type=oneshot")).unwrap().once);
}

#[test]
fn what_it_did_can_be_taken_back() {
    let undo = |properties, keys| format!("{:?}", runs(properties, keys)[0].undo);
    assert!(undo("", "state = 'started'").contains(r#""systemctl", "stop", "app""#));
    assert!(undo("ActiveState=inactive", "state = 'restarted'").contains(r#""systemctl", "stop", "app""#));
    assert_eq!(undo("ActiveState=active", "state = 'restarted'"), "Again");
    assert!(undo("", "enabled = true").contains(r#""disable", "app.service", "/etc/systemd/system""#));
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
    let said = planned(&host, "service", &keys("redis")).unwrap();
    assert_eq!(said, "wait until systemctl cat redis succeeds\n", "a pretended package may bring it");
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
    .assert_eq(&said("LoadState=masked UnitFileState=masked", "state = 'started'"));
    expect![[r#"
        enable app: it is static: nothing in it says when it would start
          hint: leave enabled out, or give its unit file an [Install] section"#]]
    .assert_eq(&said("UnitFileState=static", "enabled = true"));
    expect![[r#"
        look at service app: systemd cannot use its unit file (bad-setting)
          hint: `systemctl status app` on the host shows the line"#]]
    .assert_eq(&said("LoadState=bad-setting", "state = 'started'"));
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
