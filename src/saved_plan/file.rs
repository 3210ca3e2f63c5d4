//! The file of a plan: a line that says what it is and the digest of all behind it, the plan as JSON, the bytes of files.

use super::veil::Veil;
use super::{HostPart, SavedPlan, VERSION};
use crate::model::digest::Digest;
use crate::model::job::{InlineAsset, Mode};
use crate::model::op::Asset;
use crate::model::{Doing, Failure, Result};
use crate::render::contents::{Contents, Held, TreeContents};
use crate::trust;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// The first word of the first line.
const MAGIC: &str = "windlass-plan";

/// The first line is as long as this: magic, version, digest, length of the JSON.
const LINE: usize = MAGIC.len() + 1 + 4 + 1 + 64 + 1 + 20 + 1;

/// A plan without the bytes of its files is never as large as this, in bytes.
const PLAN_LIMIT: u64 = 1 << 30;

/// Small assets are read whole: the same limit as that of a job.
const INLINE_LIMIT: u64 = 32 << 20;

/// A file that holds a plan.
pub struct Opened {
    /// The plan.
    pub plan: SavedPlan,
    /// Names the file.
    pub digest: Digest,
    file: Arc<File>,
    /// Where the bytes of files start.
    start: u64,
}

/// Writes the plan, then what `bytes` writes, as a file that only its owner may read. It is there whole or not at all.
pub fn write(
    path: &Path,
    plan: &SavedPlan,
    bytes: &mut dyn FnMut(&mut File) -> Result<()>,
) -> Result<Digest> {
    let doing = || format!("write the plan {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).doing(doing())?;
    let json = serde_json::to_vec_pretty(plan).doing(doing())?;
    let out = file.as_file_mut();
    out.write_all(&[b' '; LINE]).and_then(|()| out.write_all(&json)).doing(doing())?;
    bytes(out)?;
    out.seek(SeekFrom::Start(LINE as u64)).doing(doing())?;
    let (digest, _) = Digest::of_reader(&mut BufReader::new(&*out)).doing(doing())?;
    let line = format!("{MAGIC} {VERSION:04} {digest} {:020}\n", json.len());
    out.write_all_at(line.as_bytes(), 0).and_then(|()| out.sync_all()).doing(doing())?;
    file.persist(path).map_err(|error| error.error).doing(doing())?;
    Ok(digest)
}

impl Opened {
    /// Reads a plan. One that is not whole, or that was edited, is refused.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("read the plan {}", path.display());
        let mut file = trust::open(path, None, doing())?;
        let mut line = [0; LINE];
        let whole_line = file.read_exact(&mut line).is_ok();
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [MAGIC, version, digest, length] = words[..] else {
            return Err(Failure::new(doing(), "it is no plan of windlass")
                .hint("make one: windlass plan playbook NAME --hosts PATTERN -o FILE"));
        };
        if version.parse() != Ok(VERSION) {
            let why = format!("it has version {version} of the format, and this windlass knows {VERSION}");
            return Err(Failure::new(doing(), why).hint("make a new plan"));
        }
        let (seen, size) = Digest::of_reader(&mut file).doing(doing())?;
        if !whole_line || seen.as_str() != digest {
            return Err(Failure::new(
                doing(),
                "it is not whole, or was edited: its digest is not the one it names",
            )
            .hint("make a new plan; to see one: windlass plan show FILE"));
        }
        let length: u64 = length.parse().doing(doing())?;
        if length > size || length > PLAN_LIMIT {
            return Err(Failure::new(doing(), "its first line is wrong"));
        }
        file.seek(SeekFrom::Start(LINE as u64)).doing(doing())?;
        let plan = serde_json::from_reader(BufReader::new((&mut file).take(length))).doing(doing())?;
        Ok(Opened { plan, digest: seen, file: Arc::new(file), start: LINE as u64 + length })
    }

    /// The plan's hosts with these secrets in their places.
    pub fn parts(&self, secrets: &[String], mode: Mode, diff: bool) -> Result<Vec<HostPart>> {
        self.plan.parts(secrets, self, mode, diff)
    }

    /// Where the bytes of all its pieces are.
    pub(super) fn contents(&self, plan: &SavedPlan, veil: &Veil) -> Result<Contents> {
        let mut offset = self.start;
        let mut held = TreeContents::new();
        for piece in &plan.contents {
            let there = Held::Spooled { spool: self.file.clone(), offset, size: piece.size };
            offset = offset.saturating_add(piece.size);
            let there = if piece.veiled { uncovered(&there, &piece.digest, veil)? } else { there };
            held.insert(piece.digest.clone(), there);
        }
        Ok(Contents { trees: vec![Arc::new(held)], ..Contents::default() })
    }
}

/// A piece with its secrets, in a file without a name.
fn uncovered(held: &Held, digest: &Digest, veil: &Veil) -> Result<Held> {
    let doing = "put the secrets into a file of the plan";
    let mut text = String::new();
    held.open()?.read_to_string(&mut text).doing(doing)?;
    let text = veil.uncover(&text)?;
    if Digest::of(text.as_bytes()) != *digest {
        return Err(Failure::new(doing, "a secret in it is another one than when the plan was made")
            .hint("make a new plan"));
    }
    let mut spool = tempfile::tempfile().doing(doing)?;
    spool.write_all(text.as_bytes()).doing(doing)?;
    Ok(Held::Spooled { spool: Arc::new(spool), offset: 0, size: text.len() as u64 })
}

/// A small asset with its bytes.
pub fn inline(digest: &Digest, contents: &Contents) -> Result<InlineAsset> {
    let mut bytes = Vec::new();
    contents.open(digest)?.take(INLINE_LIMIT).read_to_end(&mut bytes).doing("read a file of the plan")?;
    Ok(InlineAsset { asset: Asset { digest: digest.clone(), size: bytes.len() as u64 }, bytes })
}
