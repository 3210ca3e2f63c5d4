//! Carries what the controller and the simulated hosts say to each other, as long as nothing goes wrong.

use super::engine::{self, Engine};
use super::plan::{Fault, HostPlan, Plan, Reach};
use super::truth::Truths;
use crate::model::Failure;
use crate::model::event::Event;
use crate::model::outcome::HostOutcome;
use crate::ssh::channel::simulated::{self, Host, Network};
use crate::ssh::{Chunk, Class, ConnectError, Connection, Exit, Target};
use crate::wire;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes that a host has not read yet.
const UNREAD: usize = 64 * 1024;

/// All hosts of a run, and the network between.
pub struct Simulated {
    plans: BTreeMap<String, HostPlan>,
    pub truths: Arc<Truths>,
    /// The most hosts at once, and the most of one machine.
    pub most: Mutex<(usize, usize)>,
}

impl Simulated {
    /// The hosts of a plan, which nothing has reached yet.
    pub fn of(plan: &Plan) -> Arc<Simulated> {
        let plans: BTreeMap<_, _> = plan.hosts.iter().map(|host| (host.name.clone(), host.clone())).collect();
        let truths = Arc::new(Truths::of(plans.keys()));
        Arc::new(Simulated { plans, truths, most: Mutex::default() })
    }

    fn open(self: &Arc<Self>, host: &str) -> Open {
        self.truths.note(host, |truth| {
            truth.contacted.push(Instant::now());
            truth.open += 1;
        });
        let truth = self.truths.all();
        let of = |wanted: &dyn Fn(&str) -> bool| {
            truth.iter().filter(|(name, _)| wanted(name)).map(|(_, truth)| truth.open).sum::<usize>()
        };
        let address = &self.plans[host].address;
        let machine = |name: &str| self.plans[name].address == *address;
        let mut most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        *most = (most.0.max(of(&|_| true)), most.1.max(of(&machine)));
        Open { network: self.clone(), host: host.to_string() }
    }
}

/// Counts as a connection until it is dropped.
struct Open {
    network: Arc<Simulated>,
    host: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.network.truths.note(&self.host, |truth| truth.open -= 1);
    }
}

/// The network as the controller's connections see it.
impl Network for Arc<Simulated> {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Connection, ConnectError>> {
        async move {
            let open = self.open(&target.name);
            let plan = self.plans[&target.name].clone();
            let again = self.truths.all()[&target.name].contacted.len() > 1;
            let refused = Reach::RefusedAfter(Duration::ZERO);
            match if again && plan.gone_later { refused } else { plan.reach.clone() } {
                Reach::RefusedAfter(wait) => {
                    sleep(wait).await;
                    let failure = Failure::new("connect", "connection refused");
                    Err(ConnectError { class: Class::Unreachable, failure })
                }
                Reach::After(wait) => {
                    sleep(wait).await;
                    let alive = Arc::new(AtomicBool::new(true));
                    let since = Instant::now();
                    Ok(simulated::connected(Arc::new(LoggedIn { open, plan, alive, since }), target))
                }
            }
        }
        .boxed()
    }
}

/// A connection to a host.
struct LoggedIn {
    open: Open,
    plan: HostPlan,
    alive: Arc<AtomicBool>,
    since: Instant,
}

impl Host for LoggedIn {
    fn start(&self, _command: &str) -> (mpsc::Receiver<Chunk>, DuplexStream) {
        let (to_controller, chunks) = mpsc::channel(8);
        let (input, of_agent) = tokio::io::duplex(UNREAD);
        let (say, said) = mpsc::unbounded_channel();
        let (halt, halted) = watch::channel(engine::Halt::No);
        let engine =
            Engine { truths: self.open.network.truths.clone(), plan: self.plan.clone(), say, halted };
        tokio::spawn(engine.serve(of_agent));
        let link = Link {
            to: to_controller,
            piece: self.plan.piece,
            alive: self.alive.clone(),
            halt,
            noise: self.plan.noise,
        };
        let fault = self.plan.fault.clone().map(|(after, fault)| (self.since + after, fault));
        tokio::spawn(link.carry(said, fault));
        (chunks, input)
    }

    fn alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }
}

/// What carries the words of one agent.
struct Link {
    to: mpsc::Sender<Chunk>,
    piece: usize,
    alive: Arc<AtomicBool>,
    halt: watch::Sender<engine::Halt>,
    noise: &'static str,
}

impl Link {
    async fn carry(self, mut said: mpsc::UnboundedReceiver<Vec<u8>>, mut fault: Option<(Instant, Fault)>) {
        self.pass(self.noise.as_bytes()).await;
        loop {
            let at = fault.as_ref().map(|(at, _)| *at);
            let strikes = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.to.closed() => return,
                () = strikes => {
                    let Some((_, strike)) = fault.take() else { continue };
                    if self.strike(strike).await { return }
                }
                bytes = said.recv() => match bytes {
                    Some(bytes) => self.pass(&bytes).await,
                    None => return self.end(Chunk::Exit(Exit::Status(0))).await,
                }
            }
        }
    }

    async fn pass(&self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            // A controller that does not listen any more hears nothing.
            let _gone = self.to.send(Chunk::Stdout(Bytes::copy_from_slice(piece))).await;
        }
    }

    async fn end(&self, last: Chunk) {
        let _gone = self.to.send(last).await;
    }

    /// Whether the link is over.
    async fn strike(&self, fault: Fault) -> bool {
        match fault {
            Fault::Reset => {
                self.alive.store(false, Ordering::SeqCst);
                self.end(Chunk::Lost(Failure::new("run a command", "the connection was reset"))).await;
            }
            Fault::Silence => self.to.closed().await,
            Fault::Delay(time) => {
                sleep(time).await;
                return false;
            }
            Fault::Crash => {
                self.halt.send_replace(engine::Halt::Dead);
                self.end(Chunk::Exit(Exit::Signal("KILL".to_string()))).await;
            }
            Fault::Hang => {
                self.halt.send_replace(engine::Halt::Dead);
                self.to.closed().await;
            }
            Fault::Endless => {
                self.halt.send_replace(engine::Halt::Endless);
                return false;
            }
            Fault::Garbage => {
                self.pass(&[0xff; 40]).await;
                return false;
            }
            Fault::Forged => {
                let nonce = "another job's".to_string();
                let forged = Event::Finished { nonce, outcome: HostOutcome::Changed, failure: None };
                self.pass(&wire::frame(&forged).unwrap_or_default()).await;
                return false;
            }
            Fault::Closed => {}
        }
        true
    }
}
