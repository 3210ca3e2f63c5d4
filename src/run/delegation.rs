//! Steps with `on`: which hosts have one run on another, and what came of it. The host that runs them is given one after the
//! other, in the order in which they were asked for.

use crate::model::arg::Arg;
use crate::model::delegation::{DelegatedStep, FACTS, FIRST};
use crate::model::job::{HostWork, JobStep};
use crate::model::once::OnceEnded;
use crate::model::outcome::HostOutcome;
use crate::model::play::{Given, LARGEST, size};
use crate::model::{Failure, Result, Value, cut, label};
use crate::redact::contained;
use crate::step;
use crate::template::is_plain;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// What the hosts of a run have asked of each other.
#[derive(Clone, Debug, Default)]
pub struct DelegationBoard(Arc<watch::Sender<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By the host that runs them.
    desks: BTreeMap<String, Desk>,
    /// What came of them, by the host that asked and the step's index, until it is fetched.
    ended: BTreeMap<(String, u32), OnceEnded>,
    /// The secrets of others that are in what a host has heard.
    secrets: BTreeMap<String, Vec<String>>,
}

/// The steps of others that one host runs.
#[derive(Debug, Default)]
struct Desk {
    /// Not yet started, the first one first, each with its index in the job of the host that asked.
    waiting: VecDeque<(u32, DelegatedStep)>,
    /// Started: by its number, the host that asked and the index in its job.
    started: BTreeMap<u32, (String, u32)>,
    /// How many were asked for.
    count: u32,
    /// The host has ended.
    gone: Option<HostOutcome>,
}

impl DelegationBoard {
    /// Has the step with this index of the host `of`, whose work this is, run on the host that the step names: the whole
    /// step, or one element of its loop. `given` is what `of` says of its own values.
    pub fn ask(
        &self,
        of: &str,
        work: &HostWork,
        (index, item): (u32, Option<u32>),
        given: Given,
    ) -> Result<()> {
        let wrong = |why: String| {
            Failure::new("have a step run on another host", why)
                .hint("another program on the host acts as windlass's agent")
        };
        let step = work.all_steps().find(|step| step.index == index);
        let step = step.ok_or_else(|| wrong(format!("its job has no such step {index}")))?;
        let on = step.on.as_ref().and_then(|on| on.host(item)).map(str::to_string);
        let on = on.ok_or_else(|| wrong(format!("its step {index} runs on the host itself")))?;
        let step = match item {
            Some(item) => {
                of_element(step, item).ok_or_else(|| wrong(format!("step {index} has no element {item}")))?
            }
            None => step.clone(),
        };
        let given = taken(given, work)?;
        let mut again = false;
        self.0.send_modify(|known| {
            again = known.is_under_way(of, index);
            if again {
                return;
            }
            let desk = known.desks.entry(on.clone()).or_default();
            let number = desk.count;
            desk.count += 1;
            let work = part(work, JobStep { index: FIRST.saturating_add(number), ..step }, of);
            let delegated = DelegatedStep { number, of: of.into(), work, given };
            match desk.gone {
                Some(outcome) => drop(known.ended.insert((of.to_string(), index), gone(&on, outcome))),
                None => desk.waiting.push_back((index, delegated)),
            }
        });
        if again { Err(wrong(format!("it asks twice for step {index}"))) } else { Ok(()) }
    }

    /// How a step ended that `of` has asked for, as soon as that is known.
    pub async fn answered(&self, of: &str, index: u32) -> OnceEnded {
        let key = (of.to_string(), index);
        let mut known = self.0.subscribe();
        let is_over = known.wait_for(|known| known.ended.contains_key(&key)).await.is_ok();
        let mut ended = None;
        if is_over {
            self.0.send_modify(|known| ended = known.ended.remove(&key));
        }
        ended.unwrap_or_else(|| {
            OnceEnded::failed(Failure::new("wait for the host that runs it", "the run is over"))
        })
    }

