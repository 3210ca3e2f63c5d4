//! Files, directories and links, as seen through the traits alone.

use super::{Fixture, mode, why};
use crate::model::digest::Digest;
use crate::model::op::{Condition, Meta};
use crate::system::FileKind;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Names that a careless shell, or a careless reader of lists, would stumble over.
const ODD_NAMES: [&[u8]; 12] = [
    b"two words",
    b" lead and trail ",
    b"it's \"quoted\"",
    b"line\nbreak\n",
    b".hidden",
    b"-rf",
    b"caf\xe9 \xff",
    b"$(touch pwned)`touch pwned`",
    b"back\\slash \\0101 \\c",
    b"*?[a]",
    b"100%s %d",
    b"a=b;c&d|e>f",
];

pub fn nothing_is_there_at_first(on: &Fixture) {
    assert_eq!(on.stat("nothing"), None);
    assert_eq!(on.system.read(&on.path("nothing")).unwrap(), None);
    assert_eq!(on.system.digest(&on.path("nothing/below")).unwrap(), None);
    assert!(on.system.list(&on.path("nothing")).is_err());
    on.system.remove(&on.path("nothing")).unwrap();
    on.system.remove(&on.path("nothing/below")).unwrap();
}

pub fn content_comes_back_byte_for_byte(on: &Fixture) {
    let all: Vec<u8> = (0..=255).cycle().take(1000).collect();
    for content in [&b""[..], b"\0", b"no newline", b"one\n", b"\n\n", b"crlf\r\n", b"-n \\c %s", &all] {
        on.write("file", content);
        assert_eq!(on.read("file"), content);
        assert_eq!(on.stat("file").unwrap().size, content.len() as u64);
    }
}

pub fn a_large_file_comes_back(on: &Fixture) {
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    on.write("large", &content);
    assert!(on.read("large") == content);
}

pub fn odd_names_are_only_names(on: &Fixture) {
    for name in ODD_NAMES.map(OsStr::from_bytes) {
        on.write(name, name.as_bytes());
        assert_eq!(on.read(name), name.as_bytes());
        assert_eq!(on.stat(name).unwrap().kind, FileKind::File);
        assert_eq!(on.system.list(&on.folder).unwrap(), [name]);
        on.link("link", name);
        assert_eq!(on.stat("link").unwrap().target.unwrap(), name);
        on.system.remove(&on.path("link")).unwrap();
        on.system.remove(&on.path(name)).unwrap();
        on.dir(name);
        on.write(Path::new(name).join("inside"), "x");
        on.system.remove(&on.path(name).join("inside")).unwrap();
        on.system.remove(&on.path(name)).unwrap();
    }
}

pub fn new_things_have_the_usual_modes(on: &Fixture) {
    on.write("file", "x");
    on.dir("dir");
    assert_eq!(on.stat("file").unwrap().mode, 0o644);
    assert_eq!(on.stat("dir").unwrap().mode, 0o755);
}

pub fn a_mode_can_be_asked_for(on: &Fixture) {
    on.write_as("file", "x", mode(0o640));
    assert_eq!(on.stat("file").unwrap().mode, 0o640);
    on.system.set_meta(&on.path("file"), &mode(0o4755)).unwrap();
    assert_eq!(on.stat("file").unwrap().mode, 0o4755);
    on.system.make_dir(&on.path("dir"), &mode(0o1777)).unwrap();
    assert_eq!(on.stat("dir").unwrap().mode, 0o1777);
}

pub fn a_replaced_file_keeps_its_mode(on: &Fixture) {
    on.write_as("file", "old", mode(0o2750));
    on.write("file", "new");
    assert_eq!(on.stat("file").unwrap().mode, 0o2750);
    on.write_as("file", "new", mode(0o600));
    assert_eq!(on.stat("file").unwrap().mode, 0o600);
}

pub fn a_directory_is_made_once(on: &Fixture) {
    on.system.make_dir(&on.path("dir"), &mode(0o700)).unwrap();
    on.write("dir/file", "kept");
    on.dir("dir");
    assert_eq!(on.stat("dir").unwrap().mode, 0o700);
    on.system.make_dir(&on.path("dir"), &mode(0o711)).unwrap();
    assert_eq!(on.stat("dir").unwrap().mode, 0o711);
    assert_eq!(on.read("dir/file"), b"kept");
}

