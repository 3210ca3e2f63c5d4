//! What each host is doing right now, and the few lines that show it.

use super::style::{Style, Tone, fitted, host_tone, host_word, padded, time, widest};
use super::transfers::HowFar;
use super::{escape, printed};
use crate::model::delegation::FIRST;
use crate::model::event::Event;
use crate::model::outcome::HostOutcome;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::record::RunRecord;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// Up to so many hosts have a line each, where the terminal has that many.
const HOSTS_APART: usize = 16;

/// Lines of the terminal that are left alone, so that something of the answer stays visible.
const ROWS_LEFT: usize = 4;

/// Of many hosts, the ones that have been at the same thing for the longest time have a line.
const SLOWEST: usize = 4;

/// How much of its step's name a host with a transfer keeps, in columns.
const NAME_LEFT: usize = 24;

/// How far the transfer of each host is that has one.
type Transfers = HashMap<String, HowFar>;

/// What all hosts are doing.
#[derive(Debug)]
pub struct Live {
    check: bool,
    interrupted: bool,
    steps: Option<u32>,
    places: HashMap<String, usize>,
    hosts: Vec<HostNow>,
}

/// What a host is doing.
#[derive(Debug)]
struct HostNow {
    name: String,
    /// When it was first contacted.
    started: Option<Timestamp>,
    /// When it began what it is at.
    since: Option<Timestamp>,
    phase: Phase,
    /// The step that it is at, counted from 0.
    step: Option<u32>,
    /// How far it is with that, or the last line that a command of it printed.
    detail: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Waiting,
    /// Something that takes a time, in words.
    Busy(String),
    Ended(HostOutcome, Duration),
}

impl Live {
    /// All hosts wait. `steps`: how many each of them has.
    pub fn new(record: &RunRecord, steps: Option<u32>) -> Self {
        let waiting = |name: &String| HostNow {
            name: name.clone(),
            started: None,
            since: None,
            phase: Phase::Waiting,
            step: None,
            detail: None,
        };
        Live {
            steps,
            check: record.intent.check,
            interrupted: false,
            places: record.intent.hosts.iter().cloned().zip(0..).collect(),
            hosts: record.intent.hosts.iter().map(waiting).collect(),
        }
    }

    /// Takes in what happened next.
    pub fn fold(&mut self, event: &RunEvent) {
        match &event.what {
            RunEventKind::Interrupted => self.interrupted = true,
            RunEventKind::Host { host, event: of_host } => {
                if let Some(&place) = self.places.get(host) {
                    self.hosts[place].fold(event.at, of_host);
                }
            }
            RunEventKind::Started { .. } | RunEventKind::Note(_) | RunEventKind::Ended { .. } => {}
        }
    }

    /// How many hosts have ended, and how many there are.
    pub fn ended(&self) -> (usize, usize) {
        let ended = self.hosts.iter().filter(|host| matches!(host.phase, Phase::Ended(..))).count();
        (ended, self.hosts.len())
    }

    /// Whether it is a dry run.
    pub fn check(&self) -> bool {
        self.check
    }

    /// How long a host that has ended took.
    pub fn took(&self, host: &str) -> Option<Duration> {
        match self.hosts.get(*self.places.get(host)?)?.phase {
            Phase::Ended(_, took) => Some(took),
            Phase::Waiting | Phase::Busy(_) => None,
        }
    }

    /// The lines to show on a terminal of this size.
    pub fn screen(
        &self,
        transfers: &Transfers,
        now: Timestamp,
        (rows, columns): (usize, usize),
        style: Style,
    ) -> Vec<String> {
        let line = |host| self.host_line(host, transfers.get(&host.name), now, columns, style);
        let apart = self.hosts.len() <= HOSTS_APART.min(rows.saturating_sub(ROWS_LEFT));
        let mut lines: Vec<String> = match apart {
            true => self.hosts.iter().map(line).collect(),
            false => self.folded(&line, columns, style),
        };
        if self.interrupted {
            let text = "stopping after the step in hand; Ctrl-C again stops it at once";
            lines.push(style.paint(Tone::Unsure, &fitted(text, columns)));
        }
        lines
    }

