//! Logging in with a password: only where `password_from` names one.

use super::Credentials;
use crate::model::failure::{Failure, Result};
use crate::ssh::ConnectError;
use crate::ssh::session::ClientHandler;
use crate::ssh::target::{SecretFrom, Target};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::{MethodKind, MethodSet};

/// How many times a server may ask something before a keyboard-interactive login is given up.
const MAX_QUESTIONS: usize = 4;

/// What a server says to a password.
pub enum Answer {
    Accepted,
    /// It was right, and something else has to follow, by one of these ways.
    Half(MethodSet),
    Refused,
}

impl Answer {
    fn not_in(remaining: MethodSet, partial_success: bool) -> Answer {
        if partial_success { Answer::Half(remaining) } else { Answer::Refused }
    }
}

/// Logs in with a password by one of the two ways. The inner failure: there is no password to try.
pub async fn login(
    handle: &mut Handle<ClientHandler>,
    target: &Target,
    user: &str,
    from: &SecretFrom,
    kind: MethodKind,
    credentials: &Credentials<'_>,
) -> Result<Result<Answer>, ConnectError> {
    let secret = match read_password(from, target, user, credentials).await {
        Ok(secret) => secret,
        Err(why) => return Ok(Err(why)),
    };
    let accepted = match kind {
        MethodKind::Password => {
            handle.authenticate_password(user, secret.as_str()).await.map(|result| match result {
                AuthResult::Success => Answer::Accepted,
                AuthResult::Failure { remaining_methods, partial_success } => {
                    Answer::not_in(remaining_methods, partial_success)
                }
            })
        }
        _ => keyboard(handle, user, &secret).await,
    };
    accepted.map(Ok).map_err(ConnectError::protocol(target))
}

/// Answers the one hidden question of a keyboard-interactive login, which is how PAM asks for a password. A second
/// question, such as for a code, is nothing a batch can answer.
async fn keyboard(
    handle: &mut Handle<ClientHandler>,
    user: &str,
    secret: &str,
) -> Result<Answer, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None::<String>).await?;
    let mut answered = false;
    for _ in 0..MAX_QUESTIONS {
        let replies = match &answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(Answer::Accepted),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                return Ok(Answer::not_in(remaining_methods.clone(), *partial_success));
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } if prompts.is_empty() => Vec::new(),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                if answered || prompts.len() != 1 || prompts[0].echo {
                    return Ok(Answer::Refused);
                }
                answered = true;
                vec![secret.to_string()]
            }
        };
        answer = handle.authenticate_keyboard_interactive_respond(replies).await?;
    }
    Ok(Answer::Refused)
}

/// Asking a person or a program may take its time, so a thread that may block does it.
async fn read_password(
    from: &SecretFrom,
    target: &Target,
    user: &str,
    credentials: &Credentials<'_>,
) -> Result<String> {
    let doing = "read the password";
    let (from, ask) = (from.clone(), credentials.password.clone());
    let (name, user) = (target.name.clone(), user.to_string());
    let read = move || match from {
        SecretFrom::Prompt => ask
            .and_then(|ask| ask(&name, &user))
            .ok_or_else(|| Failure::new(doing, "there is no terminal to type the password on")),
        elsewhere => elsewhere.read(doing),
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|why| Err(Failure::new(doing, why)))
}
