//! What the login user may not change, and what no one may: a dry run says so, as applying does.

use crate::stage::Stage;

const STEPS: &[(&str, &str, &str)] = &[
    ("own file", "file = { path = \"/home/nosudo/e2e\", content = \"x\" }", "fine"),
    ("own directory", "directory = { path = \"/home/nosudo/e2e-dir\" }", "fine"),
    (
        "file in it",
        "file = { path = \"/home/nosudo/e2e-dir/file\", content = \"x\", mode = \"0600\" }",
        "fine",
    ),
    ("file of root's directory", "file = { path = \"/etc/e2e\", content = \"x\" }", "failed"),
    ("line in root's file", "line = { path = \"/etc/hosts.allow\", line = \"# x\" }", "failed"),
    ("directory", "directory = { path = \"/etc/e2e-dir\" }", "failed"),
    ("link", "symlink = { path = \"/etc/e2e-link\", target = \"/tmp\" }", "failed"),
    ("removal", "absent = { path = \"/etc/hosts.allow\" }", "failed"),
    ("mode of another's", "directory = { path = \"/srv/e2e-roots\", mode = \"0777\" }", "failed"),
    ("owner", "file = { path = \"/home/nosudo/e2e-given\", content = \"x\", owner = \"root\" }", "failed"),
];

/// How each step ended: `fine` or `failed`.
fn outcomes(stage: &Stage, playbook: &str, options: &str) -> Vec<String> {
    let report = stage.play(playbook, options).exits(2);
    let of = |(name, ..): &(&str, &str, &str)| {
        let step = report.step(&stage.host.name, name);
        match step["outcome"].as_str() {
            Some("failed") => format!("{name}: failed"),
            Some("changed" | "would_change") => format!("{name}: fine"),
            _ => format!("{name}: {step}"),
        }
    };
    STEPS.iter().map(of).collect()
}

#[test]
fn a_dry_run_knows_what_the_user_may_not_change() {
    let stage = Stage::on("full2").with(
        "rm -rf /home/nosudo/e2e* /srv/e2e-roots && mkdir -m 755 /srv/e2e-roots && touch /etc/hosts.allow",
    );
    let step = |(name, toml, _): &(&str, &str, &str)| format!("[[steps]]\nname = \"{name}\"\n{toml}\n");
    let playbook = format!("on_failure = \"continue\"\n{}", STEPS.iter().map(step).collect::<String>());
    let expected: Vec<String> = STEPS.iter().map(|(name, _, outcome)| format!("{name}: {outcome}")).collect();
    assert_eq!(outcomes(&stage, &playbook, "--check --user nosudo"), expected);
    assert_eq!(outcomes(&stage, &playbook, "--user nosudo"), expected);
    stage.host.must("rm -rf /home/nosudo/e2e* /srv/e2e-roots");
}

#[test]
fn a_dry_run_knows_what_is_immutable_or_read_only() {
    let stage = Stage::on("full2").with(
        "chattr -i /srv/e2e-fixed 2>/dev/null; umount /srv/e2e-ro 2>/dev/null; rm -rf /srv/e2e-*; \
         echo 1 >/srv/e2e-fixed && chattr +i /srv/e2e-fixed && mkdir /srv/e2e-ro && mount -t tmpfs -o ro tmpfs /srv/e2e-ro",
    );
    for step in [
        "file = { path = \"/srv/e2e-fixed\", content = \"2\" }",
        "absent = { path = \"/srv/e2e-fixed\" }",
        "file = { path = \"/srv/e2e-ro/file\", content = \"2\" }",
    ] {
        for options in ["--check", ""] {
            let report = stage.play(&format!("[[steps]]\nname = \"it\"\n{step}\n"), options).exits(2);
            assert_eq!(
                report.step(&stage.host.name, "it")["outcome"],
                "failed",
                "{step} {options}: {report:#?}"
            );
        }
    }
    stage.host.must("chattr -i /srv/e2e-fixed; umount /srv/e2e-ro; rm -rf /srv/e2e-*");
}
