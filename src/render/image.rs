//! Archives of `docker save`: which images one holds, read here, so that a host which has them needs no bytes.

use crate::model::{Doing, Failure, Result, Value};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// The most that is read of an archive's list of images, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// How gzip's bytes begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
}

/// The images in an archive, as `{ id, tags }`.
pub fn images(path: &Path, name: &str) -> Result<Vec<Value>> {
    let manifest = manifest(path).doing(format!("read the archive {name}"))?;
    let refused = |why: &str| {
        Failure::new(format!("read the archive {name}"), why).hint("make it with `docker save -o FILE IMAGE`")
    };
    let manifest = manifest.ok_or_else(|| refused("it has no manifest.json: docker save did not make it"))?;
    let entries: Vec<Entry> =
        serde_json::from_slice(&manifest).doing(format!("read manifest.json of {name}"))?;
    let images: Option<Vec<Value>> = entries.iter().map(image).collect();
    images
        .filter(|images| !images.is_empty())
        .ok_or_else(|| refused("its manifest.json names no image by its digest"))
}

/// The configuration's file is named by its digest, which is the image's id: `HEX.json`, `blobs/sha256/HEX`.
fn image(entry: &Entry) -> Option<Value> {
    let file = entry.config.rsplit('/').next()?;
    let hex = file.strip_suffix(".json").unwrap_or(file);
    let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(
        || json!({ "id": format!("sha256:{hex}"), "tags": entry.repo_tags.clone().unwrap_or_default() }),
    )
}

fn manifest(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut first = Vec::new();
    (&mut file).take(GZIP.len() as u64).read_to_end(&mut first)?;
    file.rewind()?;
    if first == GZIP {
        return find(tar::Archive::new(GzDecoder::new(file)).entries()?);
    }
    find(tar::Archive::new(file).entries_with_seek()?)
}

fn find<R: Read>(entries: tar::Entries<'_, R>) -> std::io::Result<Option<Vec<u8>>> {
    for entry in entries {
        let entry = entry?;
        if entry.path()?.as_os_str() == "manifest.json" {
            let mut bytes = Vec::new();
            entry.take(MANIFEST_LIMIT).read_to_end(&mut bytes)?;
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Value>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        images(file.path(), "app.tar")
    }

    #[test]
    fn images_are_named_by_their_configuration() {
        let hex = "ab".repeat(32);
        let old = format!(r#"[{{"Config":"{hex}.json","RepoTags":["app:1"],"Layers":[]}}]"#);
        let oci = format!(r#"[{{"Config":"blobs/sha256/{hex}","RepoTags":null}}]"#);
        let id = format!("sha256:{hex}");
        let plain = archive(&[("layer/layer.tar", "bytes"), ("manifest.json", &old)]);
        assert_eq!(read(&plain).unwrap(), [json!({ "id": id, "tags": ["app:1"] })]);
        assert_eq!(read(&archive(&[("manifest.json", &oci)])).unwrap(), [json!({ "id": id, "tags": [] })]);

        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        assert_eq!(read(&gzip.finish().unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn what_docker_save_did_not_make_is_refused() {
        for (bytes, told) in [
            (archive(&[("index.html", "hi")]), "it has no manifest.json: docker save did not make it"),
            (archive(&[("manifest.json", "[]")]), "its manifest.json names no image by its digest"),
        ] {
            let failure = read(&bytes).unwrap_err().to_string();
            assert_eq!(
                failure,
                format!("read the archive app.tar: {told}\n  hint: make it with `docker save -o FILE IMAGE`")
            );
        }
        assert!(read(b"no archive at all, but longer than nothing").is_err());
    }
}
