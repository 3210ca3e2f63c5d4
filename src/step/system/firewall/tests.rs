//! Rules as text for nftables and ufw, and what is no rule.

use crate::system::pretend::Pretend;
use crate::testing::{answer, apply, host, parse, planned, text};
use expect_test::expect;

/// A host run by systemd, with nftables and sshd on port 22.
fn with_nftables() -> Pretend<'static> {
    let host = host(&[("/run/systemd/system/unit", ""), ("/etc/systemd/system/unit", "")]);
    answer(&host, "/bin/sh -s ssh-ports", 0, "22\n");
    answer(&host, "nft -c -f -", 0, "");
    answer(&host, "nft list table inet windlass", 1, "");
    host
}

#[test]
fn one_table_lets_in_what_is_named() {
    let host = with_nftables();
    let keys = r#"
        allow = [80, "443/udp", "8000-8100", { port = [5432, 6432], from = ["10.1.2.3/8", "2001:db8::1", "192.0.2.7/32"] }]
        trust = ["br-*"]
    "#;
    expect![[r#"
        make directory /etc/windlass
        write /etc/windlass/firewall.nft
        write /etc/systemd/system/windlass-firewall.service
        make directory /etc/systemd/system/sysinit.target.wants
        link /etc/systemd/system/sysinit.target.wants/windlass-firewall.service to /etc/systemd/system/windlass-firewall.service
        run nft -f /etc/windlass/firewall.nft
    "#]]
    .assert_eq(&apply(&host, "firewall", keys).unwrap());
    expect![[r#"
        # Written by windlass, a step of kind firewall.
        table inet windlass
        delete table inet windlass
        table inet windlass {
        	chain rules_37ccd9d16dbd {
        	}

        	chain input {
        		type filter hook input priority filter; policy drop;
        		ct state established,related accept
        		iif "lo" accept
        		meta l4proto { 1, 58 } accept
        		udp sport 67 udp dport 68 accept
        		ip6 saddr fe80::/10 udp dport 546 accept
        		iifname "br-*" accept
        		tcp dport 22 accept
        		tcp dport 80 accept
        		udp dport 443 accept
        		tcp dport 8000-8100 accept
        		ip saddr 10.0.0.0/8 tcp dport 5432 accept
        		ip6 saddr 2001:db8::1 tcp dport 5432 accept
        		ip saddr 192.0.2.7 tcp dport 5432 accept
        		ip saddr 10.0.0.0/8 tcp dport 6432 accept
        		ip6 saddr 2001:db8::1 tcp dport 6432 accept
        		ip saddr 192.0.2.7 tcp dport 6432 accept
        	}
        }
    "#]]
    .assert_eq(&text(&host, "/etc/windlass/firewall.nft"));
}

#[test]
fn a_rule_for_ssh_decides_itself_who_reaches_it() {
    let host = with_nftables();
    apply(&host, "firewall", "allow = [{ port = 22, from = '10.0.0.0/8' }]").unwrap();
    let rules = text(&host, "/etc/windlass/firewall.nft");
    assert!(rules.contains("\t\tip saddr 10.0.0.0/8 tcp dport 22 accept\n"), "{rules}");
    assert!(!rules.contains("\t\ttcp dport 22 accept\n"), "{rules}");
}

#[test]
fn without_keep_ssh_only_what_is_named_is_open() {
    let host = with_nftables();
    apply(&host, "firewall", "allow = [80]\nkeep_ssh = false").unwrap();
    assert!(!text(&host, "/etc/windlass/firewall.nft").contains("dport 22 "));
}

#[test]
fn the_table_is_taken_away_with_all_that_loads_it() {
    let host = with_nftables();
    apply(&host, "firewall", "allow = [80]").unwrap();
    expect![[r#"
        run nft delete table inet windlass
        remove /etc/systemd/system/sysinit.target.wants/windlass-firewall.service
        remove /etc/systemd/system/windlass-firewall.service
        remove /etc/windlass/firewall.nft
    "#]]
    .assert_eq(&apply(&host, "firewall", "state = 'absent'").unwrap());
}

#[test]
fn rules_that_nft_refuses_are_not_written() {
    let host = with_nftables();
    answer(&host, "nft -c -f -", 1, "/dev/stdin:3:1-5: Error: no\n");
    let refused = planned(&host, "firewall", "allow = [80]").unwrap_err().to_string();
    assert_eq!(refused, "run nft -c: exit status 1: /dev/stdin:3:1-5: Error: no");
}

#[test]
fn where_ufw_is_active_its_rules_are_set() {
    let host = host(&[]);
    answer(&host, "/bin/sh -s ssh-ports", 0, "22\n");
    answer(&host, "ufw status verbose", 0, "Status: active\nDefault: allow (incoming), allow (outgoing)\n");
    let added = "Added user rules (see 'ufw status' for running firewall):\nufw allow 22/tcp\nufw allow 25/tcp comment 'windlass'\nufw allow 80/tcp comment 'windlass'\n";
    answer(&host, "ufw show added", 0, added);
    let keys = "allow = [80, { port = '8000-8100', from = '10.0.0.0/8' }]\ntrust = ['docker0']";
    expect![[r#"
        run ufw allow from 10.0.0.0/8 to any port 8000:8100 proto tcp comment windlass
        run ufw allow in on docker0 comment windlass
        run ufw --force delete allow 25/tcp
        run ufw default deny incoming
    "#]]
    .assert_eq(&apply(&host, "firewall", keys).unwrap());
}

#[test]
fn what_is_no_rule_is_refused() {
    for (keys, why) in [
        ("allow = ['http']", "\"http\" is not a port; write 80, \"443/udp\" or \"8000-8100\""),
        ("allow = [0]", "\"0\" is not a port"),
        ("allow = ['90-80']", "\"90-80\" is not a port"),
        ("allow = ['80/sctp']", "\"sctp\" is neither tcp nor udp"),
        (
            "allow = [{ port = 80, from = '10.0.0.0/33' }]",
            "\"10.0.0.0/33\" is neither an address nor a network",
        ),
        ("allow = [{ port = 80, form = '10.0.0.0/8' }]", "unknown field `form`"),
        ("trust = ['a b']", "\"a b\" is not the name of a network interface"),
    ] {
        let refused = parse("firewall", keys).map(drop).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}