pub fn a_file_is_no_directory(on: &Fixture) {
    on.write("file", "x");
    assert!(on.system.make_dir(&on.path("file"), &Meta::default()).is_err());
    assert!(on.system.write(&on.path("file/below"), &mut &b""[..], &Meta::default()).is_err());
    assert_eq!(on.stat("file/below"), None);
    assert_eq!(on.read("file"), b"x");
}

pub fn a_directory_is_no_file(on: &Fixture) {
    on.dir("dir");
    assert!(on.system.write(&on.path("dir"), &mut &b""[..], &Meta::default()).is_err());
    assert_eq!(on.list(), ["dir"]);
}

pub fn parents_are_not_made(on: &Fixture) {
    assert!(on.system.write(&on.path("a/b"), &mut &b""[..], &Meta::default()).is_err());
    assert!(on.system.make_dir(&on.path("a/b"), &Meta::default()).is_err());
    assert!(on.system.link(&on.path("a/b"), Path::new("c")).is_err());
    assert_eq!(on.stat("a"), None);
}

pub fn links_tell_their_target(on: &Fixture) {
    on.write("file", "x");
    on.link("link", "file");
    let stat = on.stat("link").unwrap();
    assert_eq!((stat.kind, stat.target.as_deref()), (FileKind::Link, Some(Path::new("file"))));
    assert_eq!(on.read("link"), b"x");
}

pub fn links_are_replaced(on: &Fixture) {
    on.write("file", "x");
    on.link("file", "one");
    on.link("file", "two");
    assert_eq!(on.stat("file").unwrap().target.as_deref(), Some(Path::new("two")));
    assert_eq!(on.list(), ["file"]);
}

pub fn a_linked_file_is_replaced_where_it_is(on: &Fixture) {
    on.dir("dir");
    on.write("dir/file", "old");
    on.link("one", "two");
    on.link("two", on.path("dir/file"));
    on.write("one", "new");
    assert_eq!(on.read("dir/file"), b"new");
    assert_eq!(on.stat("one").unwrap().kind, FileKind::Link);
    on.link("through", "dir");
    on.write("through/file", "newer");
    assert_eq!(on.read("dir/file"), b"newer");
}

pub fn a_dangling_link_holds_nothing(on: &Fixture) {
    on.link("link", "nowhere");
    assert_eq!(on.system.read(&on.path("link")).unwrap(), None);
    assert_eq!(on.system.digest(&on.path("link")).unwrap(), None);
    on.write("link", "made");
    assert_eq!(on.read("nowhere"), b"made");
}

pub fn a_loop_of_links_is_a_failure(on: &Fixture) {
    on.link("one", "two");
    on.link("two", "one");
    assert_eq!(on.stat("one").unwrap().kind, FileKind::Link);
    assert!(on.system.read(&on.path("one")).is_err());
    assert!(on.system.write(&on.path("one"), &mut &b""[..], &Meta::default()).is_err());
}

pub fn links_can_be_removed(on: &Fixture) {
    on.dir("dir");
    on.link("link", "dir");
    on.system.remove(&on.path("link")).unwrap();
    assert_eq!(on.list(), ["dir"]);
}

pub fn removing_is_not_recursive(on: &Fixture) {
    on.dir("dir");
    on.write("dir/file", "x");
    assert!(why(on.system.remove(&on.path("dir"))).contains("not empty"));
    on.system.remove(&on.path("dir/file")).unwrap();
    on.system.remove(&on.path("dir")).unwrap();
    assert_eq!(on.stat("dir"), None);
}

pub fn a_whole_directory_is_removed(on: &Fixture) {
    on.write("kept", "x");
    on.dir("dir");
    on.dir("dir/.deep");
    on.write("dir/.deep/two words", "x");
    on.write("dir/-rf", "x");
    on.link("dir/.deep/link", on.path("kept"));
    on.link("dir/up", on.path(""));
    on.system.remove_all(&on.path("dir")).unwrap();
    on.system.remove_all(&on.path("dir")).unwrap();
    assert_eq!(on.list(), ["kept"]);
    on.link("link", "kept");
    on.system.remove_all(&on.path("link")).unwrap();
    assert_eq!(on.read("kept"), b"x");
}

