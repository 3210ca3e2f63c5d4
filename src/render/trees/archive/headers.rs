//! The headers of a tar archive, with the extensions that write long names and more into headers of their own. They are
//! read here and not by the `tar` crate, so that each is bounded and none can make two readers see two archives.

use super::Why;
use crate::model::path::HostPath;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The most that a header's extension may hold, in bytes; paths end at 4,096.
const EXTENSION_LIMIT: u64 = 64 * 1024;

/// Extensions before one member: each kind once is all that a program writes.
const EXTENSIONS: usize = 4;

/// A file, folder or link of an archive.
pub struct Member {
    pub path: Vec<u8>,
    pub kind: Kind,
    /// At most 0o777.
    pub mode: u32,
    /// In bytes.
    pub size: u64,
}

/// What a member is.
pub enum Kind {
    File,
    Dir,
    Link(Vec<u8>),
    HardLink(Vec<u8>),
}

/// What extensions have said of the member that follows.
#[derive(Default)]
pub struct Headers {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    extensions: usize,
}

impl Headers {
    /// Reads a header; `None` when it is an extension of the next one.
    pub fn member<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Option<Member>, Why> {
        let kind = entry.header().entry_type().as_byte();
        match kind {
            b'L' => self.path = Some(long_name(self.extension(entry)?)),
            b'K' => self.target = Some(long_name(self.extension(entry)?)),
            b'x' => {
                let records = self.extension(entry)?;
                self.add_records(&records)?;
            }
            b'g' => {
                let records = self.extension(entry)?;
                refuse_global(&records)?;
                self.extensions = 0;
            }
            _ => return self.finish_member(kind, entry.header()).map(Some),
        }
        Ok(None)
    }

    /// An extension at the end extends nothing.
    pub fn finish(&self) -> Result<(), Why> {
        if self.extensions == 0 { Ok(()) } else { Err("it ends within a header".to_string()) }
    }

    fn finish_member(&mut self, kind: u8, header: &tar::Header) -> Result<Member, Why> {
        let said = std::mem::take(self);
        let path = said.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let told = String::from_utf8_lossy(&path).into_owned();
        let size = header.entry_size().map_err(|_| format!("{told}: its size is no number"))?;
        if said.size.is_some_and(|said| said != size) {
            return Err(format!("{told}: it claims two different sizes"));
        }
        let target = said.target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let target = target.unwrap_or_default();
        let kind = match kind {
            b'0' | b'\0' | b'7' if path.ends_with(b"/") => Kind::Dir,
            b'0' | b'\0' | b'7' => Kind::File,
            b'5' => Kind::Dir,
            b'2' => Kind::Link(target),
            b'1' => Kind::HardLink(target),
            b'3' | b'4' => return Err(format!("{told}: it is a device")),
            b'6' => return Err(format!("{told}: it is a pipe")),
            b'S' => return Err(format!("{told}: it is a sparse file, which is not read")),
            other => return Err(format!("{told}: it is of type {:?}, which is not read", char::from(other))),
        };
        if size > 0 && !matches!(kind, Kind::File) {
            return Err(format!("{told}: it is no file and has bytes"));
        }
        let mode = header.mode().map_err(|_| format!("{told}: its mode is no number"))? & 0o777;
        Ok(Member { path, kind, mode, size })
    }

    fn extension<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, Why> {
        self.extensions += 1;
        let size = entry.header().entry_size().map_err(|_| "a header's size is no number".to_string())?;
        if size > EXTENSION_LIMIT || self.extensions > EXTENSIONS {
            return Err(format!(
                "a header holds more than {EXTENSION_LIMIT} bytes, or there are too many of them"
            ));
        }
        let mut bytes = Vec::new();
        entry.take(EXTENSION_LIMIT).read_to_end(&mut bytes).map_err(super::readable)?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err("it ends within a header".to_string()) }
    }

    /// Records that say nothing of path, target and size are of no use here: times, owners, attributes.
    fn add_records(&mut self, bytes: &[u8]) -> Result<(), Why> {
        for (key, value) in records(bytes)? {
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| "a header's size is no number".to_string())?);
                }
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err("it holds a sparse file, which is not read".to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Bytes of an archive as a path on a host.
pub fn host_path(bytes: &[u8]) -> HostPath {
    HostPath::from(PathBuf::from(OsString::from_vec(bytes.to_vec())))
}

/// A long name ends at its NUL.
fn long_name(bytes: Vec<u8>) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// What a header says of all that follows; git writes a comment there. Nothing that matters here may be said so.
fn refuse_global(bytes: &[u8]) -> Result<(), Why> {
    let matters =
        |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
    match records(bytes)?.iter().find(|(key, _)| matters(key)) {
        Some((key, _)) => Err(format!("a header gives all its files one {}", String::from_utf8_lossy(key))),
        None => Ok(()),
    }
}

/// A key and its value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of a PAX header: `LENGTH KEY=VALUE\n`, the length counting all of it.
fn records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, Why> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = split_record(bytes).ok_or("a header is malformed")?;
        records.push(record);
        bytes = rest;
    }
    Ok(records)
}

fn split_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &bytes[length..]))
}
