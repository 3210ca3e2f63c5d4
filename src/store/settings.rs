//! How a store is reached and what it does with backups: a table `[store.NAME]` of `windlass.toml`.

use crate::model::keep::Keep;
use crate::model::size::Size;
use std::path::{Path, PathBuf};

/// A backup may come to so much where nothing else is said, as it is stored and as the host has it: 1 TiB.
pub const MAX_SIZE: Size = Size(1 << 40);

/// The keys of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What relative paths are relative to: the project's folder.
    pub root: PathBuf,
    /// A folder, or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The region of S3.
    pub region: Option<String>,
    /// Another server than Amazon's, for example `https://minio.example.com:9000`.
    pub endpoint: Option<String>,
    /// Where the key's name is: `env:NAME` or `file:PATH`.
    pub access_key: Option<String>,
    /// Where the key's secret is, likewise.
    pub secret_key: Option<String>,
    /// Age recipients of backups that name none themselves.
    pub encrypt_to: Vec<String>,
    /// What `prune` keeps.
    pub keep: Keep,
    /// The file of the age identity to read with, where this controller may.
    pub identity: Option<PathBuf>,
    /// The most that a backup may come to.
    pub max_size: Size,
}

impl Settings {
    /// Nothing but where it is.
    pub fn of(root: &Path, url: &str) -> Settings {
        Settings {
            root: root.to_path_buf(),
            url: url.to_string(),
            region: None,
            endpoint: None,
            access_key: None,
            secret_key: None,
            encrypt_to: Vec::new(),
            keep: Keep::default(),
            identity: None,
            max_size: MAX_SIZE,
        }
    }
}
