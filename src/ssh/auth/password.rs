//! Logging in with a password: only where `password_from` names one.

use super::{Means, Refused};
use crate::model::failure::{Doing, Failure, Result};
use crate::ssh::session::Door;
use crate::ssh::target::{PasswordFrom, Target};
use crate::ssh::{ConnectError, Worked};
use russh::client::{Handle, KeyboardInteractiveAuthResponse};
use russh::{MethodKind, MethodSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How many times a server may ask something before a keyboard-interactive login is given up.
const MAX_QUESTIONS: usize = 4;

/// Logs in with a password, where the target names one and the server takes one.
pub async fn login(
    handle: &mut Handle<Door>,
    target: &Target,
    user: &str,
    from: &PasswordFrom,
    takes: &MethodSet,
    means: &Means<'_>,
    refused: &mut Refused,
) -> Result<Option<Worked>, ConnectError> {
    let secret = match read_password(from, target, user, means) {
        Ok(secret) => secret,
        Err(why) => {
            refused.problems.push(why.why);
            return Ok(None);
        }
    };
    let accepted = if takes.contains(&MethodKind::Password) {
        handle.authenticate_password(user, secret.as_str()).await.map(|result| result.success())
    } else if takes.contains(&MethodKind::KeyboardInteractive) {
        keyboard(handle, user, &secret).await
    } else {
        return Ok(None);
    };
    if accepted.map_err(ConnectError::protocol(target))? {
        return Ok(Some(Worked { user: user.to_string(), key: "password".to_string() }));
    }
    refused.tried.push("the password".to_string());
    Ok(None)
}

/// Answers the one hidden question of a keyboard-interactive login, which is how PAM asks for a password. A second
/// question, such as for a code, is nothing a batch can answer.
async fn keyboard(handle: &mut Handle<Door>, user: &str, secret: &str) -> Result<bool, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None::<String>).await?;
    let mut answered = false;
    for _ in 0..MAX_QUESTIONS {
        let replies = match &answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } if prompts.is_empty() => Vec::new(),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                if answered || prompts.len() != 1 || prompts[0].echo {
                    return Ok(false);
                }
                answered = true;
                vec![secret.to_string()]
            }
        };
        answer = handle.authenticate_keyboard_interactive_respond(replies).await?;
    }
    Ok(false)
}

fn read_password(from: &PasswordFrom, target: &Target, user: &str, means: &Means<'_>) -> Result<String> {
    let doing = "read the password";
    match from {
        PasswordFrom::Environment(name) => std::env::var(name)
            .map_err(|_| Failure::new(doing, format!("${name}, which holds the password, is not set"))),
        PasswordFrom::File(path) => {
            let meta = fs::metadata(path).doing(format!("read {}", path.display()))?;
            if meta.mode() & 0o077 != 0 {
                return Err(Failure::new(
                    doing,
                    format!("others may read the password in {} (chmod 600)", path.display()),
                ));
            }
            let text = fs::read_to_string(path).doing(format!("read {}", path.display()))?;
            Ok(text.lines().next().unwrap_or_default().to_string())
        }
        PasswordFrom::Prompt => means
            .password
            .and_then(|ask| ask(&target.name, user))
            .ok_or_else(|| Failure::new(doing, "nobody is there to type the password")),
    }
}
