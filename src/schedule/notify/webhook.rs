//! A webhook: the notice as a JSON body.

use super::{Notice, PATIENCE, Webhook};
use crate::model::{Failure, Result};
use std::path::Path;

impl Webhook {
    /// Posts it; an answer of 2xx means that it arrived. Redirections are not followed: they would take the notice, and
    /// perhaps a key, somewhere else.
    pub async fn tell(&self, notice: &Notice, root: &Path) -> Result<()> {
        super::use_ring();
        let url = self.url.revealed(root)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
            .build();
        // Errors of this library name the address, which is a secret.
        let failed = |error: reqwest::Error| Failure::new("post the notice", chain(&error.without_url()));
        let body = serde_json::to_vec(notice).map_err(|error| Failure::new("write the notice", error))?;
        let request =
            client.map_err(failed)?.post(&url).header("content-type", "application/json").body(body);
        let answer = request.send().await.map_err(failed)?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(Failure::new("post the notice", format!("the answer is {}", answer.status()))),
        }
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
