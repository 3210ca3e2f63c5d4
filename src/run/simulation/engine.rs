//! The agent of a simulated host: takes a job, does its steps in its own time, and knows what it did.

use super::plan::HostPlan;
use super::truth::Truths;
use crate::model::Failure;
use crate::model::event::{Event, Hello, Order, StepEnded};
use crate::model::job::{Job, JobStep};
use crate::model::once::{Once, OnceEnded};
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::wire::{self, Frames};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep_until};

/// An agent says so often that it lives.
const ALIVE: Duration = Duration::from_secs(20);

/// What a fault does to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    No,
    /// Its step does not end any more.
    Endless,
    /// It does nothing any more.
    Dead,
}

/// One agent at work.
pub struct Engine {
    pub truths: Arc<Truths>,
    pub plan: HostPlan,
    pub say: mpsc::UnboundedSender<Vec<u8>>,
    pub halted: watch::Receiver<Halt>,
}

/// How a step was left.
enum Left {
    Done,
    Killed,
    Dead,
}

impl Engine {
    /// Does the job that comes over `input`, until a fault ends it.
    pub async fn serve(self, mut input: DuplexStream) {
        let mut frames = Frames::default();
        let Some(Order::Job(job)) = next(&mut frames, &mut input).await else { return };
        let (order, orders) = mpsc::unbounded_channel();
        let reading = tokio::spawn(async move {
            while let Some(given) = next(&mut frames, &mut input).await {
                if order.send(given).is_err() {
                    return;
                }
            }
        });
        self.work(*job, orders).await;
        reading.abort();
    }

    async fn work(self, job: Job, mut orders: mpsc::UnboundedReceiver<Order>) {
        let _deaf = self.say.send(wire::MARKER.to_vec());
        self.send(&Event::Hello(Hello {
            version: wire::VERSION,
            system: "agent".to_string(),
            ..Hello::default()
        }));
        let undoes = job.work.undo.is_some();
        let outcome = match undoes {
            true => Some((HostOutcome::Undone, None)),
            false => self.steps(&job, &mut orders).await,
        };
        // A dead agent has no verdict.
        let Some((outcome, failure)) = outcome else { return std::future::pending().await };
        self.truths.note(&self.plan.name, |truth| match undoes {
            true => truth.undo = Some(outcome),
            false => truth.verdict = Some(outcome),
        });
        self.send(&Event::Finished { nonce: job.envelope.nonce, outcome, failure });
    }

    async fn steps(
        &self,
        job: &Job,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Option<(HostOutcome, Option<Failure>)> {
        let mut outcome = HostOutcome::Ok;
        for step in &job.work.steps {
            if asked_to_stop(orders) {
                return Some((HostOutcome::Cancelled, None));
            }
            let ended = match &step.once {
                Some(Once::On(_)) => self.await_once(step, orders).await?,
                _ => self.step(step, orders).await?,
            };
            self.end(step, ended);
            match ended {
                StepOutcome::Failed => {
                    return Some((HostOutcome::Failed, Some(Failure::new("do it", "it fails"))));
                }
                StepOutcome::Changed => outcome = HostOutcome::Changed,
                _ => {}
            }
        }
        Some((outcome, None))
    }

    /// `None` when the agent dies meanwhile.
    async fn step(&self, step: &JobStep, orders: &mut mpsc::UnboundedReceiver<Order>) -> Option<StepOutcome> {
        let plan = &self.plan.steps[step.index as usize];
        self.send(&Event::StepStarted { step: step.index, item: None, name: String::new() });
        self.truths.note(&self.plan.name, |truth| *truth.started.entry(step.index).or_default() += 1);
        let left = self.pass(Instant::now() + plan.takes, orders).await;
        let ended = match left {
            Left::Done => plan.outcome,
            Left::Killed => StepOutcome::Failed,
            Left::Dead => return None,
        };
        if step.once.is_some() {
            let ended = OnceEnded { outcome: ended, ..OnceEnded::failed(Failure::new("do it", "it fails")) };
            self.send(&Event::RanOnce { step: step.index, ended: Box::new(ended) });
        }
        Some(ended)
    }

    /// Lets the time of a step pass.
    async fn pass(&self, mut until: Instant, orders: &mut mpsc::UnboundedReceiver<Order>) -> Left {
        let mut halted = self.halted.clone();
        let mut alive = interval(ALIVE);
        loop {
            tokio::select! {
                biased;
                changed = halted.changed() => {
                    if changed.is_err() {
                        // The link is over; the step goes on.
                        sleep_until(until).await;
                        return Left::Done;
                    }
                    let halt = *halted.borrow();
                    match halt {
                        Halt::Dead => return Left::Dead,
                        Halt::Endless => until += Duration::from_secs(1_000_000),
                        Halt::No => {}
                    }
                },
                () = sleep_until(until) => return Left::Done,
                () = killed(orders) => return Left::Killed,
                _ = alive.tick() => self.send(&Event::Alive),
            }
        }
    }

    /// Waits for the host that runs the step for all.
    async fn await_once(
        &self,
        step: &JobStep,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Option<StepOutcome> {
        self.send(&Event::StepStarted { step: step.index, item: None, name: String::new() });
        self.send(&Event::AwaitsOnce { step: step.index });
        let mut halted = self.halted.clone();
        let mut alive = interval(ALIVE);
        loop {
            tokio::select! {
                biased;
                dead = halted.wait_for(|halt| *halt != Halt::No) => {
                    if dead.is_ok() { return None }
                    return Some(StepOutcome::Failed);
                }
                order = orders.recv() => match order {
                    Some(Order::RanOnce { ended, .. }) => return Some(ended.outcome),
                    Some(Order::Kill { .. }) | None => return Some(StepOutcome::Failed),
                    Some(_) => {}
                },
                _ = alive.tick() => self.send(&Event::Alive),
            }
        }
    }

    fn end(&self, step: &JobStep, outcome: StepOutcome) {
        self.truths.note(&self.plan.name, |truth| truth.ended.push((step.index, outcome)));
        self.send(&Event::StepEnded(StepEnded::new(step.index, String::new(), outcome)));
    }

    fn send(&self, event: &Event) {
        let frame = wire::frame(event).expect("a small event fits");
        // A broken link carries nothing.
        let _deaf = self.say.send(frame);
    }
}

/// The next order, or `None` once the controller has gone.
async fn next(frames: &mut Frames, input: &mut DuplexStream) -> Option<Order> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(order) = frames.take().expect("the controller sends frames") {
            return Some(order);
        }
        match input.read(&mut buffer).await {
            Ok(count @ 1..) => frames.push(&buffer[..count]),
            _ => return None,
        }
    }
}

/// Whether the controller wants an end, or has gone.
fn asked_to_stop(orders: &mut mpsc::UnboundedReceiver<Order>) -> bool {
    match orders.try_recv() {
        Ok(Order::Stop | Order::Kill { .. }) => true,
        Ok(_) => asked_to_stop(orders),
        Err(mpsc::error::TryRecvError::Empty) => false,
        Err(mpsc::error::TryRecvError::Disconnected) => true,
    }
}

/// Returns once the step is to be killed; a stop meanwhile lets it finish, and is forgotten as in the worst of agents.
async fn killed(orders: &mut mpsc::UnboundedReceiver<Order>) {
    loop {
        match orders.recv().await {
            Some(Order::Kill { .. }) => return,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}
