//! What an audit leaves out.

use serde::{Deserialize, Deserializer, de};
use std::path::Path;

/// Names of files and folders. One without `/` is a name at any depth; with one, it is a path from the top. `*` stands
/// for any letters of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip(Vec<Vec<String>>);

impl Skip {
    /// What no audit looks into when nothing is said: git's own files, and what a package manager installed.
    pub fn usual() -> Skip {
        Skip([".git", "node_modules"].map(|name| vec!["**".to_string(), name.to_string()]).to_vec())
    }

    /// Reads patterns.
    pub fn parse(patterns: &[impl AsRef<str>]) -> Result<Skip, String> {
        let all = patterns.iter().map(|pattern| {
            let text = pattern.as_ref();
            let parts: Vec<String> = text.trim_matches('/').split('/').map(str::to_string).collect();
            match parts.iter().any(|part| matches!(part.as_str(), "" | "." | "..")) {
                true => Err(format!("{text:?} is no name of a file or folder below the top")),
                false if text.trim_end_matches('/').contains('/') => Ok(parts),
                false => Ok([vec!["**".to_string()], parts].concat()),
            }
        });
        Ok(Skip(all.collect::<Result<_, _>>()?))
    }

    /// Whether this path, relative to the top, is left out. What is in a folder that is left out is never asked about.
    pub fn skips(&self, path: &Path) -> bool {
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        self.0.iter().any(|pattern| match pattern.as_slice() {
            [any, name] if any == "**" => {
                parts.last().is_some_and(|last| fits(name.as_bytes(), last.as_bytes()))
            }
            whole => {
                whole.len() == parts.len()
                    && whole.iter().zip(&parts).all(|(one, other)| fits(one.as_bytes(), other.as_bytes()))
            }
        })
    }
}

impl<'de> Deserialize<'de> for Skip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Skip::parse(&Vec::<String>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Skip {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "patterns".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": { "type": "string" } })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Goes back to the last `*` only, so that the time is bounded by the product of both lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name, mut star) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            Some(byte) if *byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                (at, in_name) = (after, taken + 1);
                star = Some((after, taken + 1));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_out_at_any_depth_and_paths_from_the_top() {
        let skip = Skip::parse(&["node_modules", "*.test.js", "dist/old", "/build"]).unwrap();
        let skipped = |path: &str| skip.skips(Path::new(path));
        for path in ["node_modules", "a/node_modules", "a/b.test.js", "dist/old"] {
            assert!(skipped(path), "{path}");
        }
        for path in ["a/dist/old", "dist", "node_modules2", "a.test.jsx"] {
            assert!(!skipped(path), "{path}");
        }
        for text in ["", "/", "a/../b", "./a"] {
            assert!(Skip::parse(&[text]).is_err(), "{text}");
        }
    }
}
