//! What windlass has put into a directory of a host. It lies in windlass' own directory there and not in the one that
//! it is about, so that no other tool trips over it and a user who may write there cannot change it.
//!
//! `MEMORY/trees/DIGEST-OF-THE-FOLDER'S-PATH` is JSON lines: the first a [`Head`], then a [`Line`] for each path, sorted.

use crate::model::digest::Digest;
use crate::model::job::RunId;
use crate::model::path::HostPath;
use crate::model::tree::{Inside, TreeNode};
use crate::model::{Doing, Failure, Result};
use crate::system::{Brought, Probe, READ_LIMIT};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

/// Changes with what a line means.
const VERSION: u32 = 1;

/// What was put into one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// By path in the directory.
    pub entries: BTreeMap<Inside, Put>,
}

/// What was put at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// What it was then.
    pub what: TreeNode,
    /// Its mode then; of no meaning for links.
    pub mode: u32,
    /// Whose it was then; `None` when that was the user that ran windlass there.
    pub owner: Option<u32>,
    /// Its group then.
    pub group: Option<u32>,
    /// The overlay that it belongs to: several may lie over one directory.
    pub layer: String,
    /// Whether nothing stood there before windlass came: only then may windlass take it away again.
    pub made: bool,
    /// The run that wrote it last; `None` when it was found as it should be.
    pub run: Option<RunId>,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    windlass_manifest: u32,
    folder: HostPath,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Line {
    path: Inside,
    #[serde(flatten)]
    put: Put,
}

impl Manifest {
    /// The manifest of `folder`, and its bytes; empty when there is none.
    pub fn read(host: &dyn Probe, brought: &Brought, folder: &HostPath) -> Result<(Manifest, Vec<u8>)> {
        let path = place(brought, folder);
        match host.read(&path)? {
            Some(bytes) => Ok((Manifest::parse(&bytes).doing(format!("read {path}"))?, bytes)),
            None => Ok((Manifest::default(), Vec::new())),
        }
    }

    /// The file's bytes.
    pub fn bytes(&self, folder: &HostPath) -> Result<Vec<u8>> {
        let doing = || format!("remember what was put into {folder}");
        let mut bytes = Vec::new();
        let mut add = |line: serde_json::Result<Vec<u8>>| -> Result<()> {
            bytes.extend(line.doing(doing())?);
            bytes.push(b'\n');
            Ok(())
        };
        add(serde_json::to_vec(&Head { windlass_manifest: VERSION, folder: folder.clone() }))?;
        for (path, put) in &self.entries {
            add(serde_json::to_vec(&Line { path: path.clone(), put: put.clone() }))?;
        }
        if bytes.len() as u64 > READ_LIMIT {
            let why = format!("the list of its {} files would be too long", self.entries.len());
            return Err(Failure::new(doing(), why).hint("use exclude to leave out what hosts do not need"));
        }
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head: Head =
            serde_json::from_slice(lines.next().unwrap_or_default()).map_err(|error| error.to_string())?;
        if head.windlass_manifest != VERSION {
            return Err(format!("it is of version {}, and {VERSION} is known here", head.windlass_manifest));
        }
        let entries = lines.map(|line| serde_json::from_slice(line).map(|line: Line| (line.path, line.put)));
        Ok(Manifest { entries: entries.collect::<Result<_, _>>().map_err(|error| error.to_string())? })
    }
}

/// The directory in which manifests are.
pub fn folder(brought: &Brought) -> HostPath {
    brought.memory.join("trees")
}

/// Where the manifest of `folder` is.
pub fn place(brought: &Brought, of: &HostPath) -> HostPath {
    folder(brought).join(Digest::of(of.as_os_str().as_bytes()).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let put = |what| Put {
            what,
            mode: 0o640,
            owner: Some(33),
            group: None,
            layer: "app".to_string(),
            made: true,
            run: RunId::try_from("1-a".to_string()).ok(),
        };
        let inside = |path: &[u8]| {
            use std::os::unix::ffi::OsStrExt;
            Inside::new(std::path::PathBuf::from(std::ffi::OsStr::from_bytes(path))).unwrap()
        };
        let entries = [
            (inside(b"caf\xe9"), put(TreeNode::Link("../x".into()))),
            (inside(b"a\nb"), Put { run: None, ..put(TreeNode::Dir) }),
        ];
        let manifest = Manifest { entries: entries.into() };
        let bytes = manifest.bytes(&HostPath::from("/srv/app")).unwrap();
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 4);
        assert_eq!(Manifest::parse(&bytes).unwrap(), manifest);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert!(Manifest::parse(b"").is_err());
        assert!(
            Manifest::parse(b"{\"windlass_manifest\":2,\"folder\":\"/\"}\n")
                .unwrap_err()
                .contains("version 2")
        );
        let outside = b"{\"windlass_manifest\":1,\"folder\":\"/\"}\n{\"path\":\"../x\",\"what\":\"dir\"}\n";
        assert!(Manifest::parse(outside).is_err());
    }
}
