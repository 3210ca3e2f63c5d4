//! Which part of a run is shown: some hosts, some steps, what ended in one way.

use super::Stop;
use crate::inventory::pattern;
use crate::model::Failure;
use crate::model::event::StepEnded;
use crate::model::nearest::nearest;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::record::{HostRecord, RunRecord};

/// Which part of a run.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Part {
    /// Only the hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    hosts: Option<String>,
    /// Only steps whose name contains this text; upper and lower case are the same
    #[arg(long, value_name = "TEXT")]
    step: Option<String>,
    /// Only steps and hosts that ended like this: `failed`, `changed`, `unreachable` …
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
}

impl Part {
    /// That part of the run.
    pub fn of(&self, record: RunRecord) -> Result<RunRecord, Stop> {
        let outcome = self.outcome.as_deref().map(Outcome::read).transpose().map_err(Stop::misused)?;
        let hosts = self.chosen(&record)?;
        let text = self.step.as_ref().map(|text| text.to_lowercase());
        let is_shown = |step: &StepEnded| {
            let named = text.as_ref().is_none_or(|text| step.name.to_lowercase().contains(text));
            named && outcome.as_ref().is_none_or(|outcome| outcome.is_of_step(step.outcome))
        };
        let all_steps = text.is_none() && outcome.is_none();
        let narrowed = record.narrowed(&|host: &HostRecord| hosts.contains(&host.host), &is_shown);
        // A host of which no step is left is shown where it ended that way itself.
        Ok(narrowed.narrowed(
            &|host: &HostRecord| {
                let ended = || outcome.as_ref().zip(host.outcome).is_some_and(|(of, it)| of.is_of_host(it));
                all_steps || !host.steps.is_empty() || (text.is_none() && ended())
            },
            &|_| true,
        ))
    }

    fn chosen(&self, record: &RunRecord) -> Result<Vec<String>, Stop> {
        let names: Vec<&str> = record.hosts().iter().map(|host| host.host.as_str()).collect();
        let Some(pattern) = &self.hosts else { return Ok(names.into_iter().map(str::to_string).collect()) };
        let doing = format!("choose hosts of run {}", record.intent.run);
        let refuse = |why: String| Stop::misused(Failure::new(&doing, why));
        let chosen = pattern::among(pattern, &names).map_err(refuse)?;
        match chosen.is_empty() {
            true => Err(refuse(format!("`{pattern}` is none of its hosts"))),
            false => Ok(chosen.into_iter().map(str::to_string).collect()),
        }
    }
}

/// How something ended.
struct Outcome {
    step: Option<StepOutcome>,
    host: Option<HostOutcome>,
}

impl Outcome {
    fn read(text: &str) -> Result<Self, Failure> {
        let word = text.to_lowercase().replace([' ', '-'], "_");
        let step = StepOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
        let host = HostOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
        if step.is_some() || host.is_some() {
            return Ok(Outcome { step, host });
        }
        let steps = StepOutcome::ALL.into_iter().map(StepOutcome::as_str);
        let mut known: Vec<&str> =
            steps.chain(HostOutcome::ALL.into_iter().map(HostOutcome::as_str)).collect();
        known.sort_unstable();
        known.dedup();
        let failure = Failure::new(format!("read --outcome {text}"), "nothing ends like that");
        Err(match nearest(&word, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint(format!("it is one of {}", known.join(", "))),
        })
    }

    fn is_of_step(&self, outcome: StepOutcome) -> bool {
        self.step == Some(outcome)
    }

    fn is_of_host(&self, outcome: HostOutcome) -> bool {
        self.host == Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::*;

    fn part(hosts: Option<&str>, step: Option<&str>, outcome: Option<&str>) -> Result<Vec<String>, String> {
        let own = |text: Option<&str>| text.map(str::to_string);
        let part = Part { hosts: own(hosts), step: own(step), outcome: own(outcome) };
        let mut events = host("web01", &[changed(0), failed(1)], HostOutcome::Failed);
        events.extend(host("web02", &[step_named("say hello")], HostOutcome::Ok));
        events.extend(unreachable("db1"));
        let record = part.of(record(intent(&["web01", "web02", "db1"]), &events));
        let record = record.map_err(|stop| match stop {
            Stop::Refused(failure) => failure.to_string(),
            _ => panic!("it is refused"),
        })?;
        let shown = |host: &HostRecord| format!("{} {}", host.host, host.steps.len());
        Ok(record.hosts().iter().map(shown).collect())
    }

    fn step_named(name: &str) -> StepEnded {
        StepEnded { name: name.into(), ..step(0, StepOutcome::Ok) }
    }

    #[test]
    fn a_part_is_chosen_by_host_step_and_outcome() {
        assert_eq!(part(None, None, None).unwrap(), ["web01 2", "web02 1", "db1 0"]);
        assert_eq!(part(Some("web*,!web02"), None, None).unwrap(), ["web01 2"]);
        assert_eq!(part(None, Some("HELLO"), None).unwrap(), ["web02 1"]);
        assert_eq!(part(None, None, Some("failed")).unwrap(), ["web01 1"]);
        assert_eq!(part(None, None, Some("Unreachable")).unwrap(), ["db1 0"]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        assert!(part(Some("nosuch"), None, None).unwrap_err().ends_with("`nosuch` is none of its hosts"));
        assert_eq!(
            part(None, None, Some("faild")).unwrap_err(),
            "read --outcome faild: nothing ends like that\n  hint: did you mean failed?"
        );
    }
}
