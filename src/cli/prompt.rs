//! Asks the person at the keyboard.

/// Asks for something that is not shown while it is typed; `None` without a terminal to ask on.
pub fn secret(what: &str) -> Option<String> {
    let typed = rpassword::prompt_password(format!("{what}: ")).ok()?;
    Some(typed).filter(|typed| !typed.is_empty())
}
