//! Progress as lines that stay: where standard error is not a terminal, and, above the bars, what should not be missed.

use super::escape;
use super::live::Live;
use super::style::{Style, host_tone, host_word, time};
use super::{Options, Progress, Verbosity};
use crate::model::event::Event;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};

/// The line for this event, with its line break; empty when it is not shown.
pub fn line(live: &Live, event: &RunEvent, options: &Options) -> String {
    let (style, bars) = match options.progress {
        Progress::None => return String::new(),
        Progress::Lines(style) => (style, false),
        Progress::Bars(style) => (style, true),
    };
    let verbose = options.view.verbosity == Verbosity::Verbose;
    let told = match &event.what {
        RunEventKind::Note(note) => Some(format!("note: {}", escape::block(note))),
        RunEventKind::Interrupted if !bars => {
            Some("interrupted: stopping after the step in hand; Ctrl-C again stops it at once".to_string())
        }
        RunEventKind::Host { host, event } => {
            let always = retrying(event);
            let lines = || if bars { None } else { ended(live, host, event, style) };
            let more = || if verbose && !bars { working(event) } else { None };
            always.or_else(lines).or_else(more).map(|text| format!("{}  {text}", escape::line(host)))
        }
        RunEventKind::Started { .. } | RunEventKind::Interrupted | RunEventKind::Ended { .. } => None,
    };
    told.map_or_else(String::new, |line| line + "\n")
}

fn retrying(event: &HostEvent) -> Option<String> {
    match event {
        HostEvent::Retrying { failure, wait, .. } => {
            let why = format!("{}: {}", failure.doing, failure.why);
            Some(format!("{}; retrying in {}", escape::line(&why), time(*wait)))
        }
        HostEvent::Said(Event::Note(note)) => Some(format!("note: {}", escape::line(note))),
        HostEvent::Said(Event::Settled { run, outcome: Some(outcome), .. }) => {
            Some(format!("run {run} had ended there: {outcome}"))
        }
        HostEvent::Said(Event::Settled { run, outcome: None, .. }) => {
            Some(format!("of run {run} nothing had been started there"))
        }
        _ => None,
    }
}

fn ended(live: &Live, host: &str, event: &HostEvent, style: Style) -> Option<String> {
    let HostEvent::Ended { outcome, failure } = event else { return None };
    let word = style.paint(host_tone(*outcome), host_word(*outcome, live.check()));
    let why = failure.as_ref().map_or_else(String::new, |failure| {
        // The recap has all its lines.
        let why = failure.why.lines().next().unwrap_or_default();
        format!("  {}", escape::line(&format!("{}: {why}", failure.doing)))
    });
    let (ended, all) = live.ended();
    let took = live.took(host).map_or_else(String::new, |took| format!("  {}", time(took)));
    Some(format!("{word}{took}  ({ended} of {all}){why}"))
}

fn working(event: &HostEvent) -> Option<String> {
    match event {
        HostEvent::Connecting { attempt } => Some(format!("connecting, try {attempt}")),
        HostEvent::Connected => Some("logged in".to_string()),
        HostEvent::Uploading { bytes } => Some(format!("uploading the agent ({} kB)", bytes / 1000)),
        HostEvent::Said(Event::StepStarted { name, .. }) => Some(format!("starts {}", escape::line(name))),
        HostEvent::Said(Event::Progress { text, .. }) => Some(escape::line(text).into_owned()),
        _ => None,
    }
}
