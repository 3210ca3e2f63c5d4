//! Commands with a umask of their own.

use super::mode::Mode;
use super::op::Command;

/// Sets the umask and becomes the program: a process cannot be started with another umask than one's own.
const SHELL: [&str; 4] = ["/bin/sh", "-c", "umask \"$1\"; shift; exec \"$@\"", "umask"];

impl Command {
    /// The same with this umask.
    pub fn with_umask(self, umask: Option<Mode>) -> Self {
        let Some(umask) = umask else { return self };
        let title = Some(self.shown());
        let program = self.program.or(self.argv.first().cloned());
        let shell = SHELL.map(str::to_string).into_iter().chain([umask.to_string()]);
        Command { argv: shell.chain(self.argv).collect(), program, title, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_behind_a_umask_is_known() {
        let plain = Command::new(["make", "deploy"]);
        assert_eq!(plain.program, None);
        let umask = Mode::parse("0027").unwrap();
        let with = plain.with_umask(Some(umask));
        assert_eq!((with.program.as_deref(), with.shown().as_str()), (Some("make"), "make deploy"));
    }
}
