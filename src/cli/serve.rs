//! `windlass serve`: the scheduler as a service.

use super::{Done, Global, Stop};
use crate::model::{Doing, Failure, Value};
use crate::serve::{self, Options};
use std::net::SocketAddr;
use std::time::Duration;

/// Run schedules when they come due, until it is stopped
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serve Prometheus metrics (/metrics) and health (/healthz) here, for example 127.0.0.1:9469
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Allow an address for --listen that other machines can reach
    #[arg(long, requires = "listen")]
    listen_anywhere: bool,
    /// When asked to stop, wait this long for runs to finish before they are interrupted
    #[arg(long, value_name = "TIME", default_value = "60s")]
    grace: String,
}

/// Serves.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    let options = Options {
        project,
        program: std::env::current_exe().doing("find windlass's own program")?,
        listen: loopback(args.listen, args.listen_anywhere)?,
        grace: grace(&args.grace)?,
    };
    let runtime = tokio::runtime::Runtime::new().doing("start the threads of the scheduler")?;
    Ok(runtime.block_on(serve::run(options))?)
}

fn loopback(address: Option<SocketAddr>, anywhere: bool) -> Result<Option<SocketAddr>, Stop> {
    match address {
        Some(address) if !anywhere && !address.ip().is_loopback() => {
            let failure =
                Failure::new(format!("listen on {address}"), "other machines could read the metrics");
            Err(Stop::misused(failure.hint("listen on 127.0.0.1, or say --listen-anywhere")))
        }
        address => Ok(address),
    }
}

fn grace(text: &str) -> Result<Duration, Stop> {
    crate::keys::duration(&Value::from(text)).ok_or_else(|| {
        Stop::misused(Failure::new(format!("read --grace {text}"), "it is not a time such as 30s or 5m"))
    })
}