    /// The next step that a host runs for another one.
    pub async fn next(&self, host: &str) -> DelegatedStep {
        let mut changes = self.0.subscribe();
        loop {
            changes.borrow_and_update();
            let mut next = None;
            self.0.send_if_modified(|known| {
                next = known.desks.get_mut(host).and_then(Desk::begin);
                // No one waits for that.
                false
            });
            if let Some(next) = next {
                return next;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A host says how a step ended that it was given. `secrets` are its own: the other host hides those that it gets.
    pub fn ended(&self, host: &str, number: u32, ended: OnceEnded, secrets: &[String]) -> Result<()> {
        let mut ended = ended.taken(&BTreeSet::new());
        ended.secrets = contained(secrets, &ended.known);
        let mut known_step = false;
        self.0.send_modify(|known| {
            let Some(of) = known.desks.get_mut(host).and_then(|desk| desk.started.remove(&number)) else {
                return;
            };
            known_step = true;
            known.secrets.entry(of.0.clone()).or_default().extend(ended.secrets.clone());
            known.ended.insert(of, ended);
        });
        if known_step {
            return Ok(());
        }
        Err(Failure::new("hear how a step of another host ended", format!("it was given no step {number}"))
            .hint("another program on the host acts as windlass's agent"))
    }

    /// A host has ended: what it has not done for others will not be done.
    pub fn gone(&self, host: &str, outcome: HostOutcome) {
        self.0.send_modify(|known| {
            let desk = known.desks.entry(host.to_string()).or_default();
            desk.gone = Some(outcome);
            let waiting = std::mem::take(&mut desk.waiting);
            let started = std::mem::take(&mut desk.started).into_values();
            let waiting = waiting.into_iter().map(|(index, step)| (step.of, index));
            let left: Vec<_> = started.chain(waiting).collect();
            known.ended.extend(left.into_iter().map(|of| (of, self::gone(host, outcome))));
        });
    }

    /// The secrets of other hosts that a host has got so far.
    pub fn secrets_got(&self, host: &str) -> Vec<String> {
        self.0.borrow().secrets.get(host).cloned().unwrap_or_default()
    }
}

impl Desk {
    fn begin(&mut self) -> Option<DelegatedStep> {
        let (index, step) = self.waiting.pop_front()?;
        self.started.insert(step.number, (step.of.clone(), index));
        Some(step)
    }
}

impl Known {
    fn is_under_way(&self, of: &str, index: u32) -> bool {
        let key = (of.to_string(), index);
        let is_it = |(at, step): &(u32, DelegatedStep)| step.of == of && *at == index;
        let mut desks = self.desks.values();
        self.ended.contains_key(&key)
            || desks.any(|desk| desk.waiting.iter().any(is_it) || desk.started.values().any(|of| *of == key))
    }
}

fn gone(host: &str, outcome: HostOutcome) -> OnceEnded {
    let why = format!("{host} ended as {} before it had run this step", outcome.as_str());
    OnceEnded::failed(Failure::new("wait for the host that runs it", why))
}

/// A host's work with one step alone, as another host runs it. Whether a failure counts is the first host's to say, and
/// handlers run there.
fn part(work: &HostWork, step: JobStep, of: &str) -> HostWork {
    let name = step.name.clone().unwrap_or_else(|| Arg::Value(step.kind.clone().into()));
    let step = JobStep {
        on: None,
        once: None,
        notify: Vec::new(),
        ignore_errors: true,
        blocks: Vec::new(),
        name: Some(name.followed_by(&format!(" (for {of})"))),
        ..step
    };
    HostWork {
        steps: vec![step],
        handlers: Vec::new(),
        rescue: Vec::new(),
        always: Vec::new(),
        shares: Vec::new(),
        serves: false,
        ..work.clone()
    }
}

/// A step for one element of its loop, as a step without a loop.
fn of_element(step: &JobStep, item: u32) -> Option<JobStep> {
    let Some(Arg::Value(Value::Array(items))) = &step.items else { return None };
    let item = items.get(item as usize)?;
    let element = (step.loop_var.clone(), Arg::Value(item.clone()));
    Some(JobStep {
        name: Some(name_of_element(step, item)),
        vars: step.vars.iter().cloned().chain([element]).chain(step.item_vars.iter().cloned()).collect(),
        item_vars: Vec::new(),
        items: None,
        label: None,
        ..step.clone()
    })
}

/// Its name with the element, unless it has one of its own.
fn name_of_element(step: &JobStep, item: &Value) -> Arg {
    let name = step.name.clone();
    let title = || Arg::Value(step.title().into());
    match (&step.label, name) {
        _ if step.no_log => step.name.clone().unwrap_or_else(title),
        (Some(Arg::Value(label)), name) => {
            name.unwrap_or_else(title).followed_by(&format!(": {}", label::label(label)))
        }
        (Some(Arg::Template(label)), Some(Arg::Value(Value::String(name)))) if is_plain(&name) => {
            Arg::Template(format!("{name}: {label}"))
        }
        (Some(Arg::Template(label)), Some(Arg::Template(name))) => Arg::Template(format!("{name}: {label}")),
        (Some(Arg::Template(label)), None) => Arg::Template(format!("{}: {label}", step.title())),
        (_, Some(name)) if name != title() => name,
        _ => title().followed_by(&format!(": {}", label::label(item))),
    }
}

/// What is taken of what a host hands on: facts, and names that a step of its job may have given a value.
fn taken(mut given: Given, work: &HostWork) -> Result<Given> {
    let set = work.all_steps().flat_map(step::variables).map(|(name, _)| name);
    let registered = work.all_steps().filter_map(|step| step.register.clone());
    let names: BTreeSet<String> = set.chain(registered).chain([FACTS.to_string()]).collect();
    given.retain(|name, _| names.contains(name));
    if given.values().flatten().any(cut::is_too_deep) || size(&given) > LARGEST {
        let why = "its values are too large, or have too many values inside one another";
        return Err(Failure::new("have a step run on another host", why));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;
    use crate::model::on::On;
    use crate::model::outcome::StepOutcome;
    use std::time::Duration;

    /// Work with a step for lb1 that looks at the result of one before it, and one of the host's own.
    fn work() -> HostWork {
        let step = |index, on: Option<&str>| JobStep {
            index,
            kind: "command".to_string(),
            on: on.map(|host| On::Host(host.to_string())),
            register: Some(format!("r{index}")),
            notify: vec!["restart".to_string()],
            ..JobStep::default()
        };
        let handlers = vec![step(9, None)];
        HostWork { steps: vec![step(0, None), step(1, Some("lb1"))], handlers, ..HostWork::default() }
    }

    fn ended(outcome: StepOutcome) -> OnceEnded {
        let known = Values::from_iter([("stdout".to_string(), Value::from("is hunter2"))]);
        OnceEnded { outcome, known, ..OnceEnded::failed(Failure::new("a", "b")) }
    }

    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(10), future).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn steps_are_run_in_the_order_in_which_they_were_asked_for() {
        let board = DelegationBoard::default();
        assert!(now(board.next("lb1")).await.is_none());
        for host in ["web2", "web1"] {
            board.ask(host, &work(), (1, None), Given::new()).unwrap();
        }
        let first = now(board.next("lb1")).await.unwrap();
        assert_eq!((first.of.as_str(), first.number, first.work.steps.len()), ("web2", 0, 1));
        let step = &first.work.steps[0];
        assert_eq!((step.index, &step.on, step.notify.len()), (FIRST, &None, 0));
        assert_eq!(step.name, Some(Arg::Value("command (for web2)".into())));
        assert!(first.work.handlers.is_empty());
        assert_eq!(now(board.next("lb1")).await.unwrap().of, "web1");

        assert!(now(board.answered("web2", 1)).await.is_none());
        board.ended("lb1", 0, ended(StepOutcome::Changed), &["hunter2".to_string()]).unwrap();
        let heard = now(board.answered("web2", 1)).await.unwrap();
        assert_eq!((heard.outcome, heard.secrets), (StepOutcome::Changed, vec!["hunter2".to_string()]));
        assert_eq!(board.secrets_got("web2"), ["hunter2"]);
        // Once it has ended, a handler may run it again.
        assert!(board.ask("web2", &work(), (1, None), Given::new()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_ends_fails_what_it_has_not_done() {
        let board = DelegationBoard::default();
        board.ask("web1", &work(), (1, None), Given::new()).unwrap();
        board.ask("web2", &work(), (1, None), Given::new()).unwrap();
        now(board.next("lb1")).await.unwrap();
        board.gone("lb1", HostOutcome::Unreachable);
        board.ask("web3", &work(), (1, None), Given::new()).unwrap();
        for host in ["web1", "web2", "web3"] {
            let failure = now(board.answered(host, 1)).await.unwrap().failure.unwrap();
            assert_eq!(failure.why, "lb1 ended as unreachable before it had run this step");
        }
    }

    #[test]
    fn a_host_asks_only_for_what_its_job_has_and_hands_on_only_what_its_steps_give() {
        let board = DelegationBoard::default();
        let ask =
            |index, given| board.ask("web1", &work(), (index, None), given).map_err(|failure| failure.why);
        assert_eq!(ask(7, Given::new()).unwrap_err(), "its job has no such step 7");
        assert_eq!(ask(0, Given::new()).unwrap_err(), "its step 0 runs on the host itself");
        let nested = (0..50).fold(Value::from(1), |inner, _| serde_json::json!([inner]));
        let of = |name: &str, value: Value| Given::from([(name.to_string(), Some(value))]);
        assert!(ask(1, of("r0", nested)).unwrap_err().contains("too many values"));
        ask(1, Given::new()).unwrap();
        assert_eq!(ask(1, Given::new()).unwrap_err(), "it asks twice for step 1");
        assert_eq!(taken(of("owner", "root".into()), &work()), Ok(Given::new()));
        assert_eq!(taken(of("r0", 1.into()), &work()).unwrap().len(), 1);
        assert!(board.ended("lb1", 5, ended(StepOutcome::Ok), &[]).is_err(), "it was given none");
    }
}
