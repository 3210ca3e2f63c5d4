//! Builds the agents and hands them to `src/agent_binary.rs`, compressed, so that `cargo run` alone gives a controller
//! that carries its agents.
//!
//! The agents are this same package without the feature `controller`. Cargo is run on it once for each target; that
//! inner build runs this file too, finds the feature missing, and returns at once: nothing recurses.

use lzma_rust2::{CheckType, FilterType, XzOptions, XzWriter};
use sha2::{Digest, Sha256};
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Targets to build agents for beside the controller's own, separated by spaces. Their std must be installed.
const MORE_TARGETS: &str = "WINDLASS_AGENT_TARGETS";

/// `skip` builds no agent, for lints and unit tests, which need none: hosts would be worked through their sh.
const AGENT: &str = "WINDLASS_AGENT";

/// The programs that run on hosts, and whether they parse JavaScript.
const AGENTS: [(&str, bool); 2] = [("windlass-agent", false), ("windlass-agent-javascript", true)];

/// Of zstd the agent compresses backups at level 3, which its two fastest strategies do; the others are half a megabyte
/// of machine code. No unwind tables: the agent aborts, and tables are a tenth of what is sent.
const C_FLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables \
    -DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR \
    -DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR \
    -DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR \
    -DDYNAMIC_BMI2=0 -DZSTD_NO_INLINE";

fn main() -> ExitCode {
    match embed_agents() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn embed_agents() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={MORE_TARGETS}");
    println!("cargo::rerun-if-env-changed={AGENT}");
    if env::var_os("CARGO_FEATURE_CONTROLLER").is_none() {
        return Ok(());
    }
    let skipped = env::var(AGENT).is_ok_and(|value| value == "skip");
    let targets = if skipped { Vec::new() } else { targets()? };
    let rows = targets.iter().map(|target| embed(target)).collect::<Result<Vec<_>>>()?;
    fs::write(variable("OUT_DIR")?.join("agents.rs"), format!("&[\n{}]\n", rows.concat()))?;
    Ok(())
}

/// The controller's own target where an agent can run on it, and those asked for.
fn targets() -> Result<Vec<String>> {
    let own = env::var("TARGET")?;
    let more = env::var(MORE_TARGETS).unwrap_or_default();
    let mut targets: Vec<String> = more.split_whitespace().map(str::to_string).collect();
    if own.contains("-linux-") && !targets.contains(&own) {
        targets.insert(0, own);
    }
    Ok(targets)
}

/// One build of the agents: what is built, how, and where it is left.
struct Build<'a> {
    target: &'a str,
    /// Whether the agents are to be small rather than built quickly.
    small: bool,
    /// The inner cargo's target directory.
    directory: PathBuf,
}

/// Builds the agents for `target` and leaves them packed in the output directory. Returns their rows of the table.
fn embed(target: &str) -> Result<String> {
    let build = Build { target, small: env::var("PROFILE")? == "release", directory: directory()? };
    // Only test code was edited when the key is still the same; cargo, which looks at times, would build again.
    let built = fs::read_to_string(build.key_file()).ok();
    if built.is_none() || build.key().ok() != built {
        build.run()?;
        fs::write(build.key_file(), build.key()?)?;
    }
    let sources = build.sources()?;
    sources.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    ["Cargo.toml", "Cargo.lock"].iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    AGENTS.iter().map(|(name, javascript)| build.row(name, *javascript)).collect()
}

