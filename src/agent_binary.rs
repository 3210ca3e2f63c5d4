//! The agents that this controller can give to hosts: those built into it, and those in the folder that the
//! environment variable `WINDLASS_AGENT_DIR` names.

use crate::model::digest::Digest;
use crate::model::{Doing, Failure, Result};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Names a folder with more agents: files `windlass-agent-ARCH`, where ARCH is what `uname -m` says.
pub const FOLDER: &str = "WINDLASS_AGENT_DIR";

/// An agent for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentBinary {
    /// The processor as Rust targets name it: `x86_64`, `aarch64`, `armv7`. The system is always Linux.
    pub platform: String,
    /// Of the raw binary; hosts keep the agent under this name.
    pub digest: Digest,
    /// Of the raw binary, in bytes.
    pub raw_size: u64,
    /// What is sent.
    pub gzipped: Cow<'static, [u8]>,
}

/// The agent for hosts whose `uname -m` is `machine`, or `None`: such a host is worked through its shell. Fails when
/// the folder of more agents cannot be read.
pub fn for_platform(machine: &str) -> Result<Option<&'static AgentBinary>> {
    let platform = platform(machine);
    Ok(all()?.iter().find(|agent| agent.platform == platform))
}

/// Every agent, those built in first. Fails when the folder of more agents cannot be read.
pub fn all() -> Result<&'static [AgentBinary]> {
    static ALL: OnceLock<Result<Vec<AgentBinary>>> = OnceLock::new();
    ALL.get_or_init(|| Ok([embedded(), more(std::env::var_os(FOLDER))?].concat()))
        .as_deref()
        .map_err(Clone::clone)
}

/// One line for each agent, as `windlass --version` tells it: `x86_64, 2.2 MB (1.0 MB gzipped), 3f9c…`.
pub fn described() -> Result<Vec<String>> {
    Ok(all()?.iter().map(AgentBinary::described).collect())
}

impl AgentBinary {
    fn described(&self) -> String {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (raw, sent) = (megabytes(self.raw_size), megabytes(self.gzipped.len() as u64));
        format!("{}, {raw:.1} MB ({sent:.1} MB gzipped), {}", self.platform, &self.digest.as_str()[..12])
    }

    /// The bytes as they are on a host, for one that cannot unpack gzip.
    pub fn raw(&self) -> Result<Vec<u8>> {
        let mut raw = Vec::new();
        GzDecoder::new(&*self.gzipped).read_to_end(&mut raw).doing("unpack the agent")?;
        Ok(raw)
    }

    fn from_file(path: &Path, machine: &str) -> Result<Self> {
        let raw = read(path)?;
        let gzipped = gzip(&raw).doing(format_args!("compress {}", path.display()))?;
        Ok(AgentBinary {
            platform: platform(machine).to_string(),
            digest: Digest::of(&raw),
            raw_size: raw.len() as u64,
            gzipped: gzipped.into(),
        })
    }
}

/// What build.rs has built: platform, digest, raw size, gzipped bytes.
const EMBEDDED: &[(&str, &str, u64, &[u8])] = include!(concat!(env!("OUT_DIR"), "/agents.rs"));

fn embedded() -> Vec<AgentBinary> {
    let agent = |&(platform, digest, raw_size, gzipped): &(&str, &str, u64, &'static [u8])| AgentBinary {
        platform: platform.to_string(),
        digest: Digest::try_from(digest.to_string()).expect("build.rs writes 64 hexadecimal digits"),
        raw_size,
        gzipped: gzipped.into(),
    };
    EMBEDDED.iter().map(agent).collect()
}

fn more(folder: Option<OsString>) -> Result<Vec<AgentBinary>> {
    let Some(folder) = folder.filter(|folder| !folder.is_empty()) else { return Ok(Vec::new()) };
    let folder = Path::new(&folder);
    let doing = format!("look for agents in {FOLDER}={}", folder.display());
    let mut names = names(folder).map_err(|why| {
        Failure::new(&doing, why).hint(format_args!("unset {FOLDER} to use only the agents built in"))
    })?;
    names.sort();
    let machines = names.iter().filter_map(|name| Some((name, name.strip_prefix("windlass-agent-")?)));
    machines.map(|(name, machine)| AgentBinary::from_file(&folder.join(name), machine)).collect()
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).doing(format_args!("read {}", path.display()))
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// What Rust targets call the processor that `uname -m` names.
fn platform(machine: &str) -> &str {
    match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "armv7l" | "armv8l" => "armv7",
        "i386" | "i486" | "i586" => "i686",
        "riscv64" => "riscv64gc",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn built_in() -> (&'static AgentBinary, Vec<u8>) {
        let agent = for_platform(std::env::consts::ARCH).unwrap().unwrap();
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(&*agent.gzipped).read_to_end(&mut raw).unwrap();
        (agent, raw)
    }

    #[test]
    fn the_agent_of_this_platform_is_built_in_whole() {
        let (agent, raw) = built_in();
        assert_eq!((Digest::of(&raw), raw.len() as u64), (agent.digest.clone(), agent.raw_size));
    }

    /// The types of an ELF file's program headers; see elf(5).
    fn segments(elf: &[u8]) -> Vec<u32> {
        assert_eq!(&elf[..5], b"\x7fELF\x02", "a 64-bit ELF file");
        let start = u64::from_ne_bytes(elf[32..40].try_into().unwrap()) as usize;
        let count = u16::from_ne_bytes(elf[56..58].try_into().unwrap()) as usize;
        let headers = elf[start..].chunks(56).take(count);
        headers.map(|header| u32::from_ne_bytes(header[..4].try_into().unwrap())).collect()
    }

    #[test]
    fn the_agent_is_static() {
        const PT_LOAD: u32 = 1;
        const PT_INTERP: u32 = 3;
        let segments = segments(&built_in().1);
        assert!(segments.contains(&PT_LOAD) && !segments.contains(&PT_INTERP), "{segments:?}");
    }

    #[test]
    fn an_unknown_platform_has_none() {
        assert_eq!(for_platform("vax").unwrap(), None);
    }

    #[test]
    fn a_folder_gives_more() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("windlass-agent-arm64"), b"an agent").unwrap();
        std::fs::write(folder.path().join("README"), b"no agent").unwrap();
        let found = more(Some(folder.path().into())).unwrap();
        let told: Vec<_> = found.iter().map(|agent| (agent.platform.as_str(), agent.raw_size)).collect();
        assert_eq!(told, [("aarch64", 8)]);
        assert_eq!(found[0].digest, Digest::of(b"an agent"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        expect_test::expect![[r#"
            look for agents in WINDLASS_AGENT_DIR=/no/such: No such file or directory (os error 2)
              hint: unset WINDLASS_AGENT_DIR to use only the agents built in"#]]
        .assert_eq(&more(Some("/no/such".into())).unwrap_err().to_string());
    }
}
