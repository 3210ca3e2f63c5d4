//! Asks the person at the keyboard.

use std::io::IsTerminal;

/// Asks for something that is not shown while it is typed; `None` without a terminal to ask on.
pub fn secret(what: &str) -> Option<String> {
    if in_the_background() {
        return None;
    }
    let typed = rpassword::prompt_password(format!("{what}: ")).ok()?;
    Some(typed).filter(|typed| !typed.is_empty())
}

/// Whether the terminal is another's for now: a process that asks from the background is stopped for it, which would leave a
/// run of the scheduler hanging.
fn in_the_background() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group != rustix::process::getpgrp())
}

/// Whether there is a person at a terminal who can see a question and answer it.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !in_the_background()
}

/// A line that the person types; `None` at the end of the input.
pub fn line() -> Option<String> {
    let mut typed = String::new();
    let read = std::io::stdin().read_line(&mut typed).ok()?;
    (read > 0).then_some(typed)
}

/// Asks a question that is answered with yes or no; `None` without a terminal to ask on.
pub fn confirm(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    eprint!("{question} [y/N] ");
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).ok()?;
    Some(matches!(typed.trim().to_lowercase().as_str(), "y" | "yes"))
}
