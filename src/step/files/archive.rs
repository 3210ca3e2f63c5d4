//! An archive of the controller, unpacked into a directory of the host.

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

/// Unpacks a tar archive of the controller into a directory on the host. It is read and checked here, as a whole and
/// before any host is contacted: one that holds a path or link that leads out, a device, or more than it should is
/// refused. Then it is copied over the directory as `overlay` does: only what differs is transferred, and the host
/// needs no tar.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// A tar archive (plain, .gz, .zst): below `files/`, else in the project, else `/…` or `~/…`.
    source: Named,
    /// The directory on the host; it is created when it is missing.
    dest: HostPath,
    /// How many names are removed from the beginning of every path: 1 where all is in one directory, as in `app-1.2/…`.
    #[serde(default)]
    #[expect(dead_code, reason = "the controller unpacks by it; here it is part of the step's keys")]
    strip: usize,
    /// What is left out and left alone, as in `.gitignore`: a name at any depth, or a path from the top.
    #[serde(default)]
    exclude: Vec<Pattern>,
    /// Its name among several overlays of one directory. What an archive of this name put there and the new one does
    /// not hold is removed, unless it was changed. By default `source` as written; give one where that names a version.
    layer: Option<String>,
    /// Permission bits of every file, in place of the archive's; what may be run there may be run here.
    file_mode: Option<Mode>,
    /// Permission bits of every directory in the archive, in place of the archive's.
    dir_mode: Option<Mode>,
    /// User name or id of everything in the archive.
    owner: Option<String>,
    /// Group name or id of everything in the archive.
    group: Option<String>,
    /// What becomes of a file that was edited on the host since an earlier run wrote it: `replace` puts the source's in its
    /// place, keeps a copy on the host and says where; `keep` leaves it; `fail` refuses to continue. `replace` when not given.
    #[serde(default)]
    edited: Edited,
}

impl Kind for Archive {
    const NAME: &'static str = "archive";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Tree)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "node_exporter"
[steps.archive]
source = "node_exporter-1.8.2.linux-amd64.tar.gz"
dest = "/opt/node_exporter"
strip = 1                               # without the directory node_exporter-1.8.2.linux-amd64/
exclude = ["NOTICE"]
layer = "node_exporter"                 # the next version takes this one's place
file_mode = "0644"
dir_mode = "0755"
owner = "root"
group = "root"
edited = "replace"                      # or "keep", "fail"
"#;
}

impl Step for Archive {
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
    fn the_next_version_takes_the_place_of_the_one_before() {
        let host = host(&[]);
        let keys = |source: String| format!("source = {source}\ndest = '/opt/app'\nstrip = 1\nlayer = 'app'");
        let one = keys(tree("app-1.tar.gz", &[("bin/app", "1"), ("old/x", "x")]));
        apply(&host, "archive", &one).unwrap();
        let two = keys(tree("app-2.tar.gz", &[("bin/app", "2")]));
        let told = apply(&host, "archive", &two).unwrap();
        assert_eq!(told, "write /opt/app/bin/app\nremove /opt/app/old/x\nremove directory /opt/app/old\n");
        assert_eq!(text(&host, "/opt/app/bin/app"), "2");
    }
}
