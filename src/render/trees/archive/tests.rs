//! Archives as people make them, and as attackers do.

use super::*;
use crate::model::tree::pattern::Pattern;
use crate::render::contents::Contents;
use expect_test::expect;
use proptest::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// A member: its type, path, link target and bytes.
fn member(kind: u8, path: &str, target: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let fields = header.as_old_mut();
    fields.name[..path.len()].copy_from_slice(path.as_bytes());
    fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    fields.linkflag = [kind];
    header.set_size(content.len() as u64);
    header.set_mode(if kind == b'5' { 0o2755 } else { 0o4640 });
    header.set_cksum();
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [header.as_bytes(), content, &padding].concat()
}

fn file(path: &str, content: &str) -> Vec<u8> {
    member(b'0', path, "", content.as_bytes())
}

fn link(path: &str, target: &str) -> Vec<u8> {
    member(b'2', path, target, b"")
}

/// A PAX header: `KEY=VALUE` for what follows.
fn pax(kind: u8, records: &[&str]) -> Vec<u8> {
    let record = |text: &&str| {
        let length =
            (1..).find(|n: &usize| n.to_string().len() + 1 + text.len() + 1 == *n).expect("a length");
        format!("{length} {text}\n")
    };
    let content: String = records.iter().map(record).collect();
    member(kind, "pax", "", content.as_bytes())
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

fn read_with(bytes: &[u8], choice: &Choice, limits: &Limits) -> Result<(Tree, TreeContents), Why> {
    let spool = Spool::new(Path::new("/nowhere")).unwrap();
    let unpacked = unpacked(BufReader::new(io::Cursor::new(bytes.to_vec())))?;
    of_tar(unpacked, choice, spool, limits)
}

/// What is in it, a line each, or why it is refused.
fn told(bytes: &[u8], choice: &Choice) -> String {
    let (tree, contents) = match read_with(bytes, choice, &LIMITS) {
        Ok(read) => read,
        Err(why) => return why,
    };
    let contents = Contents { trees: vec![Arc::new(contents)], ..Contents::default() };
    let line = |entry: &Entry| match &entry.what {
        TreeNode::Dir => format!("{:o} {}/\n", entry.mode, entry.path),
        TreeNode::Link(target) => format!("{} -> {target}\n", entry.path),
        TreeNode::File(asset) => {
            let mut text = String::new();
            contents.open(&asset.digest).unwrap().read_to_string(&mut text).unwrap();
            format!("{:o} {} {text}\n", entry.mode, entry.path)
        }
    };
    tree.entries().iter().map(line).collect()
}

fn plain(members: &[Vec<u8>]) -> String {
    told(&archive(members), &Choice::default())
}

#[test]
fn files_folders_and_links_are_read() {
    let long = "x".repeat(120);
    let read = plain(&[
        member(b'5', "./", "", b""),
        member(b'5', "./app/", "", b""),
        file("./app/a", "A"),
        file("app/deep/b", "B"),
        link("app/link", "deep/../a"),
        member(b'1', "app/hard", "./app/a", b""),
        pax(b'g', &["comment=0123456789"]),
        pax(b'x', &[&format!("path=long/{long}"), "mtime=1.5"]),
        file("cut", "L"),
        member(b'L', "././@LongLink", "", b"gnu/long\0"),
        file("cut", "G"),
        file("app/a", "newer"),
    ]);
    let shown = read.replace(&long, "LONG");
    expect![[r#"
        755 app/
        640 app/a newer
        755 app/deep/
        640 app/deep/b B
        640 app/hard A
        app/link -> deep/../a
        755 gnu/
        640 gnu/long G
        755 long/
        640 long/LONG L
    "#]]
    .assert_eq(&shown);
}

#[test]
fn each_compression_gives_the_same() {
    let bytes = archive(&[file("a", "A")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&bytes[..], ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [bytes, gzip.finish().unwrap(), zstd] {
        assert_eq!(told(&packed, &Choice::default()), "640 a A\n");
    }
}

#[test]
fn what_is_left_out_and_stripped_is_not_read() {
    let members = [
        file("app-1.2/src/a", "A"),
        file("app-1.2/x.log", "L"),
        link("app-1.2/l", "src/a"),
        file("README", "R"),
    ];
    let exclude = vec![Pattern::try_from("*.log".to_string()).unwrap()];
    assert_eq!(
        told(&archive(&members), &Choice { exclude, strip: 1 }),
        "l -> src/a\n755 src/\n640 src/a A\n"
    );
    let out = [link("app/l", "../other/x")];
    let strip = Choice { strip: 1, ..Choice::default() };
    assert_eq!(told(&archive(&out), &strip), "l: it is a link to ../other/x: it leads out of the archive");
}

#[test]
fn hostile_archives_are_refused_and_say_why() {
    let deep =
        (0..60).map(|number| link(&format!("l{number}"), &format!("l{}", number + 1))).collect::<Vec<_>>();
    let mut truncated = archive(&[file("a", &"A".repeat(2000))]);
    truncated.truncate(1500);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive(&[file("a", "A")])).unwrap();
    let mut wrong_sum = gzip.finish().unwrap();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    let told: Vec<String> = [
        archive(&[file("../../etc/passwd", "x")]),
        archive(&[file("a/../../b", "x")]),
        archive(&[file("/etc/passwd", "x")]),
        archive(&[pax(b'x', &["path=../x"]), file("fine", "x")]),
        archive(&[member(b'L', "long", "", b"/etc/cron.d/x\0"), file("fine", "x")]),
        archive(&[link("out", "/etc"), file("out/cron.d/x", "x")]),
        archive(&[link("out", "../..")]),
        archive(&[link("a", "b/../.."), link("b", "c"), member(b'5', "c", "", b"")]),
        archive(&[pax(b'x', &["linkpath=../../etc"]), link("fine", "inside")]),
        archive(&[link("dir", "inside"), file("dir/x", "x")]),
        archive(&deep),
        archive(&[link("a", "")]),
        archive(&[member(b'1', "hard", "../../etc/shadow", b"")]),
        archive(&[member(b'1', "hard", "/etc/shadow", b"")]),
        archive(&[member(b'1', "hard", "nothing", b"")]),
        archive(&[member(b'3', "tty", "", b"")]),
        archive(&[member(b'4', "disk", "", b"")]),
        archive(&[member(b'6', "pipe", "", b"")]),
        archive(&[member(b'S', "sparse", "", b"")]),
        archive(&[member(b'Z', "odd", "", b"")]),
        archive(&[member(b'5', "dir", "", b"bytes")]),
        archive(&[file("a", "1"), link("a", "b")]),
        archive(&[member(b'5', "a", "", b""), file("a", "1")]),
        archive(&[file("a", "1"), file("a/b", "2")]),
        archive(&[pax(b'x', &["size=1024"]), file("a", "x")]),
        archive(&[pax(b'x', &["GNU.sparse.major=1"]), file("a", "x")]),
        archive(&[pax(b'g', &["path=one"]), file("a", "x"), file("b", "x")]),
        archive(&[member(b'x', "pax", "", b"99 path=a\n"), file("a", "x")]),
        archive(&[member(b'x', "pax", "", &vec![b'1'; 70_000]), file("a", "x")]),
        archive(&[pax(b'x', &["a=b"])]),
        archive(&[
            file(&"x".repeat(100), "x"),
            pax(b'x', &[&format!("path={}", "y".repeat(300))]),
            file("a", "x"),
        ]),
        truncated,
        file("a", "whole, but nothing says that it was all"),
        Vec::new(),
        wrong_sum,
        b"PK\x03\x04 and so on".to_vec(),
        b"\xfd7zXZ\x00".to_vec(),
        b"BZh91AY".to_vec(),
        vec![b'a'; 2048],
    ]
    .iter()
    .map(|bytes| told(bytes, &Choice::default()))
    .collect();
    expect![[r#"
        ../../etc/passwd: its path leads out of the archive
        a/../../b: its path leads out of the archive
        /etc/passwd: its path is absolute
        ../x: its path leads out of the archive
        /etc/cron.d/x: its path is absolute
        out: it is a link to /etc: it leads to an absolute path
        out: it is a link to ../..: it leads out of the archive
        a: it is a link to b/../..: it leads out of the archive
        fine: it is a link to ../../etc: it leads out of the archive
        put dir/x into the tree: dir above it is a link
        l0: it is a link to l1: it goes through too many other links
        a: a link whose target cannot exist
        hard: its hard link to ../../etc/shadow: its path leads out of the archive
        hard: its hard link to /etc/shadow: its path is absolute
        hard: it is a hard link to nothing, which is no file before it in the archive
        tty: it is a device
        disk: it is a device
        pipe: it is a pipe
        sparse: it is a sparse file, which is not read
        odd: it is of type 'Z', which is not read
        dir: it is no file and has bytes
        a: it is there twice, as file and as symbolic link
        a: it is there twice, as directory and as file
        put a/b into the tree: a above it is a file
        a: it claims two different sizes
        it holds a sparse file, which is not read
        a header gives all its files one path
        a header is malformed
        a header holds more than 65536 bytes, or there are too many of them
        it ends within a header
        yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy: its path or a name in it is longer than Linux allows
        a: some of its bytes are missing
        it was cut off: the end that every archive has is missing
        it was cut off: the end that every archive has is missing
        it cannot be read as a tar archive: corrupt gzip stream does not have a matching checksum
        it is a zip archive, which is not read
        it is compressed with xz, which is not read
        it is compressed with bzip2, which is not read
        it cannot be read as a tar archive: numeric field was not a number: aaaaaaaa when getting cksum for aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_disk() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&archive(&[file("zeros", &"\0".repeat(1 << 20))])).unwrap();
    let packed = gzip.finish().unwrap();
    assert!(packed.len() < 4096);
    let why = read_with(&packed, &Choice::default(), &Limits { unpacked: 100_000, ..LIMITS }).unwrap_err();
    assert!(why.contains("it unpacks to more than"), "{why}");
}

#[test]
fn an_archive_of_too_many_files_is_refused() {
    let many: Vec<_> = (0..5).map(|number| file(&format!("{number}"), "")).collect();
    let read = |members| read_with(&archive(&many), &Choice::default(), &Limits { members, ..LIMITS });
    assert!(read(5).is_ok());
    assert_eq!(read(4).unwrap_err(), "it holds too many files");
}

#[test]
fn a_file_is_read_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.tar");
    std::fs::write(&path, archive(&[file("a", "A")])).unwrap();
    let (tree, _) = read(&path, "files/app.tar", &Choice::default(), folder.path()).unwrap();
    assert_eq!((tree.entries().len(), tree.size()), (1, 1));
    std::fs::write(&path, archive(&[file("../a", "A")])).unwrap();
    let failure = read(&path, "files/app.tar", &Choice::default(), folder.path()).unwrap_err();
    expect![[r#"
        read the archive files/app.tar: ../a: its path leads out of the archive
          hint: nothing of it was used; a directory can be a source too"#]]
    .assert_eq(&failure.to_string());
}

/// An archive with one of everything.
fn sample() -> Vec<u8> {
    archive(&[
        member(b'5', "app", "", b""),
        file("app/a", "some text"),
        link("app/l", "a"),
        member(b'1', "app/h", "app/a", b""),
        pax(b'x', &["path=app/long", "size=3"]),
        file("cut", "abc"),
        member(b'L', "long", "", b"app/gnu\0"),
        file("cut", "G"),
        member(b'K', "long", "", b"app\0"),
        link("m", "cut"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_an_archive_leads_out_or_panics(changes in prop::collection::vec((0usize..9000, any::<u8>()), 1..8), fix: bool) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if fix {
            fix_sums(&mut bytes);
        }
        stays_inside(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>, kind in 0usize..4) {
        let magic: &[u8] = [&b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"././@LongLink"][kind];
        stays_inside(&[magic, &bytes].concat());
    }

    #[test]
    fn members_of_any_names_stay_inside(names in prop::collection::vec(("[./a-c]{0,9}", "[./a-c]{0,9}", prop::sample::select(&b"0125xLK"[..])), 0..12)) {
        let members: Vec<_> = names.iter().map(|(path, target, kind)| match kind {
            b'x' => pax(b'x', &[&format!("path={path}"), &format!("linkpath={target}")]),
            b'L' | b'K' => member(*kind, "long", "", path.as_bytes()),
            _ => member(*kind, path, target, b""),
        }).collect();
        stays_inside(&archive(&members));
    }
}

/// A mutation of a header would nearly always be found by its sum; with the right sum it gets further.
fn fix_sums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}

/// Whatever is read stays inside, on a real file system: it is laid out in a folder, and nothing appears beside it.
fn stays_inside(bytes: &[u8]) {
    let Ok((tree, contents)) = read_with(bytes, &Choice::default(), &Limits { unpacked: 1 << 24, ..LIMITS })
    else {
        return;
    };
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let contents = Contents { trees: vec![Arc::new(contents)], ..Contents::default() };
    for entry in tree.entries() {
        let path = folder.join(&entry.path);
        match &entry.what {
            TreeNode::Dir => std::fs::create_dir(&path).unwrap(),
            TreeNode::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            TreeNode::File(asset) => {
                let mut bytes = Vec::new();
                contents.open(&asset.digest).unwrap().read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, asset.size);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        if let Ok(real) = path.canonicalize() {
            assert!(real.starts_with(folder.canonicalize().unwrap()), "{} leads out", entry.path);
        }
    }
    assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 1);
}
