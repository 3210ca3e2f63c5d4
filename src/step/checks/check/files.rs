//! Whether files are there, and large enough to be whole.

use super::unseen;
use crate::model::finding::{Finding, Verdict};
use crate::model::path::HostPath;
use crate::model::size::Size;
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;

/// A file or directory.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is; links are followed.
    path: HostPath,
    /// The least that a file must hold: `"1 GiB"`. A file that is empty never passes when this is given.
    min_size: Option<Size>,
}

impl From<String> for File {
    fn from(path: String) -> Self {
        File { path: HostPath::from(path.as_str()), min_size: None }
    }
}

impl File {
    /// Whether it is there.
    pub fn look(&self, host: &dyn Probe) -> Finding {
        let stat = wanted::followed(host, &self.path).and_then(|path| host.stat(&path));
        let finding = match stat {
            Err(failure) => unseen("files", &self.path, failure),
            Ok(None) => Finding::new("files", &self.path, Verdict::Fail, "it is not there"),
            Ok(Some(stat)) if stat.kind == FileKind::File => {
                let whole = self.min_size.is_none_or(|least| stat.size > 0 && stat.size >= least.0);
                Finding::new("files", &self.path, Verdict::of(whole), Size(stat.size))
                    .detail("bytes", stat.size)
            }
            Ok(Some(stat)) => {
                let verdict = Verdict::of(self.min_size.is_none());
                Finding::new("files", &self.path, verdict, format!("a {}", stat.kind.as_str()))
            }
        };
        match self.min_size {
            Some(least) => finding.wanted(format!("a file of at least {least}")),
            None => finding.wanted("is there"),
        }
    }
}
