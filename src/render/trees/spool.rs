//! Keeps the unpacked files of an archive in one file that has no name and goes with this process.

use crate::model::digest::Digest;
use crate::model::op::Asset;
use crate::render::contents::{Held, TreeContents};
use sha2::{Digest as _, Sha256};
use std::collections::btree_map;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// Unpacked files, one behind the other.
pub struct Spool {
    file: BufWriter<File>,
    end: u64,
    parts: std::collections::BTreeMap<Digest, (u64, u64)>,
}

impl Spool {
    /// A new one, in `folder` where that is there.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())?;
        Ok(Spool { file: BufWriter::new(file), end: 0, parts: Default::default() })
    }

    /// Takes a file in. Bytes that are there already take no room.
    pub fn take(&mut self, content: &mut dyn Read) -> io::Result<Asset> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut size = 0;
        loop {
            match content.read(&mut chunk)? {
                0 => break,
                n => {
                    hasher.update(&chunk[..n]);
                    self.file.write_all(&chunk[..n])?;
                    size += n as u64;
                }
            }
        }
        let digest = Digest::from_hash(&hasher.finalize());
        match self.parts.entry(digest.clone()) {
            btree_map::Entry::Occupied(_) => drop(self.file.seek(SeekFrom::Start(self.end))?),
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert((self.end, size));
                self.end += size;
            }
        }
        Ok(Asset { digest, size })
    }

    /// Where everything is.
    pub fn finish(self) -> io::Result<TreeContents> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let spool = Arc::new(file);
        let held = |(digest, (offset, size))| (digest, Held::Spooled { spool: spool.clone(), offset, size });
        Ok(self.parts.into_iter().map(held).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::contents::Contents;

    #[test]
    fn each_part_is_found_again() {
        let mut spool = Spool::new(Path::new("/nowhere")).unwrap();
        let texts = ["one", "", "three", "one", "four"];
        let assets = texts.map(|text| spool.take(&mut text.as_bytes()).unwrap());
        assert_eq!(spool.end, 12);
        let contents = Contents { trees: vec![Arc::new(spool.finish().unwrap())], ..Contents::default() };
        for (asset, text) in assets.iter().zip(texts) {
            let mut read = String::new();
            contents.open(&asset.digest).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!((read.as_str(), asset.size), (text, text.len() as u64));
        }
    }
}
