//! A real disk and real processes.

use super::{Fixture, mode, why};
use crate::model::attributes::{Attributes, Modified};
use crate::model::op::{Answer, Command, Condition, HttpCheck, Meta};
use crate::system::{Lock, READ_LIMIT};
use rustix::fs::XattrFlags;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A generous bound for things that must not take long.
pub const SOON: Duration = Duration::from_secs(20);

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn run(on: &Fixture, argv: &[&str]) -> Answer {
    on.system.run(&Command::new(argv.iter().copied())).unwrap()
}

pub fn sh(on: &Fixture, script: &str) -> Answer {
    run(on, &["sh", "-c", script])
}

pub fn owners_are_kept_and_set(on: &Fixture) {
    if !is_root() {
        return;
    }
    let meta = Meta { owner: Some(1234), group: Some(5678), mode: Some(0o4750) };
    on.write_as("file", "old", meta.clone());
    on.write("file", "new");
    assert_eq!(on.stat("file").unwrap().meta(), meta);
    on.system.make_dir(&on.path("dir"), &meta).unwrap();
    assert_eq!(on.stat("dir").unwrap().meta(), meta);
    on.link("link", "file");
    on.system.set_meta(&on.path("link"), &Meta { owner: Some(77), ..Meta::default() }).unwrap();
    assert_eq!((on.stat("link").unwrap().owner, on.stat("file").unwrap().owner), (77, 1234));
}

/// A small file system over the fixture's directory, for as long as it lives.
struct Mounted<'a>(&'a Fixture);

