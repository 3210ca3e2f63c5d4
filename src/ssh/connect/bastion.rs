//! Jump hosts: one connection to a bastion carries many hosts behind it, so that it is logged in to once and not for each.

use super::{ConnectError, Connection, Shared, Target, step};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Hosts behind one connection; for more a further one is made. All share its encryption, which is one processor's work.
const HOSTS_PER_CONNECTION: usize = 64;
/// Hosts that wait for a bastion which cannot be reached are not each to wait for its timeout.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(5);

/// The connections to bastions.
#[derive(Default)]
pub struct Bastions(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Bastion>>>>);

/// One bastion, as one user.
#[derive(Default)]
struct Bastion {
    connections: Vec<Weak<Connection>>,
    failure: Option<(Instant, ConnectError)>,
}

impl Bastions {
    fn at(&self, path: &str) -> Arc<tokio::sync::Mutex<Bastion>> {
        let mut bastions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bastions.entry(path.to_string()).or_default().clone()
    }
}

/// A connection to the last of `hops`, new or shared; `None` when there are no hops.
pub async fn reach(
    target: &Target,
    hops: &[Target],
    shared: &Shared,
) -> Result<Option<Arc<Connection>>, ConnectError> {
    let Some((last, before)) = hops.split_last() else { return Ok(None) };
    let bastion = shared.bastions.at(&path(hops));
    // Held while one connects: the others wait for its connection.
    let mut bastion = bastion.lock().await;
    if let Some(connection) = bastion.with_room() {
        return Ok(Some(connection));
    }
    if let Some((when, failure)) = &bastion.failure
        && when.elapsed() < FAILURE_REMEMBERED
    {
        return Err(behind(failure.clone(), last, target));
    }
    let through = Box::pin(reach(last, before, shared)).await?;
    match step(last, through, shared).await {
        Ok(connection) => {
            let connection = Arc::new(connection);
            bastion.connections.push(Arc::downgrade(&connection));
            Ok(Some(connection))
        }
        Err(failure) => {
            bastion.failure = Some((Instant::now(), failure.clone()));
            Err(behind(failure, last, target))
        }
    }
}

impl Bastion {
    fn with_room(&mut self) -> Option<Arc<Connection>> {
        self.connections.retain(|connection| connection.strong_count() > 0);
        let alive = self.connections.iter().filter_map(Weak::upgrade).filter(|connection| connection.alive());
        // One of the counts is ours.
        alive.into_iter().find(|connection| Arc::strong_count(connection) <= HOSTS_PER_CONNECTION)
    }
}

/// What makes two ways to bastions the same: every hop, its user and its keys.
fn path(hops: &[Target]) -> String {
    let hop = |hop: &Target| {
        let proxy = hop.proxy.as_deref().unwrap_or_default();
        format!("{}@{}:{} {:?} {proxy}", hop.users.join("|"), hop.address, hop.port, hop.identities)
    };
    hops.iter().map(hop).collect::<Vec<_>>().join("\n")
}

/// The failure of a hop, as the failure of the host behind it.
fn behind(mut error: ConnectError, hop: &Target, target: &Target) -> ConnectError {
    error.failure.doing = format!("reach {} through {}: {}", target.name, hop.name, error.failure.doing);
    error
}
