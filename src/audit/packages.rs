//! What `package.json` files say a tree depends on, and what of it is installed.

use crate::javascript::view::View;
use crate::model::{Result, Value};
use crate::system::FileKind;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How a package is depended on, the firmest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// `dependencies`, or `peerDependencies` that are not optional.
    Needed,
    /// `devDependencies`: not there on a host that was installed for production.
    ForDevelopment,
    /// `optionalDependencies`, or optional peers.
    Optional,
}

/// The tree's packages, read once each.
pub struct Packages<'v> {
    view: &'v View<'v>,
    read: HashMap<PathBuf, Option<Value>>,
}

impl<'v> Packages<'v> {
    /// Nothing is read yet.
    pub fn of(view: &'v View<'v>) -> Packages<'v> {
        Packages { view, read: HashMap::new() }
    }

    /// How a package, or its types, is declared by the nearest `package.json` above `file` that names it.
    pub fn wish(&mut self, file: &Path, package: &str) -> Result<Option<Wish>> {
        let types = format!("@types/{}", package.trim_start_matches('@').replace('/', "__"));
        for folder in folders_above(file) {
            let Some(json) = self.json(folder)? else { continue };
            if let Some(wish) = wish(json, package).or_else(|| wish(json, &types)) {
                return Ok(Some(wish));
            }
            if folder == self.view.root() {
                break;
            }
        }
        Ok(None)
    }

    /// Whether the nearest `package.json` says that `.js` files are ES modules.
    pub fn is_module(&mut self, file: &Path) -> Result<bool> {
        for folder in folders_above(file) {
            if let Some(json) = self.json(folder)? {
                return Ok(json["type"] == "module");
            }
        }
        Ok(false)
    }

    /// The directory of an installed package, as seen from `file`.
    pub fn installed(&self, file: &Path, package: &str) -> Result<bool> {
        for folder in folders_above(file) {
            if self.view.kind(&folder.join("node_modules").join(package))? == Some(FileKind::Dir) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether packages were installed at all for `file`.
    pub fn any_installed(&self, file: &Path) -> Result<bool> {
        for folder in folders_above(file) {
            if self.view.kind(&folder.join("node_modules"))? == Some(FileKind::Dir) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn json(&mut self, folder: &Path) -> Result<Option<&Value>> {
        if !self.read.contains_key(folder) {
            let bytes = self.view.read(&folder.join("package.json"))?;
            let json = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            self.read.insert(folder.to_path_buf(), json);
        }
        Ok(self.read[folder].as_ref())
    }
}

/// The package that a specifier names: `@a/b` of `@a/b/c`. `None` when it names none.
pub fn package_of(specifier: &str) -> Option<&str> {
    let scoped = usize::from(specifier.starts_with('@'));
    let end = specifier.match_indices('/').nth(scoped).map_or(specifier.len(), |(at, _)| at);
    let name = &specifier[..end];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@/-_.~".contains(&byte);
    let whole =
        name.len() > scoped && !name.starts_with(['.', '/', '~']) && (scoped == 0 || name.contains('/'));
    (whole && !name.starts_with("@/") && name.bytes().all(plain)).then_some(name)
}

fn folders_above(file: &Path) -> impl Iterator<Item = &Path> {
    file.ancestors().skip(1)
}

fn wish(json: &Value, package: &str) -> Option<Wish> {
    let has = |list: &str| json[list].get(package).is_some();
    let optional_peer = json["peerDependenciesMeta"][package]["optional"] == true;
    if has("dependencies") || (has("peerDependencies") && !optional_peer && !has("devDependencies")) {
        // npm writes optional ones into both lists.
        return Some(if has("optionalDependencies") { Wish::Optional } else { Wish::Needed });
    }
    if has("optionalDependencies") || optional_peer {
        return Some(Wish::Optional);
    }
    has("devDependencies").then_some(Wish::ForDevelopment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_specifier_names_a_package() {
        let cases = [
            ("a", Some("a")),
            ("a/b/c.js", Some("a")),
            ("@a/b", Some("@a/b")),
            ("@a/b/c", Some("@a/b")),
            ("./a", None),
            ("/a", None),
            ("@/a", None),
            ("~/a", None),
            ("@a", None),
            ("#a", None),
            ("", None),
            ("a b", None),
        ];
        for (specifier, package) in cases {
            assert_eq!(package_of(specifier), package, "{specifier}");
        }
    }

    #[test]
    fn wishes_are_told_apart() {
        let json = json!({
            "dependencies": { "a": "1", "b": "1" }, "optionalDependencies": { "b": "1", "c": "1" },
            "devDependencies": { "d": "1", "e": "1" }, "peerDependencies": { "e": "1", "f": "1", "g": "1" },
            "peerDependenciesMeta": { "g": { "optional": true } },
        });
        let of = |package| wish(&json, package);
        assert_eq!(
            (of("a"), of("b"), of("c")),
            (Some(Wish::Needed), Some(Wish::Optional), Some(Wish::Optional))
        );
        assert_eq!((of("d"), of("e")), (Some(Wish::ForDevelopment), Some(Wish::ForDevelopment)));
        assert_eq!((of("f"), of("g"), of("h")), (Some(Wish::Needed), Some(Wish::Optional), None));
    }
}
