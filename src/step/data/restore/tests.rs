//! What restore plans on hosts that are only supposed.

use crate::model::Result;
use crate::model::digest::Digest;
use crate::model::op::{Op, Plan, Undo};
use crate::system::Probe;
use crate::testing::{answer, brought, host, parse};
use expect_test::expect;
use std::collections::BTreeMap;

/// The keys of a restore of parts that are given as name, kind and where they are from.
fn keys(parts: &[(&str, &str, &str)], more: &str) -> String {
    let part = |(name, kind, from): &(&str, &str, &str)| {
        let digest = Digest::of(name.as_bytes());
        format!(
            "{{ label = {{ name = '{name}', kind = '{kind}' }}, asset = {{ digest = '{digest}', size = 1 }}, from = {from} }}"
        )
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    format!("backup = {{ id = '20261121T084500Z-web-nightly-kxqz', parts = [{}] }}\n{more}", parts.join(", "))
}

fn plan(host: &dyn Probe, keys: &str) -> Result<Plan> {
    let brought = brought();
    let dressed =
        crate::system::dressed::Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
    parse("restore", keys)?.plan(&dressed)
}

/// What would be done, a line each, then the notes.
fn told(host: &dyn Probe, keys: &str) -> String {
    match plan(host, keys) {
        Ok(plan) => {
            assert!(plan.once, "it is done each time");
            let ops = plan.ops.iter().map(crate::engine::perform::describe);
            ops.chain(plan.notes).map(|line| line + "\n").collect()
        }
        Err(failure) => format!("{failure}\n"),
    }
}

const TREE: (&str, &str, &str) = ("files-srv-shop.tar", "tar", "{ path = '/srv/shop', exclude = [] }");

#[test]
fn files_are_unpacked_beside_their_place() {
    let empty = host(&[("/srv/other", "")]);
    expect![[r#"
        run unpack files-srv-shop.tar beside /srv/shop
        run put it in the place of /srv/shop
    "#]]
    .assert_eq(&told(&empty, &keys(&[TREE], "")));
    expect![[r#"
        make directory /new
        make directory /new/deep
        run unpack files-srv-shop.tar beside /new/deep/copy
        run put it in the place of /new/deep/copy
    "#]]
    .assert_eq(&told(&empty, &keys(&[TREE], "to = '/new/deep/copy'")));
    let plan = plan(&empty, &keys(&[TREE], "")).unwrap();
    let [Op::Run(unpack), Op::Run(switch)] = &plan.ops[..] else { panic!("{:?}", plan.ops) };
    assert_eq!(unpack.input.as_ref().map(|asset| asset.digest.clone()), Some(Digest::of(TREE.0.as_bytes())));
    assert!([unpack, switch].iter().all(|run| matches!(run.undo, Undo::Command(_))));
}

#[test]
fn what_is_there_is_replaced_only_when_that_is_said() {
    let host = host(&[("/srv/shop/x", "")]);
    expect![[r#"
        restore files-srv-shop.tar: /srv/shop is there already
          hint: to replace it and keep the old one: replace = true (--replace); to restore beside it: to = "…" (--to …)
    "#]]
    .assert_eq(&told(&host, &keys(&[TREE], "")));
    assert!(
        told(&host, &keys(&[TREE], "replace = true")).contains("what was there is kept as /srv/shop.before-")
    );
}

#[test]
fn a_file_by_itself_needs_a_place() {
    let empty = host(&[("/etc/x", "")]);
    let rdb = ("redis-x.rdb", "rdb", "{ redis = 'x' }");
    let note = "redis-x.rdb is restored only when it is named: name it in parts, and a path with to";
    assert!(
        told(&empty, &keys(&[TREE, rdb], "")).contains("run unpack")
            || told(&empty, &keys(&[TREE, rdb], "")).contains(note)
    );
    assert!(told(&empty, &keys(&[rdb], "")).contains(note));
    assert_eq!(told(&empty, &keys(&[rdb], "parts = ['redis-x.rdb']\nto = '/etc/dump'")), "write /etc/dump\n");
    assert!(
        told(&empty, &keys(&[rdb], "parts = ['redis-x.rdb']\nto = '/etc/x'"))
            .contains("/etc/x is there already")
    );
}

#[test]
fn a_volume_in_use_is_left_alone() {
    let host = host(&[]);
    let volume = ("volume-up.tar", "tar", "{ volume = 'up' }");
    answer(&host, "docker ps --quiet --filter volume=up", 0, "abc\n");
    assert!(told(&host, &keys(&[volume], "")).contains("containers that run have the volume up open"));
    answer(&host, "docker ps --quiet --filter volume=up", 0, "");
    answer(&host, "docker info --format {{.DockerRootDir}}", 0, "/var/lib/docker\n");
    answer(&host, "docker volume inspect --format {{.Mountpoint}} up", 1, "");
    expect![[r#"
        run docker volume create up
        run unpack volume-up.tar beside /var/lib/docker/volumes/up/_data
        run put it in the place of /var/lib/docker/volumes/up/_data
    "#]]
    .assert_eq(&told(&host, &keys(&[volume], "")));
}

#[test]
fn one_place_is_for_one_part() {
    let other = ("files-etc.tar", "tar", "{ path = '/etc/x', exclude = [] }");
    let refused = told(&host(&[]), &keys(&[TREE, other], "to = '/srv/x'"));
    assert!(refused.contains("choose one with parts: files-srv-shop.tar, files-etc.tar"), "{refused}");
    let refused = told(&host(&[]), &keys(&[TREE], "test = true\nreplace = true"));
    assert!(refused.contains("a test restores nothing"), "{refused}");
}

#[test]
fn no_password_is_kept_on_the_host() {
    let host = host(&[]);
    let part = ("postgres-shop.dump", "pg_dump", "{ database = 'postgresql://al@db/shop' }");
    let keys = keys(&[part], "database = 'postgres://al:hunter2@db/shop'");
    // Whether it is there cannot be asked of this host: the plan fails, and its words have no password.
    assert!(!told(&host, &keys).contains("hunter2"));
}
