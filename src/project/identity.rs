//! What a project is known by on hosts, so that all who work with it, from whichever checkout, count as one: a host refuses a run
//! that is older than one of the same project that it has seen.

use std::fs;
use std::path::{Path, PathBuf};

/// A project's identity: what its windlass.toml says, else where its git repository comes from; none without either.
pub fn of(named: Option<&str>, root: &Path) -> Option<String> {
    match named {
        Some(name) => Some(format!("project:{name}")),
        None => remote(root),
    }
}

/// Whether a text can be a project's name in windlass.toml.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// The repository's `origin`, and where in the repository the project is.
fn remote(root: &Path) -> Option<String> {
    let top = root.ancestors().find(|folder| folder.join(".git").exists())?;
    let config = fs::read_to_string(git_folder(&top.join(".git"))?.join("config")).ok()?;
    let below = root.strip_prefix(top).ok()?.display().to_string();
    Some(format!("git:{}:{below}", plain_url(&origin(&config)?)))
}

/// Where git keeps the configuration: a linked worktree has only a file that says where.
fn git_folder(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_path_buf());
    }
    let text = fs::read_to_string(git).ok()?;
    let folder = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    match fs::read_to_string(folder.join("commondir")) {
        Ok(common) => Some(folder.join(common.trim())),
        Err(_) => Some(folder),
    }
}

fn origin(config: &str) -> Option<String> {
    let mut lines = config.lines().map(str::trim).skip_while(|line| *line != "[remote \"origin\"]").skip(1);
    let mut keys = lines.by_ref().take_while(|line| !line.starts_with('['));
    let url = keys.find_map(|line| line.strip_prefix("url")?.trim_start().strip_prefix('='))?.trim();
    (!url.is_empty()).then(|| url.to_string())
}

/// `git@example.com:ops/fleet.git` and `https://alice:token@example.com/ops/fleet` are one: `example.com/ops/fleet`.
fn plain_url(url: &str) -> String {
    let bare = url.trim_end_matches('/');
    let bare = bare.strip_suffix(".git").unwrap_or(bare);
    let parts = match bare.split_once("://") {
        Some(("file", path)) => return path.to_string(),
        Some((_, rest)) => rest.split_once('/').map(|(login, path)| (without_port(login), path)),
        // A path, or HOST:PATH as ssh has it.
        None => bare.split_once(':').filter(|(login, _)| !login.contains('/')),
    };
    let Some((login, path)) = parts else { return bare.to_string() };
    let host = login.rsplit_once('@').map_or(login, |(_, host)| host);
    format!("{}/{}", host.to_lowercase(), path.trim_start_matches('/'))
}

fn without_port(login: &str) -> &str {
    let split = login.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    split.map_or(login, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_one_repository_are_one() {
        for url in [
            "git@example.com:ops/fleet.git",
            "https://example.com/ops/fleet",
            "https://alice:token@Example.com/ops/fleet.git/",
            "ssh://git@example.com:2222/ops/fleet.git",
        ] {
            assert_eq!(plain_url(url), "example.com/ops/fleet", "{url}");
        }
        assert_eq!(plain_url("/srv/git/fleet.git"), "/srv/git/fleet");
    }

    #[test]
    fn two_checkouts_are_one_project_and_two_projects_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = |name: &str, project: &str| {
            let top = folder.path().join(name);
            fs::create_dir_all(top.join(".git")).unwrap();
            fs::create_dir_all(top.join(project)).unwrap();
            let config =
                "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = git@example.com:ops/fleet.git\n";
            fs::write(top.join(".git/config"), config).unwrap();
            of(None, &top.join(project))
        };
        let one = checkout("alice", "web").unwrap();
        assert_eq!(one, "git:example.com/ops/fleet:web");
        assert_eq!(checkout("bob", "web"), Some(one));
        assert_ne!(checkout("bob", "db"), checkout("bob", "web"));
        let worktree = folder.path().join("tree");
        fs::create_dir_all(folder.path().join("bob/.git/worktrees/tree")).unwrap();
        fs::write(folder.path().join("bob/.git/worktrees/tree/commondir"), "../..\n").unwrap();
        fs::create_dir_all(worktree.join("web")).unwrap();
        let gitdir = folder.path().join("bob/.git/worktrees/tree");
        fs::write(worktree.join(".git"), format!("gitdir: {}\n", gitdir.display())).unwrap();
        assert_eq!(of(None, &worktree.join("web")), checkout("bob", "web"));
        assert_eq!(of(Some("shop"), &worktree), Some("project:shop".into()));
    }

    #[test]
    fn without_a_name_and_without_git_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".git/config"), "[core]\n").unwrap();
        assert_eq!(of(None, folder.path()), None);
    }
}
