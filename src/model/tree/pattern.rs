//! Patterns that choose paths of a tree, as `.gitignore` has them: `node_modules`, `*.log`, `config/*.env`, `docs/**`.

use super::Inside;
use serde::{Deserialize, Serialize};

/// A pattern. One without `/` is a name at any depth; with one, it counts from the top. What is in a directory that it
/// chooses is chosen too. `*` and `?` stand for what has no `/` in it, `**` for any number of directories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    parts: Vec<String>,
}

impl Pattern {
    /// Whether it chooses `path`, or a directory above it.
    pub fn matches(&self, path: &Inside) -> bool {
        let parts: Vec<&[u8]> = path.parts().collect();
        (1..=parts.len()).any(|length| fits(&self.parts, &parts[..length]))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.trim_end_matches('/');
        let from_top = bare.contains('/');
        let bare = bare.strip_prefix('/').unwrap_or(bare);
        let mut parts: Vec<String> = bare.split('/').map(str::to_string).collect();
        if text.starts_with('!') || parts.iter().any(|part| matches!(part.as_str(), "" | "." | "..")) {
            return Err(format!("{text:?} is no pattern: write a name, or a path from the top of the tree"));
        }
        if !from_top {
            parts.insert(0, "**".to_string());
        }
        Ok(Pattern { text, parts })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

fn fits(pattern: &[String], path: &[&[u8]]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any == "**" => {
            fits(rest, path) || path.split_first().is_some_and(|(_, inner)| fits(pattern, inner))
        }
        (Some((part, rest)), Some((name, inner))) => name_fits(part.as_bytes(), name) && fits(rest, inner),
        _ => false,
    }
}

/// Goes back to the last `*` only, so that the time is bounded by the product of both lengths.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name, mut star) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
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

    fn chosen<'a>(pattern: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let pattern = Pattern::try_from(pattern.to_string()).unwrap();
        paths.iter().copied().filter(|path| pattern.matches(&Inside::new(*path).unwrap())).collect()
    }

    #[test]
    fn a_name_is_found_at_any_depth_and_a_path_from_the_top() {
        let paths = ["a.log", "x/a.log", "x/logs/b", "logs", "logs/c/d", "x/y/z.env", "x/z.env"];
        assert_eq!(chosen("*.log", &paths), ["a.log", "x/a.log"]);
        assert_eq!(chosen("logs", &paths), ["x/logs/b", "logs", "logs/c/d"]);
        assert_eq!(chosen("logs/", &paths), chosen("logs", &paths));
        assert_eq!(chosen("/logs", &paths), ["logs", "logs/c/d"]);
        assert_eq!(chosen("x/*.env", &paths), ["x/z.env"]);
        assert_eq!(chosen("x/**/z.env", &paths), ["x/y/z.env", "x/z.env"]);
        assert_eq!(chosen("**/z.env", &paths), ["x/y/z.env", "x/z.env"]);
        assert_eq!(chosen("?.log", &paths), ["a.log", "x/a.log"]);
        assert_eq!(chosen("*a*l*g", &paths), ["a.log", "x/a.log"]);
        assert_eq!(chosen("x/**", &paths), ["x/a.log", "x/logs/b", "x/y/z.env", "x/z.env"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "/", "!a", "a/../b", "a//b", "./a"] {
            assert!(Pattern::try_from(text.to_string()).is_err(), "{text}");
        }
    }
}
