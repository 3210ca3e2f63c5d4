//! Steps with `on`: which hosts have one run on another, and what came of it. The host that runs them is given one after the
//! other, in the order of the playbook, and else in the order in which they were asked for.

use super::{Task, Work};
use crate::model::delegation::{DelegatedStep, FIRST, PlayPlace};
use crate::model::job::{HostWork, JobStep};
use crate::model::once::OnceEnded;
use crate::model::outcome::HostOutcome;
use crate::model::play::Given;
use crate::model::{Failure, Result};
use crate::redact::contained;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use together::Together;
use tokio::sync::watch;

mod step;
mod together;

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
    together: Together,
}

/// The steps of others that one host runs.
#[derive(Debug, Default)]
struct Desk {
    /// Not yet given to it, the first one first: by the place before which it is not run, and its number.
    waiting: BTreeMap<(Option<PlayPlace>, u32), Asked>,
    /// Given to it, by the step's number.
    given: BTreeMap<u32, Asked>,
    /// How many were asked for.
    count: u32,
    /// The host has ended.
    gone: Option<HostOutcome>,
}

/// A step that one host runs for another.
#[derive(Debug)]
struct Asked {
    /// Its index in the job of the host that asked.
    index: u32,
    step: DelegatedStep,
}

impl DelegationBoard {
    /// Knows what the hosts of a run will ask for.
    pub fn expect<'a>(&self, work: impl IntoIterator<Item = &'a Work>) {
        self.0.send_modify(|known| {
            for work in work {
                if let Task::Job(job, _) = &work.task {
                    known.together.expect(&work.host, &job.work);
                }
            }
        });
    }

    /// These hosts do their play together from now on.
    pub fn begin(&self, batch: &[String]) {
        self.0.send_modify(|known| known.together.begin(batch));
    }

    /// A host is so far.
    pub fn at(&self, host: &str, place: PlayPlace) {
        self.0.send_if_modified(|known| known.together.at(host, place));
    }

    /// Returns once the hosts of its play that have the host `on` run this step are past it.
    pub async fn passed(&self, on: &str, step: u32) {
        let mut known = self.0.subscribe();
        // The board lives as long as the run.
        let _run_is_over = known.wait_for(|known| known.together.are_past(on, step)).await;
    }

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
            Some(item) => step::of_element(step, item)
                .ok_or_else(|| wrong(format!("step {index} has no element {item}")))?,
            None => step.clone(),
        };
        let given = step::taken(given, work)?;
        let mut again = false;
        self.0.send_modify(|known| {
            again = known.is_under_way(of, index);
            if again {
                return;
            }
            let not_before = known.together.not_before(of, &on);
            let desk = known.desks.entry(on.clone()).or_default();
            let number = desk.count;
            desk.count += 1;
            let work = step::part(work, JobStep { index: FIRST.saturating_add(number), ..step }, of);
            let step = DelegatedStep { number, of: of.into(), work, given, not_before };
            match desk.gone {
                Some(outcome) => drop(known.ended.insert((of.to_string(), index), gone(&on, outcome))),
                None => drop(desk.waiting.insert((not_before, number), Asked { index, step })),
            }
        });
        if again { Err(wrong(format!("it asks twice for step {index}"))) } else { Ok(()) }
    }

    /// Returns once it is known how a step ended that `of` has asked for.
    pub async fn is_answered(&self, of: &str, index: u32) {
        let key = (of.to_string(), index);
        let mut known = self.0.subscribe();
        // The board lives as long as the run.
        let _run_is_over = known.wait_for(|known| known.ended.contains_key(&key)).await;
    }

    /// How a step ended that `of` has asked for. It is told once.
    pub fn answer(&self, of: &str, index: u32) -> OnceEnded {
        let mut ended = None;
        self.0.send_if_modified(|known| {
            ended = known.ended.remove(&(of.to_string(), index));
            // No one waits for that.
            false
        });
        ended.unwrap_or_else(|| {
            OnceEnded::failed(Failure::new("wait for the host that runs it", "the run is over"))
        })
    }

    /// Whether a host waits for one that does its play with it, and may have to come to the step first.
    pub fn is_together(&self, of: &str, index: u32) -> bool {
        let known = self.0.borrow();
        let mut asked =
            known.desks.values().flat_map(|desk| desk.waiting.values().chain(desk.given.values()));
        let is_it = |asked: &Asked| asked.step.of == of && asked.index == index;
        asked.any(|asked| is_it(asked) && asked.step.not_before.is_some())
    }

    /// The next step that is given to a host, which runs it in its own time: none while it has one that comes before.
    pub async fn next(&self, host: &str) -> DelegatedStep {
        self.give(host, Desk::next).await
    }

    /// The next step that a host runs which is at this place.
    pub async fn due(&self, host: &str, place: PlayPlace) -> DelegatedStep {
        self.give(host, |desk| desk.due(place)).await
    }

    /// The same if there is one now.
    pub fn take_due(&self, host: &str, place: PlayPlace) -> Option<DelegatedStep> {
        self.try_give(host, |desk| desk.due(place))
    }

    async fn give(&self, host: &str, take: impl Fn(&mut Desk) -> Option<DelegatedStep>) -> DelegatedStep {
        let mut changes = self.0.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(next) = self.try_give(host, &take) {
                return next;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn try_give(
        &self,
        host: &str,
        take: impl FnOnce(&mut Desk) -> Option<DelegatedStep>,
    ) -> Option<DelegatedStep> {
        let mut next = None;
        self.0.send_if_modified(|known| {
            next = known.desks.get_mut(host).and_then(take);
            // No one waits for that.
            false
        });
        next
    }

    /// A host begins anew after a boot: what it was given and has not run is given to it once more.
    pub fn begins_anew(&self, host: &str) {
        self.0.send_modify(|known| {
            let Some(desk) = known.desks.get_mut(host) else { return };
            for (number, asked) in std::mem::take(&mut desk.given) {
                desk.waiting.insert((asked.step.not_before, number), asked);
            }
        });
    }

    /// A host says how a step ended that it was given. `secrets` are its own: the other host hides those that it gets.
    pub fn ended(&self, host: &str, number: u32, ended: OnceEnded, secrets: &[String]) -> Result<()> {
        let mut ended = ended.taken(&BTreeSet::new());
        ended.secrets = contained(secrets, &ended.known);
        let mut known_step = false;
        self.0.send_modify(|known| {
            let Some(asked) = known.desks.get_mut(host).and_then(|desk| desk.given.remove(&number)) else {
                return;
            };
            known_step = true;
            let of = asked.step.of;
            known.secrets.entry(of.clone()).or_default().extend(ended.secrets.clone());
            known.ended.insert((of, asked.index), ended);
        });
        if known_step {
            return Ok(());
        }
        Err(Failure::new("hear how a step of another host ended", format!("it was given no step {number}"))
            .hint("another program on the host acts as windlass's agent"))
    }

    /// A host has ended: what it has not done for others will not be done.
    pub fn gone(&self, host: &str, outcome: HostOutcome) {
        self.0.send_if_modified(|known| {
            let frees = known.together.gone(host);
            let desk = known.desks.entry(host.to_string()).or_default();
            desk.gone = Some(outcome);
            let waiting = std::mem::take(&mut desk.waiting).into_values();
            let left: Vec<_> = std::mem::take(&mut desk.given).into_values().chain(waiting).collect();
            let frees = frees || !left.is_empty();
            let left = left.into_iter().map(|asked| (asked.step.of, asked.index));
            known.ended.extend(left.map(|of| (of, self::gone(host, outcome))));
            frees
        });
    }

    /// The secrets of other hosts that a host has got so far.
    pub fn secrets_got(&self, host: &str) -> Vec<String> {
        self.0.borrow().secrets.get(host).cloned().unwrap_or_default()
    }
}

impl Desk {
    /// The first one, unless the host has one that comes before it or at the same place: it is given no more than it needs.
    fn next(&mut self) -> Option<DelegatedStep> {
        let (first, _) = *self.waiting.first_key_value()?.0;
        let has_one = self.given.values().any(|asked| asked.step.not_before <= first);
        if has_one { None } else { self.give_first() }
    }

    fn due(&mut self, place: PlayPlace) -> Option<DelegatedStep> {
        let (first, _) = *self.waiting.first_key_value()?.0;
        if first.is_none_or(|from| from <= place) { self.give_first() } else { None }
    }

    fn give_first(&mut self) -> Option<DelegatedStep> {
        let (_, asked) = self.waiting.pop_first()?;
        let step = asked.step.clone();
        self.given.insert(step.number, asked);
        Some(step)
    }
}

impl Known {
    fn is_under_way(&self, of: &str, index: u32) -> bool {
        let is_it = |asked: &Asked| asked.step.of == of && asked.index == index;
        let mut desks = self.desks.values();
        self.ended.contains_key(&(of.to_string(), index))
            || desks.any(|desk| desk.waiting.values().chain(desk.given.values()).any(is_it))
    }
}

fn gone(host: &str, outcome: HostOutcome) -> OnceEnded {
    let why = format!("{host} ended as {} before it had run this step", outcome.as_str());
    OnceEnded::failed(Failure::new("wait for the host that runs it", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arg::Arg;
    use crate::model::on::On;
    use crate::model::outcome::StepOutcome;
    use crate::model::{Value, Values};
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
        assert!(now(board.next("lb1")).await.is_none(), "one at a time");

        assert!(now(board.is_answered("web2", 1)).await.is_none());
        board.ended("lb1", 0, ended(StepOutcome::Changed), &["hunter2".to_string()]).unwrap();
        now(board.is_answered("web2", 1)).await.unwrap();
        let heard = board.answer("web2", 1);
        assert_eq!((heard.outcome, heard.secrets), (StepOutcome::Changed, vec!["hunter2".to_string()]));
        assert_eq!(board.secrets_got("web2"), ["hunter2"]);
        assert_eq!(now(board.next("lb1")).await.unwrap().of, "web1");
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
            now(board.is_answered(host, 1)).await.unwrap();
            let failure = board.answer(host, 1).failure.unwrap();
            assert_eq!(failure.why, "lb1 ended as unreachable before it had run this step");
        }
    }

    /// web1 and web2 do a play together, web3 does not; each has steps 1 to 3 run on web1.
    fn together() -> DelegationBoard {
        let board = DelegationBoard::default();
        board.begin(&["web1".to_string(), "web2".to_string()]);
        board
    }

    fn steps() -> HostWork {
        let step = |index| JobStep { index, on: Some(On::Host("web1".into())), ..JobStep::default() };
        HostWork { steps: (1..4).map(step).collect(), ..HostWork::default() }
    }

    fn at(step: u32) -> PlayPlace {
        PlayPlace::of(&steps(), step).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_of_the_same_play_is_given_a_step_for_its_place_and_none_behind_it() {
        let board = together();
        board.at("web2", at(3));
        board.ask("web2", &steps(), (3, None), Given::new()).unwrap();
        let given = now(board.next("web1")).await.unwrap();
        assert_eq!((given.number, given.not_before), (0, Some(at(3))));
        assert!(board.is_together("web2", 3));
        // One of another play can be run at once, and one before it is not held up by it.
        board.ask("web3", &steps(), (1, None), Given::new()).unwrap();
        assert_eq!(now(board.next("web1")).await.unwrap().not_before, None);
        board.ask("web4", &steps(), (1, None), Given::new()).unwrap();
        assert!(now(board.next("web1")).await.is_none(), "it has one of that place");
        board.ended("web1", 1, ended(StepOutcome::Ok), &[]).unwrap();
        assert_eq!(now(board.next("web1")).await.unwrap().of, "web4");

        // What it has not run before it boots is given to it once more.
        board.begins_anew("web1");
        assert_eq!(board.take_due("web1", at(2)).unwrap().of, "web4");
        assert_eq!(board.take_due("web1", at(2)), None);
        assert_eq!(board.take_due("web1", at(3)).unwrap().of, "web2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_waits_for_those_of_its_play_until_they_are_past_or_gone() {
        let board = together();
        for host in ["web1", "web2", "web3"] {
            board.0.send_modify(|known| known.together.expect(host, &steps()));
        }
        board.begin(&["web1".to_string(), "web2".to_string()]);
        board.at("web1", at(3));
        assert!(now(board.passed("web1", 2)).await.is_none(), "web2 has not come to it");
        board.at("web2", at(2));
        assert!(now(board.passed("web1", 2)).await.is_none(), "web2 is at it");
        assert!(now(board.passed("web1", 1)).await.is_some());
        board.at("web2", at(3));
        assert!(now(board.passed("web1", 2)).await.is_some());
        assert!(now(board.passed("web1", 3)).await.is_none());
        board.at("web1", PlayPlace::start_of(1));
        board.gone("web2", HostOutcome::Failed);
        assert!(now(board.passed("web1", 3)).await.is_some());
        assert!(now(board.passed("web2", 3)).await.is_some(), "no host has it run that");
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
        assert_eq!(step::taken(of("owner", "root".into()), &work()), Ok(Given::new()));
        assert_eq!(step::taken(of("r0", 1.into()), &work()).unwrap().len(), 1);
        assert!(board.ended("lb1", 5, ended(StepOutcome::Ok), &[]).is_err(), "it was given none");
    }
}