impl<'a> Mounted<'a> {
    fn small(on: &'a Fixture) -> Option<Self> {
        let mounted = is_root() && outside(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"], &on.real);
        mounted.then_some(Mounted(on))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        outside(&["umount", "-l"], &self.0.real);
    }
}

pub fn outside(argv: &[&str], path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test prepares the host from outside")]
    let status = std::process::Command::new(argv[0])
        .args(&argv[1..])
        .arg(path)
        .stderr(std::process::Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

pub fn a_full_disk_leaves_the_old_file(on: &Fixture) {
    let Some(_mounted) = Mounted::small(on) else { return };
    on.write("file", "old");
    let large = vec![7; 200_000];
    let failure = on.system.write(&on.path("file"), &mut &large[..], &Meta::default()).unwrap_err();
    assert_eq!(failure.why, "no space left on device");
    assert!(failure.hint.is_some());
    assert_eq!(on.read("file"), b"old");
    assert_eq!(on.list(), ["file"]);
    on.system.append(&on.path("file"), &large).unwrap_err();
    assert_eq!(on.read("file"), b"old");
    assert_eq!(run(on, &["echo", "still works"]).text(), "still works");
}

pub fn a_read_only_disk_is_named(on: &Fixture) {
    let Some(_mounted) = Mounted::small(on) else { return };
    on.write("file", "old");
    assert!(outside(&["mount", "-o", "remount,ro"], &on.real));
    assert_eq!(
        why(on.system.write(&on.path("file"), &mut &b"new"[..], &Meta::default())),
        "read-only file system"
    );
    assert_eq!(why(on.system.remove(&on.path("file"))), "read-only file system");
    assert_eq!(on.read("file"), b"old");
}

pub fn a_link_has_no_mode(on: &Fixture) {
    on.write_as("file", "x", mode(0o600));
    on.link("link", "file");
    on.system.set_meta(&on.path("link"), &mode(0o777)).unwrap_err();
    assert_eq!(on.stat("file").unwrap().mode, 0o600);
}

pub fn a_directory_is_not_entered_by_a_link(on: &Fixture) {
    on.dir("dir");
    on.link("link", "dir");
    on.link("link", "elsewhere");
    assert_eq!(on.stat("link").unwrap().target.as_deref(), Some(Path::new("elsewhere")));
    assert_eq!(on.system.list(&on.path("dir")).unwrap().len(), 0);
    on.system.link(&on.path("dir"), Path::new("elsewhere")).unwrap_err();
    assert_eq!(on.system.list(&on.path("dir")).unwrap().len(), 0);
    assert_eq!(on.list(), ["dir", "link"]);
}

pub fn appended_files_are_private(on: &Fixture) {
    on.system.append(&on.path("log"), b"x").unwrap();
    assert_eq!(on.stat("log").unwrap().mode, 0o600);
}

pub fn the_umask_does_not_matter(on: &Fixture) {
    // The umask belongs to the whole test process, so it is left alone; modes beyond every usual umask tell as well.
    on.write_as("file", "x", mode(0o666));
    on.system.make_dir(&on.path("dir"), &mode(0o777)).unwrap();
    assert_eq!((on.stat("file").unwrap().mode, on.stat("dir").unwrap().mode), (0o666, 0o777));
}

pub fn a_large_read_is_refused(on: &Fixture) {
    fs::File::create(on.real.join("huge")).unwrap().set_len(READ_LIMIT + 1).unwrap();
    assert!(why(on.system.read(&on.path("huge"))).contains("16 MiB"));
    assert_eq!(on.system.read_at(&on.path("huge"), READ_LIMIT, 10).unwrap(), [0]);
    assert!(on.system.digest(&on.path("huge")).unwrap().is_some());
}

pub fn attributes_are_kept(on: &Fixture) {
    on.write("file", "old");
    let real = on.real.join("file");
    if !on.keeps_attributes {
        return;
    }
    if rustix::fs::setxattr(&real, "user.windlass", b"kept\0", XattrFlags::empty()).is_err() {
        return;
    }
    on.write("file", "new");
    let mut value = [0; 16];
    assert_eq!(rustix::fs::getxattr(&real, "user.windlass", &mut value[..]), Ok(5));
    assert_eq!(fs::read(&real).unwrap(), b"new");
}

pub fn attributes_and_times_are_seen_and_set(on: &Fixture) {
    on.write("file", "old");
    let (real, path) = (on.real.join("file"), on.path("file"));
    let set = |name, value: &[u8]| rustix::fs::setxattr(&real, name, value, XattrFlags::empty());
    if set("user.windlass", b"\0 \xff").is_err() || set("user.empty", b"").is_err() {
        return;
    }
    let details = on.system.details(&path).unwrap();
    assert_eq!(details.stat, on.stat("file"));
    assert_eq!(details.around, on.system.details(&on.folder).unwrap().modified);
    let attributes = details.attributes.unwrap();
    assert!(attributes.has("user.windlass") && attributes.has("user.empty"), "{attributes:?}");

    set("user.windlass", b"other").unwrap();
    set("user.other", b"1").unwrap();
    on.system.set_attributes(&path, &attributes).unwrap();
    on.system.set_modified(&path, Modified(1_000_000_000, 0)).unwrap();
    let again = on.system.details(&path).unwrap();
    assert_eq!((again.attributes, again.modified), (Some(attributes), Some(Modified(1_000_000_000, 0))));
    on.system.set_attributes(&path, &Attributes::default()).unwrap();
    assert!(on.system.details(&path).unwrap().attributes.unwrap().is_empty());
}

pub fn links_and_directories_have_times(on: &Fixture) {
    on.dir("directory");
    on.write("directory/file", "");
    on.link("link", "directory");
    on.system
        .together(None, &mut || {
            on.system.set_modified(&on.path("directory"), Modified(1_000_000_000, 0))?;
            on.system.set_modified(&on.path("link"), Modified(1_100_000_000, 0))?;
            on.system.set_modified(&on.path("missing"), Modified(1, 0))
        })
        .unwrap();
    let modified = |name: &str| on.system.details(&on.path(name)).unwrap().modified;
    assert_eq!(modified("directory"), Some(Modified(1_000_000_000, 0)));
    assert_eq!(modified("link"), Some(Modified(1_100_000_000, 0)));
    assert_eq!(modified("missing"), None);
    assert_eq!(on.system.details(&on.path("directory/file")).unwrap().around, modified("directory"));
}

pub fn a_file_with_two_names_is_put_back_as_itself(on: &Fixture) {
    on.write("file", "old");
    on.dir("undo");
    fs::hard_link(on.real.join("file"), on.real.join("other")).unwrap();
    assert!(on.system.details(&on.path("file")).unwrap().is_shared);
    assert!(on.system.keep_file(&on.path("file"), &on.path("undo/kept")).unwrap());
    on.write("file", "new");
    on.system.put_back(&on.path("file"), &on.path("undo/kept")).unwrap();
    let inode = |name: &str| fs::metadata(on.real.join(name)).unwrap().ino();
    assert_eq!((inode("file"), on.read("file")), (inode("other"), b"old".to_vec()));
    assert_eq!(on.stat("undo/kept"), None);
    // Nothing has replaced it: only its kept name goes.
    assert!(on.system.keep_file(&on.path("file"), &on.path("undo/kept")).unwrap());
    on.system.put_back(&on.path("file"), &on.path("undo/kept")).unwrap();
    assert_eq!((on.read("file"), on.stat("undo/kept")), (b"old".to_vec(), None));
}

pub fn nothing_is_left_behind_by_writes(on: &Fixture) {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the controller went away"))
        }
    }
    on.write("file", "old");
    let failure =
        on.system.write(&on.path("file"), &mut b"half".chain(Broken), &Meta::default()).unwrap_err();
    assert_eq!(failure.why, "its new content cannot be read: the controller went away");
    on.write("n".repeat(250), "long name");
    assert_eq!(on.list(), ["file".to_string(), "n".repeat(250)]);
    assert_eq!(on.read("file"), b"old");
}

pub fn a_lock_is_held_once(on: &Fixture) {
    assert_eq!(on.system.lock(&on.path("lock"), "alice@laptop run 1").unwrap(), Lock::Ours);
    let theirs = Lock::Theirs("alice@laptop run 1".into());
    assert_eq!(on.system.lock(&on.path("lock"), "bob").unwrap(), theirs);
    // What a lock-holder starts must not hold the lock when it lives on.
    assert!(sh(on, "sleep 5 </dev/null >/dev/null 2>&1 &").ok());
    assert_eq!(on.system.lock(&on.path("other"), "bob").unwrap(), Lock::Ours);
}

/// Answers each connection once with the same bytes; its port.
fn server(answer: &'static str, times: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(times) {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 1024];
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(n) if n > 0 => request.extend_from_slice(&chunk[..n]),
                    _ => break,
                }
            }
            // A port check has gone again by now.
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    port
}