/// Beside the outer build's own output and not inside: `cargo build`, `cargo clippy` and builds with another Cargo.lock
/// each have another output directory, and all find the same agents there.
fn directory() -> Result<PathBuf> {
    let out = variable("OUT_DIR")?;
    let build = out.ancestors().find(|above| above.file_name().is_some_and(|name| name == "build"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    Ok(target.unwrap_or(&out).join("agents"))
}

impl Build<'_> {
    fn profile(&self) -> &'static str {
        if self.small { "agent" } else { "agent-dev" }
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.directory.join(self.target).join(self.profile()).join(name)
    }

    /// Runs the inner cargo. What it says goes to our standard error, which the outer cargo shows when we fail.
    fn run(&self) -> Result<()> {
        #[expect(clippy::disallowed_methods, reason = "a build script has no host: it runs cargo here")]
        let mut cargo = Command::new(variable("CARGO")?);
        cargo.args(["build", "--no-default-features", "--features", "agent", "--locked", "--offline"]);
        cargo.args(AGENTS.iter().flat_map(|(name, _)| ["--bin", name]));
        cargo
            .args(["--profile", self.profile(), "--target", self.target, "--target-dir"])
            .arg(&self.directory);
        cargo.current_dir(variable("CARGO_MANIFEST_DIR")?);
        env::vars_os().filter(|(name, _)| is_about_the_outer_build(name)).for_each(|(name, _)| {
            cargo.env_remove(name);
        });
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags()?.join("\x1f"));
        let c_flags = [&env::var("CFLAGS").unwrap_or_default(), C_FLAGS].join(" ");
        cargo.env("CFLAGS", c_flags);
        if cargo.status()?.success() { Ok(()) } else { Err(why_it_failed(self.target).into()) }
    }

    /// Static, so that it runs on every Linux. A small one also goes without unwind tables and has functions of the same
    /// code once; the linker must be lld for that, as rustc's own is for this target.
    fn rust_flags(&self) -> Result<Vec<String>> {
        let mut flags = vec!["-Ctarget-feature=+crt-static".to_string()];
        if self.small && self.target == "x86_64-unknown-linux-gnu" {
            let script = self.directory.join("no-unwind-tables.ld");
            fs::create_dir_all(&self.directory)?;
            fs::write(
                &script,
                "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT BEFORE .text;\n",
            )?;
            let script = format!("-T,{}", script.display());
            let options = ["--icf=all", "--no-eh-frame-hdr", &script];
            flags.extend(options.map(|option| format!("-Clink-arg=-Wl,{option}")));
        }
        Ok(flags)
    }

    /// What the agents were built from, by the compiler's own list of what it has read: an edit of the command line is
    /// not among it.
    fn sources(&self) -> Result<Vec<String>> {
        let mut sources = Vec::new();
        for (name, _) in AGENTS {
            let text = fs::read_to_string(self.binary(name).with_extension("d"))?;
            let paths = text.split_once(": ").map(|(_, paths)| paths).ok_or("dep-info without a colon")?;
            // A space inside a path is written `\ `.
            let paths = paths.trim().replace("\\ ", "\0");
            sources.extend(paths.split(' ').map(|path| path.replace('\0', " ")));
        }
        sources.sort();
        sources.dedup();
        Ok(sources)
    }

    /// Stands for all that decides what the agents are. Fails before they were built for the first time.
    fn key(&self) -> Result<String> {
        let mut hash = Sha256::new();
        #[expect(clippy::disallowed_methods, reason = "a build script has no host: it runs rustc here")]
        hash.update(Command::new(variable("RUSTC")?).arg("-vV").output()?.stdout);
        hash.update(format!("{}{:?}{:?}", C_FLAGS, self.rust_flags()?, env::var_os("CFLAGS")));
        for path in ["Cargo.toml", "Cargo.lock"] {
            hash.update(fs::read(path)?);
        }
        for path in self.sources()? {
            hash.update(&path);
            hash.update(without_tests(&fs::read(&path)?));
        }
        for (name, _) in AGENTS {
            hash.update(Sha256::digest(fs::read(self.binary(name))?));
        }
        Ok(hexadecimal(&hash.finalize()))
    }

    fn key_file(&self) -> PathBuf {
        self.binary("agents.key")
    }

    fn row(&self, name: &str, javascript: bool) -> Result<String> {
        let binary = fs::read(self.binary(name))?;
        let packed = variable("OUT_DIR")?.join(format!("{name}-{}.xz", self.target));
        fs::write(&packed, self.pack(&binary)?)?;
        let platform = self.target.split('-').next().unwrap_or(self.target);
        let digest = hexadecimal(&Sha256::digest(&binary));
        let size = binary.len();
        Ok(format!(
            "    Embedded {{ platform: {platform:?}, javascript: {javascript}, digest: {digest:?}, raw_size: {size}, \
             xz: include_bytes!({packed:?}) }},\n"
        ))
    }

    /// As xz, which unpacks it on the host; busybox's does not know the filter, and its hosts get gzip.
    fn pack(&self, binary: &[u8]) -> Result<Vec<u8>> {
        let mut options = XzOptions::with_preset(if self.small { 9 } else { 0 });
        // The whole binary fits; more would only be memory that the host has to find.
        options.lzma_options.dict_size = 8 << 20;
        if self.small {
            options.lzma_options.lc = 4;
            options.lzma_options.nice_len = 273;
            options.lzma_options.depth_limit = 512;
        }
        options.set_check_sum_type(CheckType::Crc32);
        if self.target.starts_with("x86_64") {
            options.prepend_pre_filter(FilterType::BcjX86, 0);
        }
        let mut writer = XzWriter::new(Vec::new(), options)?;
        writer.write_all(binary)?;
        Ok(writer.finish()?)
    }
}

/// The source without the tests at its end.
fn without_tests(source: &[u8]) -> &[u8] {
    let text = String::from_utf8_lossy(source);
    let starts =
        ["\n#[cfg(test)]\nmod tests {\n", "\n#[cfg(all(test, feature = \"controller\"))]\nmod tests {\n"];
    let start = starts.iter().find_map(|start| text.find(start));
    match start {
        Some(at) if text[at..].find("\n}\n") == Some(text.len() - at - 3) => &source[..at],
        _ => source,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn why_it_failed(target: &str) -> String {
    println!("cargo::error=the agent for {target} does not build; its own errors are below");
    format!(
        "the agent for {target} does not build; its errors are above\n  \
         hint: `rustup target add {target}` where std is missing, `cargo install --locked` where a crate is missing"
    )
}

/// Whether a variable was set by the outer cargo (or by a coverage tool) for the outer build only. The registry, the job
/// server, a cross linker and clippy hold for the inner one too: what is built with lints has linted agents.
fn is_about_the_outer_build(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS"].contains(&&*name)
        || ["CARGO_REGISTRIES_", "CARGO_SOURCE_"].iter().any(|start| name.starts_with(start))
        || (name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER"));
    let others = ["RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC_WRAPPER"];
    !kept && (name.starts_with("CARGO_") || others.contains(&&*name))
}

/// A path that cargo names in the environment.
fn variable(name: &str) -> Result<PathBuf> {
    Ok(PathBuf::from(env::var_os(name).ok_or(format!("{name} is not set"))?))
}
