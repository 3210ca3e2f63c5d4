//! Files of the project that go into jobs: assets, texts, templates.

use super::image;
use crate::diagnostic::Diagnostics;
use crate::model::digest::Digest;
use crate::model::nearest::nearest_or_all;
use crate::model::op::Asset;
use crate::model::{Doing, Failure, Result, Value};
use crate::playbook::role;
use crate::project::Project;
use crate::step::NamedText;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file of at most this many bytes travels in the job.
const INLINE_BYTES: u64 = 64 << 10;

/// The texts of a folder travel in the job, whose frame holds 32 MiB.
const FOLDER_BYTES: usize = 16 << 20;

/// The files that were asked for; each is read once for all hosts.
pub struct Files<'a> {
    project: &'a Project,
    assets: RefCell<BTreeMap<PathBuf, Result<Asset>>>,
    small: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    images: RefCell<BTreeMap<PathBuf, Result<Vec<Value>>>>,
}

impl<'a> Files<'a> {
    /// None yet.
    pub fn new(project: &'a Project) -> Files<'a> {
        Files { project, assets: RefCell::default(), small: RefCell::default(), images: RefCell::default() }
    }

    /// The asset that `name` names, and where it is.
    pub fn asset(&self, name: &str) -> Result<(Asset, PathBuf)> {
        let path = self.find(name)?;
        let known = self.assets.borrow().get(&path).cloned();
        let asset = known.unwrap_or_else(|| {
            let asset = self.read_asset(&path);
            self.assets.borrow_mut().insert(path.clone(), asset.clone());
            asset
        });
        Ok((asset?, path))
    }

    /// The text of the file that `name` names.
    pub fn text(&self, name: &str) -> Result<String> {
        self.project.read(&self.find(name)?).map(|source| source.text.clone())
    }

    /// The images in the archive at a path, which is called `name`.
    pub fn images(&self, path: &Path, name: &str) -> Result<Vec<Value>> {
        let known = self.images.borrow().get(path).cloned();
        known.unwrap_or_else(|| {
            let images = image::images(path, name);
            self.images.borrow_mut().insert(path.to_path_buf(), images.clone());
            images
        })
    }

    /// The text files of the folder that `name` names and of folders in it, sorted by their paths there.
    pub fn texts(&self, name: &str) -> Result<Vec<NamedText>> {
        let folder = self.found(name)?;
        let shown = self.project.name_of(&folder);
        if !folder.is_dir() {
            return Err(Failure::new(format!("read {shown}"), "it is a file, and a directory is needed"));
        }
        let mut texts = Vec::new();
        for path in self.project.files(&folder.display().to_string(), true)? {
            let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
            texts.push(NamedText { name, text: self.project.read(&path)?.text.clone() });
        }
        let bytes: usize = texts.iter().map(|file| file.text.len()).sum();
        match bytes > FOLDER_BYTES {
            true => {
                let why = format!(
                    "its files have {} MiB, more than the {} that fit into a job",
                    bytes >> 20,
                    FOLDER_BYTES >> 20
                );
                Err(Failure::new(format!("read {shown}"), why))
            }
            false => Ok(texts),
        }
    }

    /// The asset at a path and its bytes, when they are few.
    pub fn small(&self, path: &Path) -> Option<(Asset, Vec<u8>)> {
        let asset = self.assets.borrow().get(path)?.clone().ok()?;
        Some((asset, self.small.borrow().get(path)?.clone()))
    }

    /// A name is looked for below `files/`, then in the project itself.
    fn find(&self, name: &str) -> Result<PathBuf> {
        let found = self.found(name)?;
        match found.is_dir() {
            true => Err(Failure::new(format!("read {}", self.project.name_of(&found)), "it is a directory")),
            false => Ok(found),
        }
    }

    fn found(&self, name: &str) -> Result<PathBuf> {
        let paths = [self.project.root.join("files").join(name), self.project.root.join(name)];
        paths.into_iter().find(|path| path.exists()).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("find the file {name}"), "neither files/ nor the project has it");
        let there: Vec<String> = self
            .project
            .files("files", true)
            .unwrap_or_default()
            .iter()
            .map(|path| self.project.name_of(path).trim_start_matches("files/").to_string())
            .collect();
        match nearest_or_all(name, there.iter().map(String::as_str)) {
            Some(hint) => failure.hint(hint),
            None => failure.hint(format!("put it at files/{name}")),
        }
    }

    fn read_asset(&self, path: &Path) -> Result<Asset> {
        let doing = format!("read {}", self.project.name_of(path));
        let mut file = self.project.open_file(path, &doing)?;
        let size = file.metadata().doing(&doing)?.len();
        if size <= INLINE_BYTES {
            let mut bytes = Vec::new();
            (&mut file).take(INLINE_BYTES).read_to_end(&mut bytes).doing(&doing)?;
            let asset = Asset { digest: Digest::of(&bytes), size: bytes.len() as u64 };
            self.small.borrow_mut().insert(path.to_path_buf(), bytes);
            return Ok(asset);
        }
        let (digest, size) = Digest::of_reader(&mut file).doing(doing)?;
        Ok(Asset { digest, size })
    }
}

/// The sources of all files below `templates/` that are text, by their path there, and those of roles by their whole path.
pub fn templates(project: &Project) -> Result<BTreeMap<String, String>, Diagnostics> {
    let folder = project.root.join("templates");
    let mut sources = BTreeMap::new();
    for path in project.files("templates", true)? {
        let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
        sources.extend(text_of(project, &path)?.map(|text| (name, text)));
    }
    for path in project.files(role::ROLES, true)? {
        let own = path.strip_prefix(&project.root).unwrap_or(&path);
        if own.components().nth(2).is_some_and(|part| part.as_os_str() == role::TEMPLATES) {
            sources.extend(text_of(project, &path)?.map(|text| (own.display().to_string(), text)));
        }
    }
    Ok(sources)
}

/// The text of a file; `None` for what is no text, which may be there: a step that names it gets the error that there is
/// no such template.
fn text_of(project: &Project, path: &Path) -> Result<Option<String>> {
    let doing = format!("read {}", project.name_of(path));
    let mut bytes = Vec::new();
    let read = project.open_file(path, &doing)?.read_to_end(&mut bytes);
    read.doing(doing)?;
    Ok(String::from_utf8(bytes).ok())
}
