//! Facts about programs that playbooks often ask for.

use super::machine::text;
use crate::model::op::Command;
use crate::model::{Result, Value};
use crate::system::Probe;
use serde_json::json;
use std::path::Path;

/// Where programs are, on every distribution and in snaps.
const FOLDERS: &[&str] =
    &["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin", "/snap/bin"];

/// systemd makes this directory first of all: its own `sd_booted` looks for it.
pub fn systemd(host: &dyn Probe) -> Result<Value> {
    Ok(host.stat(Path::new("/run/systemd/system"))?.is_some().into())
}

/// The daemon is asked nothing, since a hung one would hang the run; only its client says a version.
pub fn docker(host: &dyn Probe) -> Result<Value> {
    let installed = is_installed(host, "dockerd")? || is_installed(host, "docker.dockerd")?;
    let running = is_running(host, &["/run/docker.pid", "/run/snap.docker/docker.pid"])?;
    let version = match installed {
        true => docker_version(&host.ask(&Command::new(["docker", "--version"]))?.text()),
        false => None,
    };
    Ok(json!({ "installed": installed, "running": running, "version": version }))
}

/// From `Docker version 27.3.1, build ce12230`.
fn docker_version(said: &str) -> Option<String> {
    let rest = said.strip_prefix("Docker version ")?;
    Some(rest.split(',').next()?.trim().to_string())
}

/// Whether it is there and its master process runs.
pub fn nginx(host: &dyn Probe) -> Result<Value> {
    let installed = is_installed(host, "nginx")?;
    Ok(json!({ "installed": installed, "running": is_running(host, &["/run/nginx.pid"])? }))
}

fn is_installed(host: &dyn Probe, program: &str) -> Result<bool> {
    for folder in FOLDERS {
        if host.stat(&Path::new(folder).join(program))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of these files holds the number of a process that exists.
fn is_running(host: &dyn Probe, pid_files: &[&str]) -> Result<bool> {
    for path in pid_files {
        let pid = text(host, path)?;
        let Ok(pid) = pid.trim().parse::<u32>() else { continue };
        if host.stat(&Path::new("/proc").join(pid.to_string()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