    fn host_line(
        &self,
        host: &HostNow,
        transfer: Option<&HowFar>,
        now: Timestamp,
        columns: usize,
        style: Style,
    ) -> String {
        let width = widest(self.hosts.iter().map(|host| host.name.as_str())).min(columns / 3);
        let name = padded(&fitted(&escape::line(&host.name), width), width);
        let room = columns.saturating_sub(width + 10);
        match &host.phase {
            Phase::Waiting => format!("{name}  {}", style.paint(Tone::Faint, "waiting")),
            Phase::Busy(what) => {
                let what = format!("{}{what}", self.place_of(host));
                let what = match transfer {
                    Some(transfer) => with_transfer(&what, transfer, room),
                    None => fitted(&(what + &host.shown_detail()), room),
                };
                format!("{name}  {what}  {}", time(host.busy_for(now)))
            }
            Phase::Ended(outcome, took) => {
                let word = style.paint(host_tone(*outcome), host_word(*outcome, self.check));
                format!("{name}  {word}  {}", time(*took))
            }
        }
    }

    /// `3/12 `: which of its steps the host is at.
    fn place_of(&self, host: &HostNow) -> String {
        match (host.step, self.steps) {
            (Some(step), Some(all)) if step < all => format!("{}/{all} ", step + 1),
            _ => String::new(),
        }
    }

    fn folded<'a>(
        &'a self,
        line: &dyn Fn(&'a HostNow) -> String,
        columns: usize,
        style: Style,
    ) -> Vec<String> {
        let mut lines = vec![style.paint(Tone::Strong, &fitted(&self.counted(), columns))];
        let mut busy: Vec<&HostNow> =
            self.hosts.iter().filter(|host| matches!(host.phase, Phase::Busy(_))).collect();
        busy.sort_by_key(|host| host.since);
        lines.extend(busy.into_iter().take(SLOWEST).map(line));
        lines
    }

    /// `12 of 200 hosts: 10 ok, 2 failed, 64 at work, 124 waiting`.
    fn counted(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for host in &self.hosts {
            let word = match &host.phase {
                Phase::Waiting => "waiting",
                Phase::Busy(_) => "at work",
                Phase::Ended(outcome, _) => host_word(*outcome, self.check),
            };
            match counts.iter_mut().find(|(counted, _)| *counted == word) {
                Some((_, many)) => *many += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by_key(|(word, many)| (matches!(*word, "at work" | "waiting"), std::cmp::Reverse(*many)));
        let counts: Vec<String> = counts.iter().map(|(word, many)| format!("{many} {word}")).collect();
        let (ended, all) = self.ended();
        format!("{ended} of {all} hosts: {}", counts.join(", "))
    }
}

impl HostNow {
    fn fold(&mut self, at: Timestamp, event: &HostEvent) {
        self.started.get_or_insert(at);
        let busy = match event {
            HostEvent::Connecting { attempt: 1 } => "connecting".to_string(),
            HostEvent::Connecting { attempt } => format!("connecting, try {attempt}"),
            HostEvent::Retrying { failure, .. } => format!("retrying: {}", escape::line(&failure.why)),
            HostEvent::Connected => "logged in".to_string(),
            HostEvent::Uploading { bytes } => format!("uploading the agent ({} kB)", bytes / 1000),
            HostEvent::Sent => "starting".to_string(),
            HostEvent::Said(Event::StepStarted { name, step, .. }) => {
                self.step = Some(*step);
                escape::line(name).into_owned()
            }
            HostEvent::Said(Event::StepBackground { name, .. }) => {
                self.detail = Some(format!("{} runs in the background", escape::line(name)));
                return;
            }
            // What a step waits for does not start its clock again.
            HostEvent::Said(Event::Progress { text, .. }) => {
                self.detail = Some(escape::line(text).into_owned());
                return;
            }
            // What runs in the background prints beside the step in hand.
            HostEvent::Said(Event::Printed(printed))
                if self.step.is_some_and(|step| step != printed.step) =>
            {
                return;
            }
            HostEvent::Said(Event::Printed(printed)) => {
                self.detail = printed::last_line(printed).or(self.detail.take());
                return;
            }
            HostEvent::Said(Event::AwaitsPlay { .. } | Event::AwaitsOthers { .. }) => {
                "waits for steps of other hosts".to_string()
            }
            HostEvent::Said(Event::StepEnded(step)) if step.step >= FIRST && step.item.is_none() => {
                "waits for steps of other hosts".to_string()
            }
            HostEvent::Said(_) => return,
            HostEvent::Ended { outcome, .. } => {
                self.phase = Phase::Ended(*outcome, between(self.started, at));
                return;
            }
        };
        self.phase = Phase::Busy(busy);
        self.since = Some(at);
        self.detail = None;
    }

    /// `: waits for port 80`.
    fn shown_detail(&self) -> String {
        self.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"))
    }

    fn busy_for(&self, now: Timestamp) -> Duration {
        between(self.since, now)
    }
}

/// The step with how far its transfer is; of a long name only the start stays.
fn with_transfer(what: &str, transfer: &HowFar, room: usize) -> String {
    let name = what.width().min(NAME_LEFT);
    let transfer = transfer.shown(room.saturating_sub(name + 2));
    let what = fitted(what, room.saturating_sub(transfer.len() + 2));
    fitted(&format!("{what}  {transfer}"), room)
}

fn between(start: Option<Timestamp>, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start.unwrap_or(end))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Printed, Stream};
    use crate::record::examples::*;
    use expect_test::expect;

