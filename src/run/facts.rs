//! Facts that are read before the jobs are made: those that other hosts' steps refer to, and those that groups are made
//! of. Nothing is changed there, so nothing of it is recorded.

use super::tools::{Destinations, Tools};
use super::{EVENTS_WAITING, EventSender, Interrupt, Options, Task, Work};
use crate::engine::facts::names;
use crate::model::arg::Arg;
use crate::model::cut::is_too_deep;
use crate::model::event::Event;
use crate::model::job::{Envelope, HostWork, JobStep, Mode, OnFailure};
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::model::{Doing, Failure, Result, Value};
use crate::render::contents::Contents;
use crate::ssh::ship::Become;
use crate::ssh::{Shared, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A host that does not give its facts by then is not waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// A host whose facts are wanted.
pub struct Asked {
    /// How it is reached.
    pub target: Target,
    /// The user that it is asked as, when not the login user.
    pub becoming: Option<Become>,
    /// The password for that.
    pub password: Option<String>,
    /// Which run it is for.
    pub envelope: Envelope,
    /// Which facts.
    pub facts: BTreeSet<String>,
}

/// Reads facts of hosts, so many at once: a table by host, or why a host could not be asked.
pub fn read(asked: Vec<Asked>, shared: Shared, forks: usize) -> Result<BTreeMap<String, Result<Value>>> {
    let runtime = tokio::runtime::Runtime::new().doing("start the threads that connect")?;
    Ok(runtime.block_on(all(asked, shared, forks)))
}

async fn all(asked: Vec<Asked>, shared: Shared, forks: usize) -> BTreeMap<String, Result<Value>> {
    let (events, mut arriving) = mpsc::channel(EVENTS_WAITING);
    let (_never, interrupt) = watch::channel(Interrupt::None);
    let destinations = Destinations { fetched: PathBuf::from("/"), stores: Arc::default() };
    let tools = Tools::new(shared, EventSender::new(events), interrupt, destinations);
    let tools = Tools { timeout: Some(DEADLINE), ..tools };
    let options = Options {
        forks,
        serial: Vec::new(),
        max_failures: None,
        on_failure: OnFailure::Stop,
        stages: Vec::new(),
    };
    let work = asked.into_iter().map(work).collect();
    let running = tokio::spawn(async move { super::run(work, &options, tools).await });
    let mut facts = BTreeMap::new();
    while let Some((event, _room)) = arriving.recv().await {
        take(event, &mut facts);
    }
    // What a host said before counts, however the tasks ended.
    let _ended = running.await;
    facts
}

/// A step that only shows the facts.
fn work(asked: Asked) -> Work {
    let known = asked.facts.iter().filter(|name| names().contains(&name.as_str()));
    let facts: Vec<String> = known.map(|name| format!("'{name}': facts.{name}")).collect();
    let message = Arg::Template(format!("{{{{ {{{}}} | to_json }}}}", facts.join(", ")));
    let step = JobStep {
        kind: "debug".to_string(),
        at: "facts that are read beforehand".to_string(),
        args: Some(Arg::Map(vec![("message".to_string(), message)])),
        ..JobStep::default()
    };
    let work = HostWork { mode: Mode::Check, steps: vec![step], ..HostWork::default() };
    let host = asked.envelope.host.clone();
    let task = Task::Job(Box::new(asked.envelope.job(work)), Contents::default());
    Work { host, target: asked.target, becoming: asked.becoming, password: asked.password, task }
}

/// They go into the jobs of other hosts.
fn not_too_deep(facts: Value) -> Result<Value> {
    match is_too_deep(&facts) {
        true => Err(Failure::new("take its facts", "they have too many values inside one another")),
        false => Ok(facts),
    }
}

fn take(event: RunEvent, facts: &mut BTreeMap<String, Result<Value>>) {
    let RunEventKind::Host { host, event } = event.what else { return };
    match event {
        HostEvent::Said(Event::StepEnded(step)) => {
            let doing = || format!("read facts of {host}");
            let read = match step.failure {
                Some(failure) => Err(failure),
                None => serde_json::from_str(&step.notes.concat()).doing(doing()).and_then(not_too_deep),
            };
            facts.insert(host, read);
        }
        HostEvent::Ended { failure, .. } if !facts.contains_key(&host) => {
            let doing = format!("read facts of {host}");
            let failure =
                failure.map(|failure| Failure { doing: format!("{doing}: {}", failure.doing), ..failure });
            let failure = failure.unwrap_or_else(|| Failure::new(doing, "it ended without saying them"));
            facts.insert(host, Err(failure));
        }
        _ => {}
    }
}
