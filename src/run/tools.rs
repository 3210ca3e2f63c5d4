//! What every part of a host's work is given.

use super::{Interrupt, Teller};
use crate::model::job::Job;
use crate::render::contents::Contents;
use crate::ssh::ship::Become;
use crate::ssh::{Shared, Target};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the work on every host of a run shares.
pub struct Tools {
    pub shared: Arc<Shared>,
    pub teller: Teller,
    pub interrupt: watch::Receiver<Interrupt>,
    pub fetched: PathBuf,
    pub timeout: Option<Duration>,
}

/// A job with what it needs on the controller.
pub struct JobTask {
    pub name: String,
    pub target: Target,
    pub job: Job,
    pub contents: Contents,
    pub becoming: Option<Become>,
    pub password: Option<String>,
}

/// Returns once the person wants at least `level`.
pub async fn asked_for(interrupt: &mut watch::Receiver<Interrupt>, level: Interrupt) {
    if interrupt.wait_for(|now| *now >= level).await.is_err() {
        std::future::pending::<()>().await;
    }
}
