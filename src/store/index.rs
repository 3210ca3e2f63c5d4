//! Lists what is in a tar while it passes: each entry with type, size, mode, owner and digest. A tar without its end is
//! refused. Read here block by block, since everything in it may be a hostile host's and all of it must be bounded.

use super::manifest::Index;
use super::part::Compressor;
use crate::model::digest::Digest;
use crate::model::path::HostPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use tar::Header;

/// The size of everything in a tar, in bytes.
const BLOCK: usize = 512;

/// The most that the extension of a header may hold, in bytes: attributes and access lists are in there too.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// Extensions before one entry.
const EXTENSIONS_LIMIT: usize = 8;

/// A tar of more entries is refused.
const ENTRIES_LIMIT: u64 = 100_000_000;

/// Something that is in a tar: a line of its index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// As it is in the tar.
    pub path: HostPath,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// In bytes.
    pub size: u64,
    /// Permissions in octal: `0644`.
    pub mode: String,
    /// The owner's number.
    pub uid: u64,
    /// The group's number.
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Of a file: the digest of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Of a link: where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<HostPath>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File,
    /// Another name of a file that came before it.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Directory,
    /// A pipe.
    Pipe,
    /// A file with holes, in GNU tar's own format; its digest is that of its bytes without them.
    Sparse,
    /// Something else.
    Other,
}

/// The index that is being written.
pub struct Indexed {
    out: Compressor,
    entries: u64,
}

impl Indexed {
    /// Begins it.
    pub fn begin(out: Compressor) -> io::Result<Indexed> {
        Ok(Indexed { out, entries: 0 })
    }

    /// Lists a tar up to the end that is in it; what follows that is left.
    pub fn read(&mut self, tar: &mut dyn Read) -> io::Result<()> {
        let Indexed { out, entries } = self;
        each_entry(tar, &mut |entry| {
            *entries += 1;
            serde_json::to_writer(&mut *out, &entry)?;
            out.write_all(b"\n")
        })
    }

    /// Ends it.
    pub fn finish(self) -> io::Result<Index> {
        Ok(Index { entries: self.entries, stored: self.out.finish()?.finish()? })
    }
}

/// Tells every entry of a tar, up to the end that is in it.
pub fn each_entry(tar: &mut dyn Read, tell: &mut dyn FnMut(IndexEntry) -> io::Result<()>) -> io::Result<()> {
    let mut said = Said::default();
    let mut room = ENTRIES_LIMIT;
    while let Some(header) = next_header(tar)? {
        match header.entry_type().as_byte() {
            b'L' => said.path = Some(until_nul(said.extension(&header, tar)?)),
            b'K' => said.target = Some(until_nul(said.extension(&header, tar)?)),
            b'x' => {
                let records = said.extension(&header, tar)?;
                said.read(&records)?;
            }
            // What is said of all that follows: git writes a comment there, and nobody anything that matters here.
            b'g' => {
                said.extension(&header, tar)?;
                said.extensions = 0;
            }
            _ => {
                room = room.checked_sub(1).ok_or_else(|| wrong("it holds too many entries"))?;
                tell(std::mem::take(&mut said).entry(&header, tar)?)?;
            }
        }
    }
    match said.extensions {
        0 => Ok(()),
        _ => Err(wrong("it ends within a header")),
    }
}

/// What extensions have said of the entry that follows.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    extensions: usize,
}

impl Said {
    fn extension(&mut self, header: &Header, tar: &mut dyn Read) -> io::Result<Vec<u8>> {
        self.extensions += 1;
        let size = header.entry_size()?;
        if size > EXTENSION_LIMIT || self.extensions > EXTENSIONS_LIMIT {
            return Err(wrong("a header is too long, or has too many extensions"));
        }
        let mut bytes = vec![0; size as usize];
        read_whole(tar, &mut bytes)?;
        skip_padding(tar, size)?;
        Ok(bytes)
    }

