//! The agents that this controller can give to hosts: those built into it, and those in the directory that the
//! environment variable `WINDLASS_AGENT_DIR` names. For each platform there are two: the one that every host gets, and a
//! larger one that parses JavaScript, for hosts with work for it.

use crate::model::digest::Digest;
use crate::model::{Doing, Failure, Result};
use crate::trust;
use flate2::{Compression, write::GzEncoder};
use lzma_rust2::XzReader;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Names a directory with more agents: files `windlass-agent-ARCH` and `windlass-agent-javascript-ARCH`, where ARCH is
/// what `uname -m` says.
pub const DIRECTORY: &str = "WINDLASS_AGENT_DIR";

/// An agent for one platform.
#[derive(Debug)]
pub struct AgentBinary {
    /// The processor as Rust targets name it: `x86_64`, `aarch64`, `armv7`. The system is always Linux.
    pub platform: String,
    /// Whether it parses JavaScript.
    pub javascript: bool,
    /// Of the raw binary; hosts keep the agent under this name.
    pub digest: Digest,
    /// Of the raw binary, in bytes.
    pub raw_size: u64,
    kept: Kept,
    /// Compressed for the first host that has no xz, and kept for the others.
    gzipped: OnceLock<Result<Vec<u8>>>,
}

/// The bytes of an agent as this program has them.
#[derive(Debug)]
enum Kept {
    /// Packed by build.rs.
    Xz(&'static [u8]),
    /// Read from a file.
    Raw(Vec<u8>),
}

/// How the bytes of an agent travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A third smaller than gzip. Most servers have it, minimal images do not.
    Xz,
    /// Nearly every host has it.
    Gzip,
    /// As they are on the host.
    Raw,
}

/// The agents that can do a job, built in first, small first. `javascript` asks for those that parse it. Fails when the
/// directory of more agents cannot be read.
pub fn able(javascript: bool) -> Result<Vec<&'static AgentBinary>> {
    Ok(all()?.iter().filter(|agent| agent.javascript || !javascript).collect())
}

/// The one of `agents` for hosts whose `uname -m` is `machine`, or `None`: such a host is worked through its shell.
pub fn for_platform(agents: &[&'static AgentBinary], machine: &str) -> Option<&'static AgentBinary> {
    let platform = platform(machine);
    agents.iter().find(|agent| agent.platform == platform).copied()
}

/// Every agent, those built in first. Fails when the directory of more agents cannot be read.
fn all() -> Result<&'static [AgentBinary]> {
    static ALL: OnceLock<Result<Vec<AgentBinary>>> = OnceLock::new();
    ALL.get_or_init(|| Ok(embedded().chain(more(std::env::var_os(DIRECTORY))?).collect()))
        .as_deref()
        .map_err(Clone::clone)
}

/// One line for each agent, as `windlass --version` shows it:
/// `x86_64, 4.8 MB (1.5 MB compressed), 3f9c…`.
pub fn described() -> Result<Vec<String>> {
    Ok(all()?.iter().map(AgentBinary::described).collect())
}

impl AgentBinary {
    fn described(&self) -> String {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let platform = format!("{}{}", self.platform, if self.javascript { " with JavaScript" } else { "" });
        let packed = match self.kept {
            Kept::Xz(xz) => format!(" ({} compressed)", megabytes(xz.len() as u64)),
            Kept::Raw(_) => String::new(),
        };
        format!("{platform}, {}{packed}, {}", megabytes(self.raw_size), &self.digest.as_str()[..12])
    }

    /// The bytes for a host that unpacks what it names: the first of those that this agent can be had as.
    pub fn packed(&self, unpacks: &[Packing]) -> Result<(Packing, Cow<'_, [u8]>)> {
        let has = |packing: &Packing| *packing != Packing::Xz || matches!(self.kept, Kept::Xz(_));
        let packing = unpacks.iter().copied().find(has).unwrap_or(Packing::Raw);
        let bytes = match (packing, &self.kept) {
            (Packing::Xz, Kept::Xz(xz)) => Cow::from(*xz),
            (Packing::Gzip, _) => self.gzipped()?.into(),
            (Packing::Xz | Packing::Raw, _) => self.raw()?,
        };
        Ok((packing, bytes))
    }

    fn raw(&self) -> Result<Cow<'_, [u8]>> {
        match &self.kept {
            Kept::Raw(raw) => Ok(raw.into()),
            Kept::Xz(xz) => {
                let mut raw = Vec::with_capacity(self.raw_size as usize);
                XzReader::new(*xz, false).read_to_end(&mut raw).doing("unpack the agent")?;
                Ok(raw.into())
            }
        }
    }

    fn gzipped(&self) -> Result<&[u8]> {
        let gzipped = self.gzipped.get_or_init(|| gzip(&self.raw()?).doing("compress the agent"));
        gzipped.as_deref().map_err(Clone::clone)
    }

    /// The agent in a file that is named after `machine`.
    pub fn from_file(path: &Path, machine: &str) -> Result<Self> {
        let (machine, javascript) = match machine.strip_prefix("javascript-") {
            Some(machine) => (machine, true),
            None => (machine, false),
        };
        let raw = read(path)?;
        Ok(AgentBinary {
            platform: platform(machine).to_string(),
            javascript,
            digest: Digest::of(&raw),
            raw_size: raw.len() as u64,
            kept: Kept::Raw(raw),
            gzipped: OnceLock::new(),
        })
    }
}

impl Packing {
    /// As find.sh says it and place.sh takes it.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Xz => "xz",
            Packing::Gzip => "gzip",
            Packing::Raw => "raw",
        }
    }

    /// The one of this name; `None` for another word.
    pub fn named(name: &str) -> Option<Packing> {
        [Packing::Xz, Packing::Gzip, Packing::Raw].into_iter().find(|packing| packing.name() == name)
    }
}

