//! The playbooks inside the binary. A project's own of the same name is taken instead.

/// Makes the table: the name and text of each.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../playbooks/", $name, ".toml")))),*]
    };
}

/// Name and text of every shipped playbook, by name.
pub static SHIPPED: &[(&str, &str)] = shipped![
    "backup",
    "blue-green",
    "cleanup",
    "deploy-overlay",
    "env-audit",
    "fix-dns",
    "imports-audit",
    "migrate",
    "nginx-port",
    "overlay",
    "port-audit",
    "provision",
    "readiness",
    "resources",
    "restore",
    "rollback",
    "tree-audit",
];

/// The text of a shipped playbook.
pub fn find(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_playbook_of_this_repository_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        let files = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, SHIPPED.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>());
    }
}