pub fn a_part_can_be_read(on: &Fixture) {
    let content: Vec<u8> = (0..20_000u32).map(|n| (n % 251) as u8).collect();
    on.write("file", &content);
    let part = |offset: usize, length| on.system.read_at(&on.path("file"), offset as u64, length).unwrap();
    for (offset, length) in [(0, 10), (4095, 2), (4096, 4096), (5000, 9000), (19_999, 10), (20_000, 1)] {
        assert_eq!(
            part(offset, length),
            content[offset..content.len().min(offset + length)],
            "{offset}+{length}"
        );
    }
    assert_eq!(part(1_000_000, 5), b"");
}

pub fn digests_agree(on: &Fixture) {
    on.write("file", b"some\0bytes");
    on.link("link", "file");
    assert_eq!(on.system.digest(&on.path("link")).unwrap(), Some(Digest::of(b"some\0bytes")));
}

pub fn a_copy_is_private(on: &Fixture) {
    on.write_as("from", b"a\0b", mode(0o755));
    on.system.copy(&on.path("from"), &on.path("to")).unwrap();
    assert_eq!(on.read("to"), b"a\0b");
    assert_eq!(on.stat("to").unwrap().mode, 0o600);
}

pub fn a_file_is_written_from_another_one(on: &Fixture) {
    on.write_as("from", b"a\0b", mode(0o600));
    on.write_as("to", b"old", mode(0o755));
    on.system.write_copy(&on.path("to"), &on.path("from"), &Meta::default()).unwrap();
    assert_eq!((on.read("to"), on.stat("to").unwrap().mode), (b"a\0b".to_vec(), 0o755));
    assert!(on.system.write_copy(&on.path("to"), &on.path("none"), &Meta::default()).is_err());
    assert_eq!(on.read("to"), b"a\0b");
}

pub fn bytes_are_appended(on: &Fixture) {
    on.write("log", "one\n");
    on.system.append(&on.path("log"), b"two\0\n").unwrap();
    on.system.append(&on.path("log"), b"").unwrap();
    on.system.append(&on.path("new"), b"three").unwrap();
    assert_eq!(on.read("log"), b"one\ntwo\0\n");
    assert_eq!(on.read("new"), b"three");
}

pub fn names_are_sorted(on: &Fixture) {
    for name in ["b", "a", "B", ".c", "..d"] {
        on.write(name, "");
    }
    assert_eq!(on.list(), ["..d", ".c", "B", "a", "b"]);
}

pub fn paths_and_matches_are_observed(on: &Fixture) {
    on.write("file", "listen 80;\n");
    let path = on.path("file").into();
    let holds = |condition| on.system.observe(&condition).unwrap().holds;
    assert!(holds(Condition::Path { path, exists: true }));
    assert!(holds(Condition::Path { path: on.path("nothing").into(), exists: false }));
    let matches = |name: &str, pattern: &str| Condition::Matches {
        path: on.path(name).into(),
        pattern: pattern.into(),
    };
    assert!(holds(matches("file", "(?m)^listen [0-9]+;$")));
    assert!(!holds(matches("file", "server")));
    assert!(!holds(matches("nothing", "x")));
}

pub fn many_changes_are_made_together(on: &Fixture) {
    on.write("old", "old");
    on.write("gone", "");
    let files: Vec<String> = (0..12).map(|number| format!("dir/{number}")).collect();
    on.system
        .together(None, &mut || {
            on.dir("dir");
            on.write("old", "new");
            files.iter().for_each(|file| on.write(file, file));
            on.link("link", "dir/1");
            on.system.remove(&on.path("gone"))
        })
        .unwrap();
    assert_eq!(on.list(), ["dir", "link", "old"]);
    assert_eq!(on.read("old"), b"new");
    assert_eq!(on.system.list(&on.path("dir")).unwrap().len(), 12);
    assert!(files.iter().all(|file| on.read(file) == file.as_bytes()));
}

pub fn two_paths_change_places(on: &Fixture) {
    on.dir("app");
    on.write("app/in it", "old");
    on.dir("release");
    on.write("release/in it", "new");
    on.link("link", on.path("release"));
    on.system.exchange(&on.path("app"), &on.path("link")).unwrap();
    assert_eq!(on.stat("app").unwrap().target, Some(on.path("release")));
    assert_eq!((on.read("app/in it"), on.read("link/in it")), (b"new".to_vec(), b"old".to_vec()));
    assert!(on.system.exchange(&on.path("app"), &on.path("none")).is_err());
    assert_eq!(on.list(), ["app", "link", "release"]);
}
