//! A directory or archive of the controller, copied over a directory of the host.

use crate::model::Result;
use crate::model::mode::Mode;
use crate::model::op::Plan;
use crate::model::path::HostPath;
use crate::model::tree::Named;
use crate::model::tree::pattern::Pattern;
use crate::step::{KeyUse, Kind, Step};
use crate::system::Probe;
use crate::tree::overlay::edited::Edited;
use crate::tree::overlay::{Wish, lay};
use serde::Deserialize;

/// Copies a local directory or tar archive over a directory on the host. Only differing files are transferred. Files that
/// exist only on the host are never touched. Files that an earlier run copied and that are no longer in the source are
/// removed, unless they were edited since. A path of another type there is an error, and links there are not followed. Modes are the source's (without set-user-id and
/// the like); what is new has the owner of the directory.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// A directory or a tar archive (plain, .gz, .zst): below `files/`, else in the project, else `/…` or `~/…`.
    source: Named,
    /// The directory on the host; it is created when it is missing.
    dest: HostPath,
    /// What is left out and left alone, as in `.gitignore`: a name at any depth, or a path from the top.
    #[serde(default)]
    exclude: Vec<Pattern>,
    /// Its name among several overlays of one directory. Each removes only what it put there itself under that name. By
    /// default `source` as written; give one where the source's name changes with each version.
    layer: Option<String>,
    /// Permission bits of every file, in place of the source's; what may be run there may be run here.
    file_mode: Option<Mode>,
    /// Permission bits of every directory in the source, in place of the source's.
    dir_mode: Option<Mode>,
    /// User name or id of everything in the source.
    owner: Option<String>,
    /// Group name or id of everything in the source.
    group: Option<String>,
    /// What becomes of a file that was edited on the host since an earlier run wrote it: `replace` puts the source's in its
    /// place, keeps a copy on the host and says where; `keep` leaves it; `fail` refuses to continue. `replace` when not given.
    #[serde(default)]
    edited: Edited,
}

impl Kind for Overlay {
    const NAME: &'static str = "overlay";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Tree)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the application's files"
[steps.overlay]
source = "app"                          # files/app, or an archive: app.tar.gz
dest = "/srv/app"
exclude = [".git", "node_modules", "config/*.env"]
layer = "app"
file_mode = "0644"
dir_mode = "0755"
owner = "deploy"
group = "deploy"
edited = "replace"                      # or "keep", "fail"
"#;
}

impl Step for Overlay {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let wish = Wish {
            source: &self.source,
            layer: self.layer.as_deref().unwrap_or(&self.source.source),
            dest: &self.dest,
            exclude: &self.exclude,
            file_mode: self.file_mode,
            dir_mode: self.dir_mode,
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
            edited: Some(self.edited),
        };
        Ok(lay(host, &wish)?.plan)
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text, tree};

    #[test]
    fn lays_a_tree_over_a_folder() {
        let host = host(&[("/srv/app/only-here", "kept")]);
        let source = tree("app", &[("src/a", "A")]);
        let told = apply(&host, "overlay", &format!("source = {source}\ndest = '/srv/app'")).unwrap();
        assert_eq!(told, "make directory /srv/app/src\nwrite /srv/app/src/a\n");
        assert_eq!(text(&host, "/srv/app/only-here"), "kept");
    }
}
