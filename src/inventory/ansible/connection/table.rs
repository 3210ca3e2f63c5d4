//! Ansible's connection variables, and what each stands for.

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Where to connect.
    Address,
    /// The login name.
    User,
    /// The port of sshd.
    Port,
    /// A private key file.
    Identity,
    /// How long to wait for a connection.
    Timeout,
    /// Whether steps become another user.
    Become,
    /// Which user.
    BecomeUser,
    /// With which program.
    BecomeMethod,
    /// Arguments of that program.
    Flags,
    /// Whether unknown host keys are refused.
    HostKeyChecking,
    /// How hosts are reached at all.
    Connection,
    /// Arguments of ssh.
    Arguments,
    /// The language of the login shell.
    ShellType,
    /// It has no effect here, and why.
    Unused(&'static str),
    /// It is named in an error, with what to do.
    Refused(&'static str),
}

use Meaning::*;

const PASSWORD: &str =
    "keep it out of the inventory: `password_from = \"env:NAME\"`, \"file:PATH\" or \"prompt\"";
const BECOME_PASSWORD: &str = "keep it out of the inventory: `windlass run -K` asks for it, and `become_password_from` in windlass.toml says where it is";
const OWN_NAMES: &str = "sudo, doas and su are found by their names";
const OTHER_CONNECTION: &str = "it belongs to a connection of Ansible's that windlass does not have";
const OWN_CLIENT: &str = "windlass speaks SSH itself and starts no ssh, scp or sftp";
const NO_PYTHON: &str = "hosts need no interpreter";
const OWN_DIRECTORY: &str = "windlass finds a directory for its agent itself";
const ONE_CONNECTION: &str = "each host has one connection anyway";
const SHELL: &str = "windlass runs /bin/sh; a command's own shell is the step's to say";

/// In the order in which Ansible gives them to ssh, and of two names for one thing the stronger one first: the first setting
/// of an option counts.
const TABLE: &[(&str, Meaning)] = &[
    ("connection", Connection),
    ("ssh_args", Arguments),
    ("ssh_host_key_checking", HostKeyChecking),
    ("host_key_checking", HostKeyChecking),
    ("ssh_host", Address),
    ("host", Address),
    ("ssh_port", Port),
    ("port", Port),
    ("ssh_private_key_file", Identity),
    ("private_key_file", Identity),
    ("ssh_user", User),
    ("user", User),
    ("ssh_timeout", Timeout),
    ("timeout", Timeout),
    ("ssh_common_args", Arguments),
    ("ssh_extra_args", Arguments),
    ("become", Become),
    ("sudo", Become),
    ("become_user", BecomeUser),
    ("sudo_user", BecomeUser),
    ("become_method", BecomeMethod),
    ("sudo_flags", Flags),
    ("become_flags", Flags),
    ("password", Refused(PASSWORD)),
    ("ssh_pass", Refused(PASSWORD)),
    ("ssh_password", Refused(PASSWORD)),
    ("ssh_private_key", Refused("write the key into a file, and name it with `identity`")),
    ("private_key", Refused("write the key into a file, and name it with `identity`")),
    ("ssh_private_key_passphrase", Refused("windlass asks for it, or uses the ssh-agent")),
    ("private_key_passphrase", Refused("windlass asks for it, or uses the ssh-agent")),
    ("ssh_pkcs11_provider", Refused("load the key into the ssh-agent")),
    ("become_password", Refused(BECOME_PASSWORD)),
    ("become_pass", Refused(BECOME_PASSWORD)),
    ("sudo_pass", Refused(BECOME_PASSWORD)),
    ("sudo_password", Refused(BECOME_PASSWORD)),
    ("su", Refused("write `ansible_become=true` and `ansible_become_method=su`")),
    ("su_user", Refused("write `ansible_become_user` and `ansible_become_method=su`")),
    ("su_pass", Refused(BECOME_PASSWORD)),
    ("su_password", Refused(BECOME_PASSWORD)),
    ("become_exe", Refused(OWN_NAMES)),
    ("sudo_exe", Refused(OWN_NAMES)),
    ("su_exe", Refused(OWN_NAMES)),
    ("doas_exe", Refused(OWN_NAMES)),
    ("su_flags", Refused("su is called without other options")),
    ("doas_flags", Refused("doas is called without other options")),
    ("sudo_chdir", Refused("a step says in which directory it works")),
    ("doas_user", Refused("write `ansible_become_user` and `ansible_become_method=doas`")),
    ("doas_pass", Refused(BECOME_PASSWORD)),
    ("su_prompt_l10n", Unused("windlass gives the prompt itself")),
    ("sshpass_prompt", Unused(OWN_CLIENT)),
    ("docker_extra_args", Refused("say it in the environment: DOCKER_HOST, DOCKER_CONTEXT")),
    ("podman_extra_args", Refused("say it in the environment: CONTAINER_HOST")),
    ("docker_user", Refused("write `ansible_user`")),
    ("local_become_strip_preamble", Unused(OWN_CLIENT)),
    ("local_become_success_timeout", Unused(OWN_CLIENT)),
    ("admin_users", Unused(OWN_DIRECTORY)),
    ("shell_allow_world_readable_temp", Unused(OWN_DIRECTORY)),
    ("shell_type", ShellType),
    ("ssh_executable", Unused(OWN_CLIENT)),
    ("scp_executable", Unused(OWN_CLIENT)),
    ("sftp_executable", Unused(OWN_CLIENT)),
    ("scp_extra_args", Unused(OWN_CLIENT)),
    ("sftp_extra_args", Unused(OWN_CLIENT)),
    ("sftp_batch_mode", Unused(OWN_CLIENT)),
    ("ssh_transfer_method", Unused(OWN_CLIENT)),
    ("scp_if_ssh", Unused(OWN_CLIENT)),
    ("ssh_use_tty", Unused(OWN_CLIENT)),
    ("ssh_password_mechanism", Unused(OWN_CLIENT)),
    ("ssh_verbosity", Unused(OWN_CLIENT)),
    ("ssh_retries", Unused("windlass retries a refused login by itself")),
    ("ssh_reconnection_retries", Unused("windlass retries a refused login by itself")),
    ("pipelining", Unused(ONE_CONNECTION)),
    ("ssh_pipelining", Unused(ONE_CONNECTION)),
    ("control_path", Unused(ONE_CONNECTION)),
    ("control_path_dir", Unused(ONE_CONNECTION)),
    ("ssh_control_path", Unused(ONE_CONNECTION)),
    ("ssh_control_path_dir", Unused(ONE_CONNECTION)),
    ("python_interpreter", Unused(NO_PYTHON)),
    ("perl_interpreter", Unused(NO_PYTHON)),
    ("ruby_interpreter", Unused(NO_PYTHON)),
    ("interpreter_python_fallback", Unused(NO_PYTHON)),
    ("remote_tmp", Unused(OWN_DIRECTORY)),
    ("system_tmpdirs", Unused(OWN_DIRECTORY)),
    ("async_dir", Unused(OWN_DIRECTORY)),
    ("common_remote_group", Unused(OWN_DIRECTORY)),
    ("shell_executable", Unused(SHELL)),
    ("executable", Unused(SHELL)),
];

/// What a variable stands for, and its place in the order; nothing when it says nothing of a connection.
pub fn meaning(variable: &str) -> Option<(usize, Meaning)> {
    let name = variable.strip_prefix("ansible_")?;
    let known = TABLE.iter().position(|(known, _)| *known == name);
    let starts = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
    let unknown = starts(&["ssh_", "become_", "paramiko_", "sudo_", "su_", "doas_"]);
    match known {
        Some(rank) => Some((rank, TABLE[rank].1)),
        // Where such a connection is chosen, `ansible_connection` is the error.
        None if starts(&["winrm_", "psrp_", "runas_", "libssh_"]) => {
            Some((TABLE.len(), Unused(OTHER_CONNECTION)))
        }
        None if unknown => Some((TABLE.len(), Refused("remove it where it is not needed"))),
        None => None,
    }
}
