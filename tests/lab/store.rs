//! Stores of backups with the real tools that their README.md names, and killed at each change of names.
#![expect(clippy::disallowed_methods, reason = "these tests run real tools")]

use crate::stage::store::{CHILD, child, project, settled, store, take, take_many};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs sh in a folder; it must succeed.
fn sh(folder: &Path, command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Word for word what README.md of the store says, with its placeholders replaced.
#[test]
fn the_readme_restores_with_the_real_tools() {
    let key = tempfile::tempdir().unwrap();
    sh(key.path(), "age-keygen -o key.txt 2>/dev/null");
    let recipient = sh(key.path(), "age-keygen -y key.txt").trim().to_string();
    let project = project("");
    let store = store(project.path(), "default");
    for recipients in [vec![], vec![recipient]] {
        let manifest = take(&store, "web1", 1, b"a dump", &recipients);
        let root = project.path().join(".windlass/backups");
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        let line = |begin: &str| {
            let line = readme.lines().map(str::trim).find(|line| line.starts_with(begin));
            line.unwrap_or_else(|| panic!("README.md has no line that begins with {begin}")).to_string()
        };
        let folder = root.join("web1/nightly").join(manifest.id.as_str());
        assert!(sh(&folder, &line("sha256sum")).contains("manifest.json: OK"));
        let open = match recipients.is_empty() {
            true => line("zstd -d"),
            false => line("age -d").replace("KEYFILE", &key.path().join("key.txt").display().to_string()),
        };
        sh(&folder, &open.replace("PART", "etc.tar"));
        sh(&folder, &open.replace("PART", "app.dump"));
        assert_eq!(fs::read(folder.join("app.dump")).unwrap(), b"a dump");
        let tar = readme.split('`').find(|code| code.starts_with("tar ")).unwrap();
        fs::create_dir(folder.join("FOLDER")).unwrap();
        sh(&folder, &tar.replace("PART", "etc.tar"));
        let restored = folder.join("FOLDER");
        assert_eq!(fs::read_to_string(restored.join("link")).unwrap(), "server {}\n");
        assert_eq!(fs::read_to_string(restored.join("odd\nname \u{e9}")).unwrap(), "odd\n");
        let index = open.replace("PART", "etc.tar.index");
        sh(&folder, &index);
        assert_eq!(fs::read_to_string(folder.join("etc.tar.index")).unwrap().lines().count(), 7);
    }
}

#[test]
fn a_controller_killed_at_any_change_of_names_leaves_only_whole_backups() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return take_many(Path::new(&folder), 1);
    }
    let name = "store::a_controller_killed_at_any_change_of_names_leaves_only_whole_backups";
    let (mut points, mut whole) = (0, 0);
    for call in ["fsync", "rename", "mkdir", "unlink", "rmdir", "flock"] {
        // The first, the second … of these calls is its last, until there are no more of them.
        for nth in 1..100 {
            let project = project("");
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let status = child(name, project.path(), &strace).status().unwrap();
            let (is_whole, _) = settled(project.path());
            if status.success() {
                assert_eq!(is_whole, 1, "nobody killed it");
                break;
            }
            (points, whole) = (points + 1, whole + is_whole);
        }
    }
    assert!(points >= 20 && whole < points, "{points} points, {whole} whole");
    println!("killed at {points} points; in {whole} of them the backup was whole already");
}
