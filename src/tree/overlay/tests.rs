//! An overlay on a pretended host: state before, a tree, what is done, what is left.

use crate::model::Result;
use crate::model::op::Meta;
use crate::system::pretend::Pretend;
use crate::system::{Probe, System};
use crate::testing::{apply, host, text, tree};
use expect_test::expect;
use std::path::Path;

/// Lays files over `/d`.
fn lay_with(host: &Pretend<'_>, files: &[(&str, &str)], more: &str) -> Result<String> {
    let source = tree("app", files);
    apply(host, "overlay", &format!("source = {source}\ndest = '/d'\n{more}"))
}

fn lay(host: &Pretend<'_>, files: &[(&str, &str)]) -> String {
    lay_with(host, files, "").unwrap()
}

fn exists(host: &Pretend<'_>, path: &str) -> bool {
    host.stat(Path::new(path)).unwrap().is_some()
}

fn write(host: &Pretend<'_>, path: &str, text: &str) {
    host.write(Path::new(path), &mut text.as_bytes(), &Meta::default()).unwrap();
}

#[test]
fn only_what_differs_is_written() {
    let host = host(&[("/d/same", "S"), ("/d/other", "old!"), ("/d/own", "own")]);
    let told = lay(
        &host,
        &[("same", "S"), ("other", "new!"), ("sub/dir/new", "N"), ("link -> same", ""), ("empty/", "")],
    );
    expect![[r#"
        make directory /d/empty
        make directory /d/sub
        make directory /d/sub/dir
        write /d/other
        write /d/sub/dir/new
        link /d/link to same
    "#]]
    .assert_eq(&told);
    assert_eq!((text(&host, "/d/other"), text(&host, "/d/own")), ("new!".to_string(), "own".to_string()));
    assert_eq!(
        lay(
            &host,
            &[("same", "S"), ("other", "new!"), ("sub/dir/new", "N"), ("link -> same", ""), ("empty/", "")]
        ),
        ""
    );
}

#[test]
fn a_missing_folder_is_made_and_a_link_to_one_followed() {
    let host = host(&[("/releases/3/a", "old")]);
    host.link(Path::new("/d"), Path::new("releases/3")).unwrap();
    assert_eq!(lay(&host, &[("a", "new")]), "write /releases/3/a\n");
    host.remove(Path::new("/d")).unwrap();
    assert_eq!(lay(&host, &[("a", "new")]), "make directory /d\nwrite /d/a\n");
}

#[test]
fn what_was_put_there_goes_with_the_source_and_nothing_else_does() {
    let host = host(&[("/d/was-there", "before"), ("/d/found", "F")]);
    lay(
        &host,
        &[("was-there", "after"), ("found", "F"), ("sub/a", "A"), ("sub/deep/b", "B"), ("l -> sub/a", "")],
    );
    write(&host, "/d/sub/own", "own");
    expect![[r#"
        remove /d/l
        remove /d/sub/a
        remove /d/sub/deep/b
        remove directory /d/sub/deep
    "#]]
    .assert_eq(&lay(&host, &[]));
    assert_eq!(text(&host, "/d/was-there"), "after");
    assert!(exists(&host, "/d/found") && exists(&host, "/d/sub/own"));
    assert_eq!(lay(&host, &[]), "");
}

#[test]
fn what_was_edited_since_stays() {
    let host = host(&[]);
    lay(&host, &[("a", "A"), ("b", "B"), ("c -> a", "")]);
    write(&host, "/d/a", "edited");
    host.link(Path::new("/d/c"), Path::new("b")).unwrap();
    assert_eq!(lay(&host, &[]), "remove /d/b\n");
    assert_eq!(text(&host, "/d/a"), "edited");
    assert!(exists(&host, "/d/c"));
}

#[test]
fn what_was_edited_since_is_replaced_with_a_copy_kept_or_refused() {
    let edited = || {
        let host = host(&[]);
        lay(&host, &[("sub/a", "A"), ("b", "B")]);
        write(&host, "/d/sub/a", "by hand");
        host
    };
    let (next, memory) = ([("sub/a", "A2"), ("b", "B")], crate::testing::brought().memory);
    let host = edited();
    let told = lay(&host, &next);
    let copy = memory.join("edited").join(crate::testing::brought().run.as_str()).join("d/sub/a");
    assert!(told.contains(&format!("write {}\n", copy.display())), "{told}");
    assert_eq!(
        (text(&host, copy.to_str().unwrap()).as_str(), text(&host, "/d/sub/a").as_str()),
        ("by hand", "A2")
    );
    let host = edited();
    assert_eq!(lay_with(&host, &next, "edited = 'keep'").unwrap(), "");
    assert_eq!(lay_with(&host, &next, "edited = 'keep'").unwrap(), "");
    let refused = lay_with(&host, &next, "edited = 'fail'").unwrap_err().to_string();
    assert!(refused.contains("/d/sub/a was edited on the host since an earlier run"), "{refused}");
    assert_eq!(text(&host, "/d/sub/a"), "by hand");
    let host = edited();
    let unedited = lay(&host, &[("sub/a", "by hand"), ("b", "B2")]);
    assert!(!unedited.contains("edited"), "{unedited}");
}

#[test]
fn what_is_excluded_is_neither_written_nor_removed() {
    let host = host(&[]);
    lay(&host, &[("a", "A"), ("keep/b", "B")]);
    assert_eq!(lay_with(&host, &[], "exclude = ['keep']").unwrap(), "remove /d/a\n");
    assert!(exists(&host, "/d/keep/b"));
    assert_eq!(lay(&host, &[]), "remove /d/keep/b\nremove directory /d/keep\n", "it is still known");
}

#[test]
fn each_overlay_removes_only_its_own() {
    let host = host(&[]);
    lay(&host, &[("a", "A")]);
    lay_with(&host, &[("t", "T")], "layer = 'theme'").unwrap();
    assert!(exists(&host, "/d/a"));
    assert_eq!(lay_with(&host, &[("u", "U")], "layer = 'theme'").unwrap(), "write /d/u\nremove /d/t\n");
    assert_eq!(lay(&host, &[("a", "A")]), "");
}

#[test]
fn another_type_there_is_an_error_before_anything_is_written() {
    let host = host(&[("/d/dir/x", ""), ("/d/file", ""), ("/elsewhere/x", "secret")]);
    host.link(Path::new("/d/out"), Path::new("/elsewhere")).unwrap();
    host.link(Path::new("/d/l"), Path::new("/elsewhere/x")).unwrap();
    let files = [("new", ""), ("dir", ""), ("file/y", ""), ("out/x", "mine"), ("l", "mine")];
    expect![[r#"
        copy app over /d: /d/dir is a directory there and a file in the source; /d/file is a file there and a directory in the source; /d/l is a symbolic link there and a file in the source; /d/out is a symbolic link there and a directory in the source
          hint: nothing was written; move it away there if it may go, or leave it out with exclude"#]]
    .assert_eq(&lay_with(&host, &files, "").unwrap_err().to_string());
    assert!(!exists(&host, "/d/new"));
    assert_eq!(text(&host, "/elsewhere/x"), "secret");
    let none = lay_with(&host, &[("a", "")], "exclude = []").unwrap();
    assert_eq!(none, "write /d/a\n");
}

#[test]
fn what_windlass_put_there_may_become_of_another_type() {
    let host = host(&[]);
    lay(&host, &[("a", "A"), ("b -> a", "")]);
    expect![[r#"
        remove /d/a
        remove /d/b
        make directory /d/a
        write /d/a/x
        write /d/b
    "#]]
    .assert_eq(&lay(&host, &[("a/x", "X"), ("b", "B")]));
    assert_eq!(text(&host, "/d/b"), "B");
}

#[test]
fn modes_are_the_sources_unless_others_are_given() {
    let host = host(&[("/d/a", "A"), ("/d/sub/own", "")]);
    host.set_meta(Path::new("/d/a"), &Meta { mode: Some(0o666), ..Meta::default() }).unwrap();
    host.set_meta(Path::new("/d/sub"), &Meta { mode: Some(0o2775), ..Meta::default() }).unwrap();
    let files = [("a", "A"), ("sub/b", "B")];
    assert_eq!(lay(&host, &files), "write /d/sub/b\nset mode 0644 of /d/a\n", "the folder keeps its mode");
    let told = lay_with(&host, &files, "file_mode = '0600'\ndir_mode = '0700'").unwrap();
    assert_eq!(told, "set mode 0600 of /d/a\nset mode 0700 of /d/sub\nset mode 0600 of /d/sub/b\n");
}

#[test]
fn what_is_new_belongs_to_whom_the_folder_belongs() {
    let host = host(&[("/d/a", "old"), ("/proc/self/status", "Name:\tcat\nUid:\t0\t0\t0\t0\n")]);
    host.set_meta(Path::new("/d"), &Meta { owner: Some(33), group: Some(44), mode: None }).unwrap();
    let told = lay(&host, &[("a", "A"), ("b", "B"), ("l -> a", "")]);
    assert_eq!(told, "write /d/a\nwrite /d/b\nlink /d/l to a\nset owner 33 group 44 of /d/l\n");
    let owner = |path: &str| host.stat(Path::new(path)).unwrap().unwrap().owner;
    assert_eq!([owner("/d/a"), owner("/d/b"), owner("/d/l")], [0, 33, 33]);
    lay_with(&host, &[("a", "A"), ("b", "B"), ("l -> a", "")], "owner = '7'").unwrap();
    assert_eq!([owner("/d/a"), owner("/d/b"), owner("/d/l"), owner("/d")], [7, 7, 7, 33]);
}

#[test]
fn one_folder_has_one_manifest_however_it_is_written() {
    let host = host(&[]);
    lay(&host, &[("a", "A")]);
    let source = tree("app", &[("b", "B")]);
    let told = apply(&host, "overlay", &format!("source = {source}\ndest = '/d/.//'")).unwrap();
    assert_eq!(told, "write /d/b\nremove /d/a\n");
}
