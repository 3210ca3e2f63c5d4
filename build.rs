//! Builds the agent and hands it to `src/agent_binary.rs`, gzipped, so that `cargo run` alone gives a controller that
//! carries its agent.
//!
//! The agent is this same package without the feature `controller`. Cargo is run on it once for each target; that
//! inner build runs this file too, finds the feature missing, and returns at once: nothing recurses.

use sha2::{Digest, Sha256};
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Targets to build an agent for beside the controller's own, separated by spaces. Their std must be installed.
const MORE_TARGETS: &str = "WINDLASS_AGENT_TARGETS";

/// `skip` builds no agent, for lints and unit tests, which need none: hosts would be worked through their sh.
const AGENT: &str = "WINDLASS_AGENT";

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
    fs::write(out_dir()?.join("agents.rs"), format!("&[\n{}]\n", rows.concat()))?;
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

/// Builds the agent for `target` and leaves it gzipped in the output folder. Returns its row of the table.
fn embed(target: &str) -> Result<String> {
    let profile = if env::var("PROFILE")? == "release" { "agent" } else { "agent-dev" };
    let target_dir = out_dir()?.join("agent");
    build(target, profile, &target_dir)?;
    let binary = target_dir.join(target).join(profile).join("windlass-agent");
    watch_sources(&binary.with_extension("d"))?;
    row(target, &fs::read(&binary)?)
}

fn row(target: &str, binary: &[u8]) -> Result<String> {
    let gzipped = out_dir()?.join(format!("windlass-agent-{target}.gz"));
    fs::write(&gzipped, gzip(binary)?)?;
    let platform = target.split('-').next().unwrap_or(target);
    let digest: String = Sha256::digest(binary).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = binary.len();
    Ok(format!("    ({platform:?}, {digest:?}, {size}, include_bytes!({gzipped:?})),\n"))
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Runs the inner cargo. What it says goes to our standard error, which the outer cargo shows when we fail.
fn build(target: &str, profile: &str, target_dir: &Path) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a build script has no host: it runs cargo here")]
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("CARGO is not set")?);
    cargo.args(["build", "--bin", "windlass-agent", "--no-default-features", "--locked", "--offline"]);
    cargo.args(["--profile", profile, "--target", target, "--target-dir"]).arg(target_dir);
    cargo.current_dir(env::var("CARGO_MANIFEST_DIR")?);
    env::vars_os().filter(|(name, _)| is_about_the_outer_build(name)).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    if cargo.status()?.success() { Ok(()) } else { Err(why_it_failed(target).into()) }
}

fn why_it_failed(target: &str) -> String {
    println!("cargo::error=the agent for {target} does not build; its own errors are below");
    format!(
        "the agent for {target} does not build; its errors are above\n  \
         hint: `rustup target add {target}` where std is missing, `cargo install --locked` where a crate is missing"
    )
}

/// Whether a variable was set by the outer cargo (or by clippy, or a coverage tool) for the outer build only. The
/// registry, the job server and a cross linker hold for the inner one too.
fn is_about_the_outer_build(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS"].contains(&&*name)
        || ["CARGO_REGISTRIES_", "CARGO_SOURCE_"].iter().any(|start| name.starts_with(start))
        || (name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER"));
    let others = ["RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"];
    !kept && (name.starts_with("CARGO_") || others.contains(&&*name))
}

/// Has this file run again when a source of the agent changes, and only then: an edit of the command line does not
/// rebuild the agent. The compiler's own list of what it read is the truth.
fn watch_sources(dep_info: &Path) -> Result<()> {
    let text = fs::read_to_string(dep_info)?;
    let sources = text.split_once(": ").map(|(_, sources)| sources).ok_or("dep-info without a colon")?;
    // A space inside a path is written `\ `.
    let sources = sources.trim().replace("\\ ", "\0");
    let paths = sources.split(' ').map(|path| path.replace('\0', " "));
    paths.for_each(|path| println!("cargo::rerun-if-changed={path}"));
    ["Cargo.toml", "Cargo.lock"].iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    Ok(())
}

fn out_dir() -> Result<PathBuf> {
    Ok(PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?))
}