/// What build.rs has built.
struct Embedded {
    platform: &'static str,
    javascript: bool,
    digest: &'static str,
    raw_size: u64,
    xz: &'static [u8],
}

const EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/agents.rs"));

fn embedded() -> impl Iterator<Item = AgentBinary> {
    let agent = |embedded: &Embedded| AgentBinary {
        platform: embedded.platform.to_string(),
        javascript: embedded.javascript,
        digest: Digest::try_from(embedded.digest.to_string()).expect("build.rs writes 64 hexadecimal digits"),
        raw_size: embedded.raw_size,
        kept: Kept::Xz(embedded.xz),
        gzipped: OnceLock::new(),
    };
    EMBEDDED.iter().map(agent)
}

fn more(directory: Option<OsString>) -> Result<Vec<AgentBinary>> {
    let Some(directory) = directory.filter(|directory| !directory.is_empty()) else { return Ok(Vec::new()) };
    let directory = Path::new(&directory);
    let doing = format!("look for agents in {DIRECTORY}={}", directory.display());
    let mut names = names(directory).map_err(|why| {
        Failure::new(&doing, why).hint(format_args!("unset {DIRECTORY} to use only the agents built in"))
    })?;
    names.sort_by_key(|name| (name.contains("-javascript-"), name.clone()));
    let machines = names.iter().filter_map(|name| Some((name, name.strip_prefix("windlass-agent-")?)));
    machines.map(|(name, machine)| AgentBinary::from_file(&directory.join(name), machine)).collect()
}

fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory)?.collect::<std::io::Result<Vec<_>>>()?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = format!("read {}", path.display());
    let mut bytes = Vec::new();
    trust::open(path, None, &doing)?.read_to_end(&mut bytes).doing(doing)?;
    Ok(bytes)
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

    fn built_in(javascript: bool) -> &'static AgentBinary {
        for_platform(&able(javascript).unwrap(), std::env::consts::ARCH).unwrap()
    }

    /// What a host has after it has unpacked what it was sent.
    fn unpacked(agent: &AgentBinary, packing: Packing) -> Vec<u8> {
        let (sent, bytes) = agent.packed(&[packing]).unwrap();
        assert_eq!(sent, packing);
        let mut raw = Vec::new();
        match packing {
            Packing::Xz => XzReader::new(&*bytes, false).read_to_end(&mut raw).map(drop).unwrap(),
            Packing::Gzip => flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut raw).map(drop).unwrap(),
            Packing::Raw => raw.extend_from_slice(&bytes),
        }
        raw
    }

    #[test]
    fn the_agents_of_this_platform_are_built_in_whole() {
        for agent in [built_in(false), built_in(true)] {
            for packing in [Packing::Xz, Packing::Gzip, Packing::Raw] {
                let raw = unpacked(agent, packing);
                assert_eq!((Digest::of(&raw), raw.len() as u64), (agent.digest.clone(), agent.raw_size));
            }
        }
    }

    #[test]
    fn only_jobs_that_parse_javascript_get_the_larger_agent() {
        let (small, large) = (built_in(false), built_in(true));
        assert_eq!((small.javascript, large.javascript), (false, true));
        assert!(small.raw_size < large.raw_size, "{} {}", small.raw_size, large.raw_size);
        assert!(able(true).unwrap().iter().all(|agent| agent.javascript));
    }

    #[test]
    fn a_host_gets_the_smallest_that_it_unpacks() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("windlass-agent-x86_64");
        std::fs::write(&file, &*built_in(false).raw().unwrap()).unwrap();
        let agent = AgentBinary::from_file(&file, "x86_64").unwrap();
        let sent = |agent: &AgentBinary, unpacks: &[Packing]| agent.packed(unpacks).unwrap().0;
        assert_eq!(sent(&agent, &[Packing::Xz, Packing::Gzip, Packing::Raw]), Packing::Gzip);
        assert_eq!(sent(&agent, &[Packing::Raw]), Packing::Raw);
        assert_eq!(sent(built_in(false), &[Packing::Xz, Packing::Gzip, Packing::Raw]), Packing::Xz);
        assert_eq!(sent(built_in(false), &[]), Packing::Raw);
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
        let segments = segments(&built_in(false).raw().unwrap());
        assert!(segments.contains(&PT_LOAD) && !segments.contains(&PT_INTERP), "{segments:?}");
    }

    #[test]
    fn an_unknown_platform_has_none() {
        assert!(for_platform(&able(false).unwrap(), "vax").is_none());
    }

    #[test]
    fn a_directory_gives_more() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("windlass-agent-javascript-arm64"), b"a larger agent").unwrap();
        std::fs::write(directory.path().join("windlass-agent-arm64"), b"an agent").unwrap();
        std::fs::write(directory.path().join("README"), b"no agent").unwrap();
        let found = more(Some(directory.path().into())).unwrap();
        let seen: Vec<_> =
            found.iter().map(|agent| (agent.platform.as_str(), agent.javascript, agent.raw_size)).collect();
        assert_eq!(seen, [("aarch64", false, 8), ("aarch64", true, 14)]);
        assert_eq!(found[0].digest, Digest::of(b"an agent"));
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_it() {
        expect_test::expect![[r#"
            look for agents in WINDLASS_AGENT_DIR=/no/such: no such file or directory
              hint: unset WINDLASS_AGENT_DIR to use only the agents built in"#]]
        .assert_eq(&more(Some("/no/such".into())).unwrap_err().to_string());
    }
}
