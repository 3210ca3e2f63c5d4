//! Signals for commands: as we, SSH and the system name them.

use russh::Sig;

/// Signals for a running command. OpenSSH delivers them since 8.1, to the process sshd started, but not
/// when the login is root's: there only a second command can kill the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Hup,
    Int,
    Term,
    Kill,
}

impl Signal {
    /// As SSH names it.
    pub fn of_ssh(self) -> Sig {
        match self {
            Signal::Hup => Sig::HUP,
            Signal::Int => Sig::INT,
            Signal::Term => Sig::TERM,
            Signal::Kill => Sig::KILL,
        }
    }

    /// As the system names it.
    pub fn of_system(self) -> rustix::process::Signal {
        match self {
            Signal::Hup => rustix::process::Signal::HUP,
            Signal::Int => rustix::process::Signal::INT,
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        }
    }
}

/// The name without SIG.
pub fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}
