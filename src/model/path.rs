//! A path on a host. Host file names are bytes, so it survives every format we write it to.

use super::hexadecimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::ffi::OsString;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path on a host, absolute once a step has been parsed. Written as text; a name that is not UTF-8 is written as a
/// NUL (which no path holds) followed by its bytes in hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// The path as the standard library knows it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` inside this one.
    pub fn join(&self, name: impl AsRef<Path>) -> HostPath {
        HostPath(self.0.join(name))
    }
}

impl<P: Into<PathBuf>> From<P> for HostPath {
    fn from(path: P) -> Self {
        HostPath(path.into())
    }
}

impl Deref for HostPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.display())
    }
}

impl fmt::Debug for HostPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                serializer.serialize_str(&format!("\0{}", hexadecimal::of(self.0.as_os_str().as_bytes())))
            }
        }
    }
}

impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix('\0') {
            None => Ok(HostPath(PathBuf::from(text))),
            Some(digits) => hexadecimal::bytes_of(digits)
                .map(|bytes| HostPath(PathBuf::from(OsString::from_vec(bytes))))
                .ok_or_else(|| de::Error::custom("a path in hexadecimal with wrong digits")),
        }
    }
}

/// The pattern by which schemas know a path on a host: absolute, or a template that may become that.
#[cfg(feature = "controller")]
pub const ABSOLUTE: &str = r"^/|\{[{%#]";

#[cfg(feature = "controller")]
impl schemars::JsonSchema for HostPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": ABSOLUTE,
            "description": "an absolute path on the host",
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_names_that_are_not_utf8() {
        for bytes in [&b"/srv/caf\xe9"[..], b"/etc/motd", b"/with \xff\xfe"] {
            let path = HostPath(PathBuf::from(OsString::from_vec(bytes.to_vec())));
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<HostPath>(&text).unwrap(), path);
        }
    }
}
