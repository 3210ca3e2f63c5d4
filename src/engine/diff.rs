//! What a change does to a file, as people read it.

use crate::model::op::{Content, Op};
use crate::model::path::HostPath;
use crate::system::Probe;
use similar::TextDiff;

/// Texts longer than this are told by size only, in bytes.
const TEXT_LIMIT: u64 = 256 * 1024;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The unified diff of an op, looking at the host before the op is performed; `None` when there is none to show.
pub fn of(host: &dyn Probe, op: &Op) -> Option<String> {
    match op {
        Op::Write { path, content, .. } => Some(of_write(host, path, content)),
        Op::Remove { path } => of_removal(host, path),
        _ => None,
    }
}

fn of_write(host: &dyn Probe, path: &HostPath, content: &Content) -> String {
    let after = match content {
        Content::Bytes(bytes) => text(bytes.clone()),
        Content::Asset(asset) => Text::Other(asset.size),
    };
    unified(path, before(host, path), after)
}

fn of_removal(host: &dyn Probe, path: &HostPath) -> Option<String> {
    let is_file =
        host.stat(path).ok().flatten().is_some_and(|stat| stat.kind == crate::system::FileKind::File);
    is_file.then(|| unified(path, before(host, path), Text::Nothing))
}

enum Text {
    Nothing,
    Lines(String),
    Other(u64),
}

fn before(host: &dyn Probe, path: &HostPath) -> Text {
    let size = host.stat(path).ok().flatten().map(|stat| stat.size);
    match size {
        None => Text::Nothing,
        Some(size) if size > TEXT_LIMIT => Text::Other(size),
        Some(size) => host.read(path).ok().flatten().map_or(Text::Other(size), text),
    }
}

fn text(bytes: Vec<u8>) -> Text {
    let size = bytes.len() as u64;
    match String::from_utf8(bytes) {
        Ok(text) if size <= TEXT_LIMIT && !text.contains('\0') => Text::Lines(text),
        _ => Text::Other(size),
    }
}

fn unified(path: &HostPath, before: Text, after: Text) -> String {
    let name =
        |text: &Text| if matches!(text, Text::Nothing) { "/dev/null".to_string() } else { path.to_string() };
    let (old_name, new_name) = (name(&before), name(&after));
    match (lines(before), lines(after)) {
        (Ok(old), Ok(new)) => TextDiff::from_lines(&old, &new)
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&old_name, &new_name)
            .to_string(),
        (old, new) => format!("--- {old_name}\n+++ {new_name}\n{} becomes {}\n", told(old), told(new)),
    }
}

fn lines(text: Text) -> Result<String, u64> {
    match text {
        Text::Nothing => Ok(String::new()),
        Text::Lines(text) => Ok(text),
        Text::Other(size) => Err(size),
    }
}

fn told(text: Result<String, u64>) -> String {
    match text {
        Ok(text) if text.is_empty() => "nothing".to_string(),
        Ok(text) => format!("text of {} bytes", text.len()),
        Err(size) => format!("{size} bytes"),
    }
}
