//! What other users on a host can do about paths that root works: links, hard links, and exchanges meanwhile.

use super::{Fixture, mode};
use crate::model::op::Meta;
use crate::system::FileKind;
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Another user.
const EVE: u32 = 4242;

/// `eve` belongs to that user, `root` to root, with a file in it that only root may read. `None` for who is not root.
fn two_owners(on: &Fixture) -> Option<()> {
    rustix::process::geteuid().is_root().then_some(())?;
    for name in ["eve", "eve/data", "root"] {
        fs::create_dir(on.real.join(name)).unwrap();
    }
    fs::write(on.real.join("root/secret"), "root's").unwrap();
    fs::write(on.real.join("eve/data/own"), "eve's").unwrap();
    for name in ["eve", "eve/data", "eve/data/own"] {
        chown(on.real.join(name), Some(EVE), Some(EVE)).unwrap();
    }
    Some(())
}

fn link(on: &Fixture, name: &str, target: PathBuf, owner: u32) {
    symlink(target, on.real.join(name)).unwrap();
    lchown(on.real.join(name), Some(owner), Some(owner)).unwrap();
}

/// What everything that can be done with a file and with a directory comes to.
fn attempts(on: &Fixture, file: &str, directory: &str) -> Vec<(&'static str, crate::model::Result<()>)> {
    let (file, inside) = (on.path(file), on.path(directory));
    let system = &on.system;
    let owner = Meta { owner: Some(EVE), ..Meta::default() };
    vec![
        ("read", system.read(&file).map(drop)),
        ("read a part", system.read_at(&file, 0, 10).map(drop)),
        ("digest", system.digest(&file).map(drop)),
        ("write", system.write(&file, &mut &b"new"[..], &Meta::default())),
        ("append", system.append(&file, b"new")),
        ("copy", system.copy(&file, &on.path("stolen"))),
        ("follow", system.follow(&file).map(drop)),
        ("list", system.list(&inside).map(drop)),
        ("look inside", system.stat(&inside.join("secret")).map(drop)),
        ("write inside", system.write(&inside.join("new"), &mut &b"new"[..], &Meta::default())),
        ("make a directory", system.make_dir(&inside.join("new"), &Meta::default())),
        ("own the directory", system.make_dir(&inside, &owner)),
        ("link", system.link(&inside.join("new"), &file)),
        ("give away", system.set_meta(&inside.join("secret"), &owner)),
        ("open up", system.set_meta(&inside.join("secret"), &mode(0o666))),
        ("remove", system.remove(&inside.join("secret"))),
        ("remove all", system.remove_all(&inside.join("secret"))),
        ("exchange", system.exchange(&inside.join("secret"), &on.path("eve/data"))),
    ]
}

fn roots_secret_is_as_it_was(on: &Fixture) {
    let secret = on.real.join("root/secret");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "root's");
    let stat = fs::metadata(&secret).unwrap();
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (0, 0o644));
    assert_eq!(fs::read_dir(on.real.join("root")).unwrap().count(), 1);
    assert_eq!(fs::metadata(on.real.join("root")).unwrap().uid(), 0);
    assert!(!on.real.join("stolen").exists());
}

pub fn a_users_link_does_not_reach_what_is_anothers(on: &Fixture) {
    let Some(()) = two_owners(on) else { return };
    link(on, "eve/app", on.path("root"), EVE);
    link(on, "eve/config", "../root/secret".into(), EVE);
    link(on, "eve/behind", "app/secret".into(), EVE);
    for file in ["eve/config", "eve/behind"] {
        for (what, result) in attempts(on, file, "eve/app") {
            let why = result.map_err(|failure| failure.to_string()).expect_err(what);
            assert!(why.contains("eve/") && why.contains("is a symbolic link"), "{what}: {why}");
            assert!(why.contains("uid 4242") && why.contains("belongs to root (uid 0)"), "{what}: {why}");
            assert!(why.contains("hint: "), "{what}: {why}");
        }
    }
    roots_secret_is_as_it_was(on);
    assert_eq!(on.stat("eve/app").unwrap().kind, FileKind::Link);
    on.system.remove(&on.path("eve/app")).unwrap();
    on.system.remove_all(&on.path("eve")).unwrap();
    roots_secret_is_as_it_was(on);
}

/// A link that nothing stands behind would make a file where the user could make none.
pub fn a_users_link_makes_nothing_in_a_directory_that_is_anothers(on: &Fixture) {
    let Some(()) = two_owners(on) else { return };
    link(on, "eve/new", on.path("root/new"), EVE);
    on.system.write(&on.path("eve/new"), &mut &b"new"[..], &Meta::default()).unwrap_err();
    on.system.append(&on.path("eve/new"), b"new").unwrap_err();
    on.system.make_dir(&on.path("eve/new"), &Meta::default()).unwrap_err();
    roots_secret_is_as_it_was(on);
    link(on, "eve/fine", "data/new".into(), EVE);
    on.write("eve/fine", "fine");
    assert_eq!(fs::read_to_string(on.real.join("eve/data/new")).unwrap(), "fine");
}