    /// PAX records: `LENGTH KEY=VALUE\n`, the length counting all of it.
    fn read(&mut self, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or_else(|| wrong("a header is malformed"))?;
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(number().ok_or_else(|| wrong("a size is no number"))?),
                b"uid" => self.uid = number(),
                b"gid" => self.gid = number(),
                _ => {}
            }
            records = rest;
        }
        Ok(())
    }

    fn entry(self, header: &Header, tar: &mut dyn Read) -> io::Result<IndexEntry> {
        let kind = kind(header);
        let target = self.target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let is_link = matches!(kind, EntryKind::HardLink | EntryKind::Symlink);
        let size = match self.size {
            Some(size) => size,
            None => header.entry_size()?,
        };
        let mut entry = IndexEntry {
            path: host_path(self.path.unwrap_or_else(|| header.path_bytes().into_owned())),
            kind,
            size: if has_bytes(kind) { size } else { 0 },
            mode: format!("{:04o}", header.mode().unwrap_or(0) & 0o7777),
            uid: self.uid.or(header.uid().ok()).unwrap_or(0),
            gid: self.gid.or(header.gid().ok()).unwrap_or(0),
            mtime: header.mtime().unwrap_or(0),
            sha256: None,
            target: target.filter(|_| is_link).map(host_path),
        };
        skip_map(header, tar)?;
        let digest = digest(tar, entry.size)?;
        entry.sha256 = matches!(kind, EntryKind::File | EntryKind::Sparse).then_some(digest);
        Ok(entry)
    }
}

fn kind(header: &Header) -> EntryKind {
    match header.entry_type().as_byte() {
        // Programs of long ago wrote folders so.
        b'0' | 0 | b'7' if header.path_bytes().ends_with(b"/") => EntryKind::Directory,
        b'0' | 0 | b'7' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharacterDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Pipe,
        b'S' => EntryKind::Sparse,
        _ => EntryKind::Other,
    }
}

fn has_bytes(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::File | EntryKind::Sparse | EntryKind::Other)
}

/// The next header; `None` at the blocks of zeros that end a tar.
fn next_header(tar: &mut dyn Read) -> io::Result<Option<Header>> {
    let mut header = Header::new_old();
    read_whole(tar, header.as_mut_bytes())?;
    if header.as_bytes().iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    // The sum is over the block with blanks in the sum's own place.
    let blanks = header.as_bytes().iter().enumerate().map(|(at, byte)| match at {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    });
    match header.cksum() {
        Ok(sum) if sum == blanks.sum::<u32>() => Ok(Some(header)),
        _ => Err(wrong("the sum of a header is wrong")),
    }
}

/// Of a sparse file in GNU's own format more of its map may follow the header.
fn skip_map(header: &Header, tar: &mut dyn Read) -> io::Result<()> {
    let mut more =
        header.entry_type().as_byte() == b'S' && header.as_gnu().is_some_and(|gnu| gnu.is_extended());
    while more {
        let mut block = [0; BLOCK];
        read_whole(tar, &mut block)?;
        more = block[504] != 0;
    }
    Ok(())
}

fn digest(tar: &mut dyn Read, size: u64) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut content = tar.take(size);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match content.read(&mut chunk)? {
            0 if content.limit() > 0 => return Err(cut_off()),
            0 => break,
            n => hasher.update(&chunk[..n]),
        }
    }
    skip_padding(tar, size)?;
    Ok(Digest::from_hash(hasher.finalize().as_slice()))
}

fn skip_padding(tar: &mut dyn Read, size: u64) -> io::Result<()> {
    let over = (size % BLOCK as u64) as usize;
    let mut padding = [0; BLOCK];
    match over {
        0 => Ok(()),
        over => read_whole(tar, &mut padding[over..]),
    }
}

fn read_whole(tar: &mut dyn Read, buffer: &mut [u8]) -> io::Result<()> {
    tar.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => cut_off(),
        _ => error,
    })
}

/// A PAX record and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

fn until_nul(bytes: Vec<u8>) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn host_path(bytes: Vec<u8>) -> HostPath {
    HostPath::from(PathBuf::from(OsString::from_vec(bytes)))
}

fn cut_off() -> io::Error {
    wrong("it was cut off")
}

fn wrong(why: &str) -> io::Error {
    io::Error::other(format!("it cannot be read as a tar archive: {why}"))
}
