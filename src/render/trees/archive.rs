//! A tree from a tar archive, plain or compressed with gzip or zstd. Archives come from anywhere: nothing in one is
//! believed, and one that holds anything but files, folders and links that stay inside is refused as a whole.

use super::Choice;
use super::links::Links;
use super::spool::Spool;
use crate::model::tree::{ENTRIES_LIMIT, Entry, Inside, Tree, TreeNode};
use crate::model::{Doing, Failure, Result};
use crate::render::contents::TreeContents;
use crate::trust;
use headers::{Headers, Kind, Member};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;

mod headers;
#[cfg(test)]
mod tests;

/// What an archive may come to.
struct Limits {
    /// Unpacked, in bytes: a small file can hold terabytes of zeros.
    unpacked: u64,
    /// Files, folders and links.
    members: usize,
}

/// Of every archive.
const LIMITS: Limits = Limits { unpacked: 16 << 30, members: ENTRIES_LIMIT };

/// Linux refuses longer targets of links, in bytes.
const TARGET_LIMIT: usize = 4095;

/// Reads the archive at `path`, called `called`. Its files are kept in a file without name in `folder`.
pub fn read(path: &Path, called: &str, choice: &Choice, folder: &Path) -> Result<(Tree, TreeContents)> {
    let doing = format!("read the archive {called}");
    let file = trust::open(path, None, &doing)?;
    let spool = Spool::new(folder).doing(&doing)?;
    let unpacked = unpacked(BufReader::new(file)).map_err(|why| not_an_archive(&doing, why))?;
    of_tar(unpacked, choice, spool, &LIMITS).map_err(|why| refused(&doing, why))
}

/// Why an archive is refused.
type Why = String;

fn not_an_archive(doing: &str, why: Why) -> Failure {
    Failure::new(doing, why).hint("a source is a directory, or a tar archive: plain, .gz or .zst")
}

fn refused(doing: &str, why: Why) -> Failure {
    Failure::new(doing, why).hint("nothing of it was used; a directory can be a source too")
}

/// The bytes without their compression, which is recognized by how they begin.
fn unpacked(mut file: BufReader<impl Read + 'static>) -> Result<Box<dyn Read>, Why> {
    let mut magic = [0; 6];
    let length = read_up_to(&mut file, &mut magic).map_err(|error| error.to_string())?;
    let file = io::Cursor::new(magic[..length].to_vec()).chain(file);
    match magic {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::read::MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(file);
            Ok(Box::new(decoder.map_err(|error| format!("it is no zstd that can be read: {error}"))?))
        }
        [b'P', b'K', ..] => Err("it is a zip archive, which is not read".to_string()),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Err("it is compressed with xz, which is not read".to_string()),
        [b'B', b'Z', b'h', ..] => Err("it is compressed with bzip2, which is not read".to_string()),
        _ => Ok(Box::new(file)),
    }
}

fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            n => length += n,
        }
    }
    Ok(length)
}

/// The tree in a tar, and where its files are kept.
fn of_tar(
    tar: impl Read,
    choice: &Choice,
    mut spool: Spool,
    limits: &Limits,
) -> Result<(Tree, TreeContents), Why> {
    let mut tar = Bounded { reader: tar, left: limits.unpacked, is_over: false };
    let mut found = Found { choice, entries: BTreeMap::new(), room: limits.members };
    let mut archive = tar::Archive::new(&mut tar);
    let mut headers = Headers::default();
    for entry in archive.entries().map_err(readable)?.raw(true) {
        let mut entry = entry.map_err(readable)?;
        if let Some(member) = headers.member(&mut entry)? {
            found.add(member, &mut entry, &mut spool)?;
        }
    }
    headers.finish()?;
    if tar.is_over {
        return Err("it was cut off: the end that every archive has is missing".to_string());
    }
    // What follows the end is not used; reading it checks the sum at the end of the compressed bytes.
    io::copy(&mut tar, &mut io::sink()).map_err(readable)?;
    let tree = found.tree()?;
    let contents = spool.finish().map_err(|error| format!("its files cannot be kept: {error}"))?;
    Ok((tree, contents))
}

fn readable(error: io::Error) -> Why {
    format!("it cannot be read as a tar archive: {error}")
}

