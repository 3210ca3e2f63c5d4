//! Folders and archives as a project has them.

use super::*;
use crate::project::Project;
use expect_test::expect;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn project() -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["files/app/src", "files/app/.windlass", "files/empty", "playbooks", "dist"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for (path, text) in
        [("files/app/src/a.js", "A"), ("files/app/a.log", "L"), ("files/app/.windlass/state.db", "x")]
    {
        fs::write(folder.path().join(path), text).unwrap();
    }
    fs::write(folder.path().join("dist/b"), "B").unwrap();
    for (path, mode) in [("files/app/src/a.js", 0o4750), ("files/app/src", 0o755), ("dist/b", 0o644)] {
        fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("src/a.js", folder.path().join("files/app/main")).unwrap();
    let project = Project::find(Some(folder.path()), Path::new("/")).unwrap();
    (folder, project)
}

/// What is in the tree of this name, or why there is none.
fn told(project: &Project, name: &str, choice: &Choice) -> String {
    match Trees::new(project).tree(name, choice) {
        Ok(read) => {
            let line = |entry: &crate::model::tree::Entry| {
                format!("{} {} {:o}\n", entry.what.as_str(), entry.path, entry.mode)
            };
            read.tree
                .entries()
                .iter()
                .filter(|entry| entry.path.as_path() != Path::new("main"))
                .map(line)
                .collect()
        }
        Err(failure) => failure.to_string() + "\n",
    }
}

#[test]
fn a_folder_is_found_and_read_without_what_is_left_out() {
    let (folder, project) = project();
    let exclude = vec![Pattern::try_from("*.log".to_string()).unwrap()];
    let choice = Choice { exclude, strip: 0 };
    assert_eq!(told(&project, "app", &choice), "directory src 755\nfile src/a.js 750\n");
    assert_eq!(told(&project, "dist", &choice), "file b 644\n");
    assert_eq!(told(&project, &folder.path().join("dist").display().to_string(), &choice), "file b 644\n");
}

#[test]
fn a_folder_is_read_once_for_all_hosts() {
    let (folder, project) = project();
    let trees = Trees::new(&project);
    let first = trees.tree("dist", &Choice::default()).unwrap();
    fs::write(folder.path().join("dist/c"), "C").unwrap();
    assert_eq!(trees.tree("dist", &Choice::default()).unwrap().name, first.name);
}

#[test]
fn says_what_cannot_be_a_source() {
    let (folder, project) = project();
    fs::write(folder.path().join("files/text"), "text").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("dist/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let strip = Choice { strip: 1, ..Choice::default() };
    let all = [
        ("apq", Choice::default()),
        ("empty", Choice::default()),
        ("text", Choice::default()),
        ("app", strip),
        ("dist", Choice::default()),
    ]
    .map(|(name, choice)| told(&project, name, &choice))
    .concat();
    let shown = all.replace(&folder.path().canonicalize().unwrap().display().to_string(), "PROJECT");
    expect![[r#"
        find the directory or archive apq: neither files/ nor the project has it
          hint: did you mean `app`?
        read files/empty: it holds nothing, or all of it is left out
          hint: to take away what was put there, undo the run that did it
        read the archive files/text: it cannot be read as a tar archive: failed to read entire block
          hint: nothing of it was used; a directory can be a source too
        read files/app: strip is for archives, and it is a directory
          hint: name the directory that is wanted
        read PROJECT/dist/pipe: it is a device, socket or pipe
          hint: leave it out with exclude
    "#]]
    .assert_eq(&shown);
}
