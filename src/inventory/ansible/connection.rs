//! What Ansible's connection variables mean here. Each one is honoured, or has no effect by design and is named in a
//! warning, or is named in an error for its host.

mod arguments;
mod table;

use super::values::Values;
use crate::diagnostic::Diagnostic;
use crate::model::host::{HostKeyPolicy, Span, SshSettings, Via};
use crate::model::{Failure, Value};
use crate::setting::Setting;
use table::{Meaning, meaning};

/// How a host is reached, as its variables say it.
#[derive(Default)]
pub struct Connection {
    /// Where to connect.
    pub address: Option<String>,
    /// How to connect.
    pub ssh: SshSettings,
    /// Why it cannot be reached as they say.
    pub refused: Vec<Diagnostic>,
    /// Variables that have no effect here, each with the reason.
    pub unused: Vec<Diagnostic>,
    /// Unknown host keys are refused, unless arguments of ssh say otherwise: Ansible passes nothing on for it.
    checks_host_key: bool,
    /// A variable has named the key file: of two such variables one counts, beside those of the arguments.
    has_key_file: bool,
}

/// Whether a variable says how a host is reached.
pub fn is_one(name: &str) -> bool {
    meaning(name).is_some()
}

/// Reads the connection variables among a host's.
pub fn of(settings: &[Setting], values: &Values<'_>) -> Connection {
    let mut connection = Connection::default();
    let mut names: Vec<(usize, Meaning, &str)> = Vec::new();
    for setting in settings {
        let Some((rank, found)) = meaning(&setting.name) else { continue };
        if !names.iter().any(|(_, _, name)| *name == setting.name) {
            names.push((rank, found, &setting.name));
        }
    }
    // In the order of the table: the first setting of an option counts.
    names.sort_by_key(|(rank, _, _)| *rank);
    for (_, meaning, name) in names {
        let Some(setting) = values.setting(name) else { continue };
        match values.get(name) {
            Ok(Some(value)) => connection.add(meaning, setting, &value),
            Ok(None) => {}
            Err(failure) => connection.refuse(setting, failure),
        }
    }
    if connection.checks_host_key {
        first(&mut connection.ssh.host_key, HostKeyPolicy::Strict);
    }
    connection
}

impl Connection {
    fn refuse(&mut self, setting: &Setting, failure: Failure) {
        let message = format!("the connection variable `{}`: {}", setting.name, failure.why);
        let problem = super::at(message, &setting.place);
        self.refused.push(Diagnostic { hint: failure.hint, ..problem });
    }

    fn add(&mut self, meaning: Meaning, setting: &Setting, value: &Value) {
        // `ansible_become_user=` and `none` set nothing.
        let text = match value {
            Value::Null => return,
            Value::String(text) if text.trim().is_empty() => return,
            Value::String(text) => text.trim().to_string(),
            other => other.to_string(),
        };
        if let Err(failure) = self.set(meaning, setting, &text) {
            self.refuse(setting, failure);
        }
    }

    fn set(&mut self, meaning: Meaning, setting: &Setting, text: &str) -> Result<(), Failure> {
        let ssh = &mut self.ssh;
        match meaning {
            Meaning::Address => first(&mut self.address, address(text)?),
            Meaning::User => first(&mut ssh.user, text.into()),
            Meaning::Port => first(&mut ssh.port, port(text)?),
            Meaning::Identity if self.has_key_file => {}
            Meaning::Identity => {
                self.has_key_file = true;
                arguments::add_identity(text, ssh);
            }
            Meaning::Timeout => first(&mut ssh.connect_timeout, span(text)?),
            Meaning::Become => first(&mut ssh.becomes, truth(text)?),
            Meaning::BecomeUser => first(&mut ssh.become_user, text.to_string()),
            Meaning::BecomeMethod => first(&mut ssh.become_method, become_method(text)?),
            Meaning::HostKeyChecking if truth(text)? => self.checks_host_key = true,
            // A host key that changed is refused all the same. The stronger name may have said yes.
            Meaning::HostKeyChecking if self.checks_host_key => {}
            Meaning::HostKeyChecking => first(&mut ssh.host_key, HostKeyPolicy::AcceptNew),
            Meaning::Connection => ssh.via = Some(via(text)?),
            Meaning::Arguments => arguments::add(text, &mut self.ssh)?,
            Meaning::Flags => flags(text)?,
            Meaning::ShellType => shell_type(text)?,
            Meaning::Refused(hint) => return Err(Failure::new("", "it is not read").hint(hint)),
            Meaning::Unused(why) => {
                let problem = super::at(format!("`{}` has no effect: {why}", setting.name), &setting.place);
                self.unused.push(problem.warning());
            }
        }
        Ok(())
    }
}

/// The first setting counts.
fn first<T>(setting: &mut Option<T>, value: T) {
    setting.get_or_insert(value);
}

fn wrong(text: &str, expected: &str) -> Failure {
    Failure::new("", format!("`{text}` is not {expected}"))
}

fn address(text: &str) -> Result<String, Failure> {
    super::super::HostName::parse(text).map_err(|why| Failure::new("", format!("not an address: {why}")))?;
    Ok(text.to_string())
}

fn port(text: &str) -> Result<u16, Failure> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong(text, "a port"))
}

fn span(text: &str) -> Result<Span, Failure> {
    Span::parse(text).ok_or_else(|| wrong(text, "a number of seconds"))
}

/// What Ansible takes for true and false.
fn truth(text: &str) -> Result<bool, Failure> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" | "t" | "1.0" => Ok(true),
        "false" | "no" | "n" | "off" | "0" | "f" | "0.0" => Ok(false),
        _ => Err(wrong(text, "true or false")),
    }
}

fn become_method(text: &str) -> Result<String, Failure> {
    match text.trim_start_matches("ansible.builtin.").trim_start_matches("community.general.") {
        method @ ("sudo" | "doas" | "su") => Ok(method.to_string()),
        _ => Err(wrong(text, "sudo, doas or su")),
    }
}

fn via(text: &str) -> Result<Via, Failure> {
    match text.rsplit('.').next().unwrap_or(text) {
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "libssh" => Ok(Via::Ssh),
        "local" => Ok(Via::Local),
        "docker" => Ok(Via::Docker),
        "podman" => Ok(Via::Podman),
        _ => Err(wrong(text, "a connection that windlass has: ssh, local, docker or podman")),
    }
}

/// sudo is always called as these say.
fn flags(text: &str) -> Result<(), Failure> {
    let harmless =
        |flag: &str| flag.starts_with('-') && flag.chars().skip(1).all(|letter| "HSn".contains(letter));
    match text.split_whitespace().all(harmless) {
        true => Ok(()),
        false => Err(Failure::new("", format!("`{text}` is not passed on: sudo gets -H, -S and -n only"))),
    }
}

fn shell_type(text: &str) -> Result<(), Failure> {
    match text {
        "sh" | "csh" | "fish" => Ok(()),
        _ => Err(Failure::new("", format!("`{text}` is not a shell that is known: hosts need a POSIX sh"))),
    }
}