    fn screen(hosts: &[&str], events: &[RunEvent], size: (usize, usize)) -> String {
        let mut live = Live::new(&record(intent(hosts), &[]), None);
        events.iter().for_each(|event| live.fold(event));
        live.screen(&Transfers::new(), at(12_000), size, Style { color: false }).join("\n")
    }

    fn starts(host: &str, name: &str) -> RunEvent {
        event(3000, host, HostEvent::Said(Event::StepStarted { step: 0, item: None, name: name.into() }))
    }

    #[test]
    fn few_hosts_have_a_line_each() {
        let mut events = vec![starts("web01", "dockerd hands out resolvers that containers can reach")];
        events.extend(unreachable("db1"));
        events.push(starts("web02", "evil \x1b[2J name"));
        expect![[r#"
            web01  dockerd hands out resolver…  9.0s
            web02  evil \x1b[2J name  9.0s
            db1    unreachable  5.0s
            web03  waiting"#]]
        .assert_eq(&screen(&["web01", "web02", "db1", "web03"], &events, (24, 42)));
    }

    #[test]
    fn a_host_shows_which_of_its_steps_it_is_at_and_what_that_printed_last() {
        let mut live = Live::new(&record(intent(&["web01"]), &[]), Some(12));
        let said = |event| event_of(3000, event);
        let chunk = b"one\ntwo \x1b[2J\n".to_vec();
        let printed = Printed { step: 2, stream: Stream::Stdout, left_out: 0, chunk };
        live.fold(&said(Event::StepStarted { step: 2, item: None, name: "build".into() }));
        live.fold(&said(Event::Printed(printed)));
        let none = Transfers::new();
        let screen =
            |live: &Live| live.screen(&none, at(12_000), (24, 80), Style { color: false }).join("\n");
        assert_eq!(screen(&live), "web01  3/12 build: two \\x1b[2J  9.0s");
        live.fold(&said(Event::StepStarted { step: 12, item: None, name: "a handler".into() }));
        assert_eq!(screen(&live), "web01  a handler  9.0s");
    }

    #[test]
    fn a_transfer_has_a_bar_beside_its_step() {
        let mut live = Live::new(&record(intent(&["web01", "web02"]), &[]), Some(12));
        let name = "copy the new release over the old one";
        live.fold(&event_of(3000, Event::StepStarted { step: 2, item: None, name: name.into() }));
        live.fold(&event_of(4000, Event::Progress { step: 2, text: "detail".into() }));
        let far = HowFar { done: 45_000_000, total: Some(120_000_000), rate: 10_000_000 };
        let far = Transfers::from([("web01".to_string(), far)]);
        let screen =
            |columns| live.screen(&far, at(12_000), (24, columns), Style { color: false })[0].clone();
        expect![[r#"
            web01  3/12 copy the new relea…  [======>           ] 45.0 of 120.0 MB, 10.0 MB/s, 7.0s left  9.0s
            web01  3/12 copy the new releas…  45.0 of 120.0 MB, 10.0 MB/s, 7.0s left  9.0s
            web01  3/12 copy the ne…  45.0 of 120.0 MB  9.0s"#]]
        .assert_eq(&[100, 80, 50].map(screen).join("\n"));
    }

    fn event_of(milliseconds: i64, said: Event) -> RunEvent {
        event(milliseconds, "web01", HostEvent::Said(said))
    }

    #[test]
    fn many_hosts_are_counted_and_the_slowest_named() {
        let names: Vec<String> = (1..=40).map(|number| format!("web{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut events = unreachable("web07");
        events.extend(host("web08", &[], HostOutcome::Ok));
        events.extend(host("web09", &[], HostOutcome::Ok));
        events.push(starts("web10", "restart docker"));
        events.push(event(1000, "web11", HostEvent::Connecting { attempt: 2 }));
        events.push(RunEvent { at: at(1), what: RunEventKind::Interrupted });
        expect![[r#"
            3 of 40 hosts: 2 ok, 1 unreachable, 35 waiting, 2 at work
            web11  connecting, try 2  11s
            web10  restart docker  9.0s
            stopping after the step in hand; Ctrl-C again stops it at once"#]]
        .assert_eq(&screen(&names, &events, (24, 80)));
    }
}
