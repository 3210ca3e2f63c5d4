//! A host whose firewall is ufw: its rules are set beside those of others, and an undo leaves the files as they were.

use crate::stage::{Host, Stage};
use crate::undo_kinds::assert_same;

/// Takes ufw away again, whatever the test found.
struct Inactive<'a>(&'a Host);

impl Drop for Inactive<'_> {
    fn drop(&mut self) {
        self.0.sh("ufw --force reset >/dev/null; rm -f /etc/ufw/*.rules.20*");
    }
}

const STATE: &str = "cat /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw; \
    iptables -S ufw-user-input; ip6tables -S ufw6-user-input; ufw status; ls -A /etc/ufw";

fn firewall(keys: &str) -> String {
    format!("[[steps]]\n[steps.firewall]\n{keys}\n")
}

#[test]
fn the_rules_of_others_stay_and_the_order_comes_back() {
    let stage = Stage::on("full3").with(
        "exec >/dev/null; ufw --force reset; rm -f /etc/ufw/*.rules.20*
         ufw allow 22/tcp; ufw limit 25/tcp; ufw allow 9999/tcp comment windlass
         ufw allow from 2001:db8::/32 to any port 9998 proto tcp comment windlass
         ufw deny from 192.0.2.66; ufw allow 5433; ufw --force enable",
    );
    let host = &stage.host;
    let _inactive = Inactive(host);
    let before = host.must(STATE);
    let playbook = firewall("allow = [25, 80, { port = 5432, from = ['192.0.2.0/24', '2001:db8::/32'] }]");
    let run = stage.converges(&playbook).run();
    let rules = host.must("ufw show added");
    for rule in [
        "allow 22/tcp",
        "limit 25/tcp",
        "allow 80/tcp comment 'windlass'",
        "deny from 192.0.2.66",
        "allow 5433",
    ] {
        assert!(rules.contains(&format!("ufw {rule}\n")), "{rule}: {rules}");
    }
    assert!(!rules.contains("999"), "what windlass no longer needs is gone: {rules}");
    let undone = stage.project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!(undone.outcome("full3"), "undone");
    assert_same(&before, &host.must(STATE));

    let absent = stage.play(&firewall("state = 'absent'"), "").exits(0);
    assert!(!host.must("ufw show added").contains("windlass"));
    stage.project.report(&format!("runs undo {}", absent.run())).exits(0);
    assert_same(&before, &host.must(STATE));

    // A rule that others added since is not lost, and then their order stays as it is.
    let run = stage.play(&playbook, "").exits(0).run();
    host.must("ufw allow 7777/tcp");
    stage.project.report(&format!("runs undo {run}")).exits(0);
    let rules = host.must("ufw show added");
    assert!(rules.contains("ufw allow 7777/tcp\n") && rules.contains("9999"), "{rules}");
}

#[test]
fn a_rule_of_others_that_closes_a_port_is_not_replaced() {
    let stage = Stage::on("full3")
        .with("exec >/dev/null; ufw --force reset; ufw allow 22/tcp; ufw deny 80/tcp; ufw --force enable");
    let host = &stage.host;
    let _inactive = Inactive(host);
    let before = host.must(STATE);
    for more in ["--check", ""] {
        let failure = stage.play(&firewall("allow = [80]"), more).exits(2);
        let failure = failure.failure("full3");
        assert!(failure.contains("a ufw rule that others added closes it: deny 80/tcp"), "{failure}");
    }
    assert_same(&before, &host.must(STATE));
}

#[test]
fn ufw_becomes_active_without_locking_anyone_out_and_inactive_again() {
    let stage = Stage::on("full3").with("exec >/dev/null; ufw --force reset; rm -f /etc/ufw/*.rules.20*");
    let host = &stage.host;
    let _inactive = Inactive(host);
    let files = "cat /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw; ufw status";
    let before = host.must(files);
    let run = stage.converges(&firewall("allow = [80]\nbackend = 'ufw'")).run();
    assert!(host.must("ufw status").starts_with("Status: active\n"));
    stage.project.report(&format!("runs undo {run}")).exits(0);
    assert_same(&before, &host.must(files));
}