pub fn ports_are_observed(on: &Fixture) {
    let port = server("", 8);
    let observe =
        |port, open| on.system.observe(&Condition::Port { host: "127.0.0.1".into(), port, open }).unwrap();
    let seen = observe(port, true);
    assert_eq!((seen.holds, seen.seen), (true, format!("127.0.0.1:{port} accepts connections")));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let seen = observe(free, true);
    assert_eq!((seen.holds, seen.seen), (false, format!("127.0.0.1:{free} refused the connection")));
    assert!(observe(free, false).holds);
}

pub fn http_is_observed(on: &Fixture) {
    let port =
        server("HTTP/1.1 200 OK\r\nX-Is: here\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 2);
    let mut check = HttpCheck {
        url: format!("http://127.0.0.1:{port}/health"),
        method: "GET".into(),
        headers: BTreeMap::new(),
        body: None,
        status: vec![200],
        matches: Some("^ok$".into()),
        timeout: Duration::from_secs(10),
    };
    let seen = on.system.observe(&Condition::Http(Box::new(check.clone()))).unwrap();
    assert_eq!((seen.holds, seen.seen), (true, format!("{} answered 200", check.url)));
    assert_eq!(seen.details["body"], "ok");
    assert_eq!(seen.details["headers"]["x-is"], "here");
    check.status = vec![204, 301];
    let seen = on.system.observe(&Condition::Http(Box::new(check.clone()))).unwrap();
    assert_eq!((seen.holds, seen.seen), (false, format!("{} answered 200, not 204 or 301", check.url)));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    check.url = format!("http://127.0.0.1:{free}/");
    let seen = on.system.observe(&Condition::Http(Box::new(check))).unwrap();
    assert_eq!((seen.holds, &seen.details["status"]), (false, &0.into()));
}

pub fn commands_are_observed(on: &Fixture) {
    let observe = |argv: &[&str]| {
        let command = Command::new(argv.iter().copied());
        on.system.observe(&Condition::Succeeds { command }).unwrap()
    };
    assert!(observe(&["true"]).holds);
    let seen = observe(&["sh", "-c", "echo not ready >&2; exit 3"]);
    assert_eq!(
        (seen.holds, seen.seen.as_str()),
        (false, "sh -c 'echo not ready >&2; exit 3' exited 3: not ready")
    );
    assert_eq!(seen.details["status"], 3);
}
