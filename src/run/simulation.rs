//! The run loop against hosts that only exist here: connections that fail, stall, break and lie at moments that a seed
//! chooses, with a clock of their own. Hours pass in milliseconds. A breach of what is promised prints its seed.
//!
//! `WINDLASS_SEEDS=10000` tries that many, and `WINDLASS_SEEDS=4711..4712` one again. A seed decides everything about
//! hosts, network and options; between tasks that are ready at the same instant, tokio chooses.

use super::tools::{Destinations, Tools};
use super::{EVENTS_WAITING, EventSender, Interrupt, Queued};
use crate::model::outcome::HostOutcome;
use crate::model::run::RunEvent;
use crate::ssh::Shared;
use dice::Dice;
use network::Simulated;
use plan::Plan;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

mod dice;
mod engine;
mod network;
mod plan;
mod promises;
mod truth;

/// So many seeds are tried unless the environment says otherwise.
const SEEDS: u64 = 400;

/// What came of a run.
struct Ended {
    outcomes: HashMap<String, HostOutcome>,
    /// In the order in which they arrived, each with its time.
    events: Vec<(Instant, RunEvent)>,
    /// When Ctrl-C was pressed.
    stopped: Option<Instant>,
}

#[test]
fn whatever_hosts_and_the_network_do_a_run_keeps_what_it_promises() {
    let mut faults = std::collections::BTreeMap::new();
    for seed in seeds() {
        let plan = Plan::of(seed);
        plan.hosts.iter().for_each(|host| *faults.entry(host.fault_name()).or_insert(0) += 1);
        // A panic in a run is a breach too, and must name its seed.
        let tried = std::panic::catch_unwind(|| try_plan(&plan));
        match tried {
            Ok(Ok(())) => {}
            Ok(Err(breach)) => panic!("seed {seed}: {breach}\n{plan:#?}"),
            Err(_) => panic!("seed {seed}: the run itself failed\n{plan:#?}"),
        }
    }
    println!("hosts by fault: {faults:?}");
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("WINDLASS_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("WINDLASS_SEEDS is a number, or two with .. between them");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

fn try_plan(plan: &Plan) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime starts").block_on(async {
        let network = Simulated::of(plan);
        let longest = plan.longest();
        let ended = timeout(longest, run(plan, network.clone())).await;
        let ended = ended.map_err(|_| format!("the run did not end within {} s", longest.as_secs()))?;
        promises::check(plan, &network, &ended)
    })
}

async fn run(plan: &Plan, network: Arc<Simulated>) -> Ended {
    let (queue, arriving) = mpsc::channel(EVENTS_WAITING);
    let (urge, interrupt) = watch::channel(Interrupt::None);
    let shared = Shared::new().with_network(Arc::new(network));
    let destinations = Destinations { fetched: "/nonexistent".into(), stores: Arc::default() };
    let tools = Tools::new(shared, EventSender::new(queue), interrupt, destinations);
    let tools = Tools { timeout: plan.timeout, ..tools };
    let (work, options) = (plan.work(), plan.options());
    let urging = tokio::spawn(interrupt_at(plan.interrupts.clone(), urge));
    let listening = tokio::spawn(listen(arriving, plan.slow_reader));
    let outcomes = super::run(work, &options, tools).await;
    let events = listening.await.expect("it only listens");
    urging.abort();
    let stopped = urging.await.ok().flatten();
    Ended { outcomes, events, stopped }
}

/// Presses Ctrl-C after these times.
async fn interrupt_at(after: Vec<Duration>, urge: watch::Sender<Interrupt>) -> Option<Instant> {
    let mut first = None;
    for (wait, level) in after.into_iter().zip([Interrupt::Stop, Interrupt::Kill]) {
        sleep(wait).await;
        first.get_or_insert_with(Instant::now);
        urge.send_replace(level);
    }
    if first.is_none() {
        urge.closed().await;
    }
    first
}

async fn listen(mut arriving: mpsc::Receiver<Queued>, slow: Duration) -> Vec<(Instant, RunEvent)> {
    let mut events = Vec::new();
    while let Some((event, _room)) = arriving.recv().await {
        events.push((Instant::now(), event));
        if !slow.is_zero() {
            sleep(slow).await;
        }
    }
    events
}