/// Reads up to a number of bytes, and fails when there are more.
struct Bounded<R> {
    reader: R,
    left: u64,
    /// Whether there is nothing more.
    is_over: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.is_over |= n == 0 && !buffer.is_empty();
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it unpacks to more than {} GiB, which is the limit",
                LIMITS.unpacked >> 30
            ))
        })?;
        Ok(n)
    }
}

/// What was found so far.
struct Found<'a> {
    choice: &'a Choice,
    entries: BTreeMap<Inside, Entry>,
    room: usize,
}

impl Found<'_> {
    fn add(&mut self, member: Member, content: &mut dyn Read, spool: &mut Spool) -> Result<(), Why> {
        let told = String::from_utf8_lossy(&member.path).into_owned();
        self.room = self.room.checked_sub(1).ok_or("it holds too many files")?;
        let path = inside(&member.path, self.choice.strip).map_err(|why| format!("{told}: {why}"))?;
        let Some(path) = path.filter(|path| !self.choice.leaves_out(path)) else { return Ok(()) };
        let what = self.what(&member, content, spool).map_err(|why| format!("{told}: {why}"))?;
        let Some((what, mode)) = what else { return Ok(()) };
        match self.entries.get(&path) {
            Some(before) if before.what.as_str() != what.as_str() => Err(format!(
                "{told}: it is there twice, as {} and as {}",
                before.what.as_str(),
                what.as_str()
            )),
            // What was added to an archive later replaces what it holds of the same name.
            _ => {
                self.entries.insert(path.clone(), Entry { path, what, mode });
                Ok(())
            }
        }
    }

    /// What a member is, and its mode; `None` when it is linked to something that is left out.
    fn what(
        &self,
        member: &Member,
        content: &mut dyn Read,
        spool: &mut Spool,
    ) -> Result<Option<(TreeNode, u32)>, Why> {
        Ok(match &member.kind {
            Kind::Dir => Some((TreeNode::Dir, member.mode)),
            Kind::Link(target) if target.is_empty() || target.contains(&0) || target.len() > TARGET_LIMIT => {
                return Err("a link whose target cannot exist".to_string());
            }
            Kind::Link(target) => Some((TreeNode::Link(headers::host_path(target)), member.mode)),
            Kind::HardLink(target) => self.linked(target)?,
            Kind::File => {
                let asset = spool.take(content).map_err(readable)?;
                if asset.size != member.size {
                    return Err("some of its bytes are missing".to_string());
                }
                Some((TreeNode::File(asset), member.mode))
            }
        })
    }

    /// A hard link is another name of a file that came before it.
    fn linked(&self, target: &[u8]) -> Result<Option<(TreeNode, u32)>, Why> {
        let told = String::from_utf8_lossy(target);
        let Some(path) =
            inside(target, self.choice.strip).map_err(|why| format!("its hard link to {told}: {why}"))?
        else {
            return Ok(None);
        };
        match self.entries.get(&path) {
            Some(Entry { what: TreeNode::File(asset), mode, .. }) => {
                Ok(Some((TreeNode::File(asset.clone()), *mode)))
            }
            _ if self.choice.leaves_out(&path) => Ok(None),
            _ => Err(format!("it is a hard link to {told}, which is no file before it in the archive")),
        }
    }

    fn tree(self) -> Result<Tree, Why> {
        let links = Links::of(self.entries.values());
        for entry in self.entries.values() {
            let TreeNode::Link(target) = &entry.what else { continue };
            if let Some(why) = links.leads_out(&entry.path, target) {
                return Err(format!("{}: it is a link to {target}: {why}", entry.path));
            }
        }
        Tree::new(self.entries.into_values().collect()).map_err(|failure| failure.to_string())
    }
}

/// The path of a member without its first `strip` names; `None` when nothing is left of it.
fn inside(path: &[u8], strip: usize) -> Result<Option<Inside>, Why> {
    if path.starts_with(b"/") {
        return Err("its path is absolute".to_string());
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err("its path leads out of the archive".to_string());
    }
    match parts.get(strip..) {
        Some(left) if !left.is_empty() => Inside::new(headers::host_path(&left.join(&b'/'))).map(Some),
        _ => Ok(None),
    }
}