pub fn links_to_ones_own_things_and_links_of_root_are_followed(on: &Fixture) {
    let Some(()) = two_owners(on) else { return };
    link(on, "eve/relative", "data".into(), EVE);
    link(on, "eve/absolute", on.path("eve/data"), EVE);
    link(on, "roots", on.path("eve/relative"), 0);
    link(on, "up", on.path("eve/../root/../eve/data"), 0);
    link(on, "eve/made-by-root", "data/../data".into(), 0);
    for name in ["eve/relative", "eve/absolute", "roots", "up", "eve/made-by-root", "eve/data/../absolute"] {
        on.write(format!("{name}/file"), name);
        assert_eq!(on.read("eve/data/file"), name.as_bytes());
        assert_eq!(on.read(format!("{name}/own")), b"eve's");
        assert!(on.system.list(&on.path(name)).unwrap().contains(&"file".into()));
        on.system.set_meta(&on.path(format!("{name}/file")), &mode(0o640)).unwrap();
        on.system.remove(&on.path(format!("{name}/file"))).unwrap();
    }
}

/// Whoever owns a directory can give a link of root's in it any name there.
pub fn a_link_of_root_in_a_users_directory_does_not_leave_it(on: &Fixture) {
    let Some(()) = two_owners(on) else { return };
    link(on, "eve/app", on.path("root"), 0);
    let why = on.system.read(&on.path("eve/app/secret")).unwrap_err().to_string();
    assert!(why.contains("/eve, which belongs to uid 4242") || why.contains("(uid 4242)"), "{why}");
    on.system.write(&on.path("eve/app/secret"), &mut &b""[..], &Meta::default()).unwrap_err();
    roots_secret_is_as_it_was(on);
}

pub fn a_hard_link_to_what_is_anothers_is_not_worked(on: &Fixture) {
    let Some(()) = two_owners(on) else { return };
    fs::hard_link(on.real.join("root/secret"), on.real.join("eve/notes")).unwrap();
    let path = on.path("eve/notes");
    let owner = Meta { owner: Some(EVE), ..Meta::default() };
    let results = [
        on.system.read(&path).map(drop),
        on.system.read_at(&path, 0, 10).map(drop),
        on.system.digest(&path).map(drop),
        on.system.write(&path, &mut &b"new"[..], &owner),
        on.system.append(&path, b"new"),
        on.system.copy(&path, &on.path("stolen")),
        on.system.set_meta(&path, &owner),
        on.system.set_meta(&path, &mode(0o666)),
        on.system.refuse_change(&path),
    ];
    for result in results {
        let why = result.unwrap_err().to_string();
        assert!(why.contains("eve/notes is a hard link to a file that belongs to root (uid 0)"), "{why}");
    }
    roots_secret_is_as_it_was(on);
    on.system.remove(&path).unwrap();
    roots_secret_is_as_it_was(on);
    fs::hard_link(on.real.join("root/secret"), on.real.join("again")).unwrap();
    on.system.set_meta(&on.path("again"), &mode(0o644)).unwrap();
    assert_eq!(on.read("again"), b"root's");
    on.write("again", "new");
    assert_eq!(fs::read_to_string(on.real.join("again")).unwrap(), "new");
    fs::remove_file(on.real.join("again")).unwrap();
    fs::remove_file(on.real.join("root/secret")).unwrap();
}

/// While a tree is removed, its owner exchanges a directory in it for a link to one of root's, again and again.
pub fn what_is_exchanged_meanwhile_is_not_emptied(on: &Fixture) {
    let outside = on.real.join("root");
    let (tree, aside) = (on.real.join("tree"), on.real.join("aside"));
    fs::create_dir(&outside).unwrap();
    (0..20).for_each(|number| fs::write(outside.join(number.to_string()), "root's").unwrap());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                let _not_there_now =
                    rustix::fs::renameat_with(CWD, tree.join("sub"), CWD, &aside, RenameFlags::EXCHANGE);
            }
        });
        for _ in 0..on.races {
            fs::create_dir_all(tree.join("sub")).unwrap();
            (0..5).for_each(|number| drop(fs::write(tree.join("sub").join(number.to_string()), "")));
            if aside.symlink_metadata().is_err() {
                symlink(&outside, &aside).unwrap();
            }
            // That it fails when too much changes meanwhile is fine.
            let _ended = on.system.remove_all(&on.path("tree"));
        }
        ended.store(true, Ordering::SeqCst);
    });
    let left =
        fs::read_dir(&outside).unwrap().filter(|entry| entry.as_ref().unwrap().path().exists()).count();
    assert!(left >= 20, "{left} of 20 are left");
}
