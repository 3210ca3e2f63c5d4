//! What commands print while they run, as lines that each begin with their host, and with their step where several run.

use super::escape;
use super::style::{Style, Tone, fitted, padded};
use crate::model::event::{Event, Printed};
use crate::model::run::HostEvent;
use std::collections::{HashMap, HashSet};

/// A step's name in front of a line is cut at this many columns.
const NAME_WIDTH: usize = 40;

/// The steps that are under way on each host, to name them where more than one can print.
#[derive(Debug, Default)]
pub struct UnderWay(HashMap<String, OnHost>);

#[derive(Debug, Default)]
struct OnHost {
    /// By their indices.
    names: HashMap<u32, String>,
    /// Those that run in the background.
    beside: HashSet<u32>,
}

impl UnderWay {
    /// Takes in what happened next on a host.
    pub fn fold(&mut self, host: &str, event: &HostEvent) {
        match event {
            HostEvent::Said(Event::StepStarted { step, name, .. }) => {
                self.of(host).names.insert(*step, name.clone());
            }
            HostEvent::Said(Event::StepBackground { step, .. }) => drop(self.of(host).beside.insert(*step)),
            HostEvent::Said(Event::StepEnded(ended)) if ended.item.is_none() => {
                let of = self.of(host);
                of.names.remove(&ended.step);
                of.beside.remove(&ended.step);
            }
            HostEvent::Ended { .. } => drop(self.0.remove(host)),
            _ => {}
        }
    }

    fn of(&mut self, host: &str) -> &mut OnHost {
        self.0.entry(host.to_string()).or_default()
    }

    /// The name of a step of a host where others may print beside it.
    pub fn name(&self, host: &str, step: u32) -> Option<&str> {
        let of = self.0.get(host).filter(|of| !of.beside.is_empty())?;
        of.names.get(&step).map(String::as_str)
    }
}

/// The lines of one piece, with the step's name where there is one. A line that is not over yet has a line of its own: lines
/// of hosts are never mixed.
pub fn lines(host: &str, width: usize, step: Option<&str>, printed: &Printed, style: Style) -> String {
    let name = step.map_or_else(String::new, |name| format!("{} ", fitted(&escape::line(name), NAME_WIDTH)));
    let margin = style.paint(Tone::Faint, &format!("{} {name}|", padded(&escape::line(host), width)));
    let left_out = (printed.left_out > 0).then(|| left_out(printed.left_out));
    let text = texts(&printed.chunk).into_iter().map(|text| escape::bytes(text).trim_end().to_string());
    let lines = left_out.into_iter().chain(text);
    lines
        .map(|line| if line.is_empty() { format!("{margin}\n") } else { format!("{margin} {line}\n") })
        .collect()
}

/// The last line that says something.
pub fn last_line(printed: &Printed) -> Option<String> {
    let mut lines = texts(&printed.chunk).into_iter().rev().map(escape::bytes);
    lines.find(|line| !line.trim().is_empty()).map(|line| line.trim().to_string())
}

/// What stands where bytes are missing.
pub fn left_out(bytes: u64) -> String {
    format!("… {bytes} bytes left out …")
}

/// The lines, and what a progress bar draws over itself, one after the other.
fn texts(chunk: &[u8]) -> Vec<&[u8]> {
    let chunk = chunk.strip_suffix(b"\n").unwrap_or(chunk);
    let of_line = |line| -> Vec<&[u8]> {
        let line: &[u8] = line;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let drawn = || line.split(|byte| *byte == b'\r').filter(|part| !part.is_empty());
        if line.contains(&b'\r') { drawn().collect() } else { vec![line] }
    };
    chunk.split(|byte| *byte == b'\n').flat_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{StepEnded, Stream};
    use crate::model::outcome::StepOutcome;

    fn printed(left_out: u64, text: &str) -> Printed {
        Printed { step: 0, stream: Stream::Stdout, left_out, chunk: text.as_bytes().to_vec() }
    }

    fn shown(printed: &Printed) -> String {
        lines("web01", 6, None, printed, Style { color: false })
    }

    #[test]
    fn each_line_begins_with_its_host_and_obeys_no_terminal() {
        assert_eq!(shown(&printed(0, "one\n\ntwo\n")), "web01  | one\nweb01  |\nweb01  | two\n");
        assert_eq!(shown(&printed(0, "half a line")), "web01  | half a line\n");
        assert_eq!(shown(&printed(0, "\x1b[2Jgone\x07\n")), "web01  | \\x1b[2Jgone\\x07\n");
        assert_eq!(shown(&printed(0, "10%\r50%\r\n")), "web01  | 10%\nweb01  | 50%\n");
    }

    #[test]
    fn lines_name_their_step_while_one_runs_in_the_background() {
        let mut under_way = UnderWay::default();
        let said = |event: Event| HostEvent::Said(event);
        let started = |step, name: &str| said(Event::StepStarted { step, item: None, name: name.into() });
        under_way.fold("web01", &started(0, "build"));
        assert_eq!(under_way.name("web01", 0), None, "nothing else can print");
        under_way.fold("web01", &said(Event::StepBackground { step: 0, name: "build".into() }));
        under_way.fold("web01", &started(1, "migrate"));
        under_way.fold("web02", &started(1, "migrate"));
        let name = |step| under_way.name("web01", step);
        assert_eq!((name(0), name(1), under_way.name("web02", 1)), (Some("build"), Some("migrate"), None));
        let line = lines("web01", 6, name(0), &printed(0, "one\n\n"), Style { color: false });
        assert_eq!(line, "web01  build | one\nweb01  build |\n");

        let ended = StepEnded::new(0, "build".into(), StepOutcome::Changed);
        under_way.fold("web01", &said(Event::StepEnded(ended)));
        assert_eq!(under_way.name("web01", 1), None);
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(shown(&printed(4096, "end\n")), "web01  | … 4096 bytes left out …\nweb01  | end\n");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(&printed(0, "one\ntwo\n\n  \n")).as_deref(), Some("two"));
        assert_eq!(last_line(&printed(0, "10%\r20%\r")).as_deref(), Some("20%"));
        assert_eq!(last_line(&printed(0, "\n")), None);
    }
}
