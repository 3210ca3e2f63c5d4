//! What is deployed, then changed on either side, and what is said of it.

use crate::model::op::Meta;
use crate::system::System;
use crate::system::dressed::Dressed;
use crate::system::pretend::Pretend;
use crate::testing::{apply, brought, found, host, tree};
use std::collections::BTreeMap;
use std::path::Path;

const V1: &[(&str, &str)] = &[("a", "A"), ("b", "B"), ("c", "C"), ("d/e", "E"), ("f", "F"), ("g", "G")];

/// Lays `V1` over a directory that holds `only-there`.
fn deployed() -> Pretend<'static> {
    let host = host(&[("/srv/app/only-there", "x"), ("/srv/app/node_modules/m/i.js", "")]);
    apply(&host, "overlay", &format!("source = {}\ndest = '/srv/app'", tree("app", V1))).unwrap();
    host
}

fn told(host: &Pretend<'_>, source: &[(&str, &str)], more: &str) -> String {
    let keys = format!("source = {}\ndest = '/srv/app'\n{more}", tree("app", source));
    let brought = brought();
    host.furnish(&brought.memory);
    let dressed = Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
    found(&dressed, "tree_audit", &keys).unwrap()
}

#[test]
fn three_sides_are_told_apart() {
    let host = deployed();
    assert_eq!(
        told(&host, V1, ""),
        "fail    only there only-there: it is not here, and windlass did not put it there\n\
         info    tree /srv/app: 7 files there: 6 same, 1 only there\n"
    );
    for path in ["/srv/app/a", "/srv/app/c"] {
        host.write(Path::new(path), &mut &b"edited"[..], &Meta::default()).unwrap();
    }
    host.remove(Path::new("/srv/app/d/e")).unwrap();
    let v2 = [("a", "A"), ("b", "B2"), ("c", "C2"), ("d/e", "E"), ("g", "G"), ("new", "N")];
    assert_eq!(
        told(&host, &v2, "exclude = ['only-there', 'node_modules']"),
        "fail    edited by hand a: changed there since it was deployed\n\
         fail    edited by hand c: changed there since it was deployed, and here too\n\
         fail    edited by hand d/e: removed there since it was deployed\n\
         info    pending b: changed here since it was deployed\n\
         info    pending f: no longer here; it is still as it was deployed\n\
         info    only here new: it was not deployed yet\n\
         info    tree /srv/app: 5 files there: 1 same, 1 only here, 3 edited by hand, 2 pending\n"
    );
}

#[test]
fn without_a_deployment_two_sides_are_compared_and_it_is_said() {
    let host = host(&[("/srv/app/a", "A"), ("/srv/app/b", "other"), ("/srv/app/x", "X")]);
    assert_eq!(
        told(&host, &[("a", "A"), ("b", "B"), ("n", "N")], ""),
        "fail    differs b: different from here, and windlass does not know how it came there\n\
         fail    only there x: it is not here, and windlass did not put it there\n\
         info    only here n: it was not deployed yet\n\
         info    tree /srv/app: 3 files there: 1 same, 1 only there, 1 only here, 1 different; windlass has deployed nothing \
         there, so only two sides were compared\n"
    );
}
