//! How scripts that work as root enter directories which another user may control.

/// The function `enter`, to stand before a script. Paths come from [`crate::system::Probe::follow`].
pub const ENTER: &str = include_str!("enter.sh");

/// A script that enters directories so.
pub fn script(text: &str) -> String {
    format!("{ENTER}{text}")
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::Command;
    use crate::system::Probe;
    use crate::system::local::Local;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_on_the_way_is_not_entered() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("real/inside")).unwrap();
        symlink(top.join("real"), top.join("link")).unwrap();
        for (path, status, expected) in [
            ("real/inside", 0, "here"),
            ("link/inside", 20, "leads to"),
            ("link", 20, "another user can change what is on the way"),
            ("none", 20, "none"),
        ] {
            let argv = ["/bin/sh", "-c", &super::script("enter \"$1\"; echo here"), "sh"].map(str::to_string);
            let argv = argv.into_iter().chain([top.join(path).display().to_string()]);
            let answer = Local::new().ask(&Command::new(argv)).unwrap();
            let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
            assert!(answer.status == status && said.contains(expected), "{path}: {} {said}", answer.status);
        }
    }
}
