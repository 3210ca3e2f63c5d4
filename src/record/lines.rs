//! What commands print, taken apart into whole lines without secrets while it arrives in pieces of any size: a secret that
//! two pieces share is hidden like any other.

use super::clean::Clean;
use crate::model::event::{Event, Printed, Stream};
use crate::model::job::MOST_IN_BACKGROUND;
use crate::model::run::{HostEvent, RunEvent, RunEventKind, now};
use crate::redact::{Redactor, merged};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A line that is not over by then is shown as far as it has come.
const IDLE: Duration = Duration::from_secs(1);

/// A longer line is shown in parts, in bytes.
const LONG: usize = 16 * 1024;

/// Nothing is held back that is longer than this, in bytes.
const MOST: usize = 256 * 1024;

/// What is held back and longer than this, in bytes, is looked through again only when a quarter more has come.
const LOOKED_AGAIN: usize = 4 * 1024;

/// So much of a secret at the end of a line holds the line back however long nothing follows, in bytes. Less is in many lines.
const TELLING: usize = 4;

/// What hosts have printed and is not passed on yet, by host, step and output.
#[derive(Default)]
pub struct Lines {
    waiting: BTreeMap<Output, Waiting>,
    /// Steps that run in the background: what they print goes on while others begin and end.
    beside: BTreeSet<(String, u32)>,
}

/// An output: the host, the step where that runs in the background, and which of both.
type Output = (String, Option<u32>, Stream);

struct Waiting {
    step: u32,
    left_out: u64,
    bytes: Vec<u8>,
    since: Instant,
    /// How long it was when it was last looked through in vain.
    looked: usize,
}

impl Lines {
    /// Takes an event and returns what readers and the record may have by now, in order.
    pub fn take(&mut self, redactor: &Redactor, event: RunEvent) -> Vec<Clean<RunEvent>> {
        match event.what {
            RunEventKind::Host { host, event: HostEvent::Said(Event::Printed(printed)) } => {
                self.printed(redactor, host, printed, Instant::now())
            }
            RunEventKind::Host { ref host, event: ref of_host } => {
                let mut events = self.ended_by(redactor, host, of_host);
                events.push(redactor.event(event));
                events
            }
            _ => vec![redactor.event(event)],
        }
    }

    /// What is left of the outputs that have ended with an event of their host.
    fn ended_by(&mut self, redactor: &Redactor, host: &str, event: &HostEvent) -> Vec<Clean<RunEvent>> {
        match event {
            HostEvent::Said(Event::StepBackground { step, .. }) => {
                if self.beside.iter().filter(|(of, _)| of == host).count() < MOST_IN_BACKGROUND {
                    self.beside.insert((host.to_string(), *step));
                }
            }
            HostEvent::Said(Event::StepEnded(ended)) => {
                self.beside.remove(&(host.to_string(), ended.step));
            }
            HostEvent::Said(Event::StepStarted { .. }) => {}
            HostEvent::Ended { .. } => self.beside.retain(|(of, _)| of != host),
            _ => return Vec::new(),
        }
        self.rest(redactor, host)
    }

    /// What has waited for its line's end long enough.
    pub fn idle(&mut self, redactor: &Redactor, now: Instant) -> Vec<Clean<RunEvent>> {
        let mut events = Vec::new();
        for (of, waiting) in &mut self.waiting {
            if now.saturating_duration_since(waiting.since) >= IDLE && !waiting.bytes.is_empty() {
                let end = safe_end(redactor, &waiting.bytes, waiting.bytes.len(), TELLING);
                events.extend(waiting.release(redactor, of, end));
            }
        }
        events
    }

    fn printed(
        &mut self,
        redactor: &Redactor,
        host: String,
        printed: Printed,
        now: Instant,
    ) -> Vec<Clean<RunEvent>> {
        let Printed { step, stream, left_out, chunk } = printed;
        let mut events = Vec::new();
        let is_beside = self.beside.contains(&(host.clone(), step));
        let of = (host, is_beside.then_some(step), stream);
        if left_out > 0
            && let Some(waiting) = self.waiting.get_mut(&of)
        {
            events.extend(waiting.release_all(redactor, &of));
        }
        let waiting = self.waiting.entry(of.clone()).or_insert_with(|| Waiting::new(step, now));
        (waiting.step, waiting.since) = (step, now);
        waiting.left_out = waiting.left_out.saturating_add(left_out);
        waiting.bytes.extend_from_slice(&chunk);
        if waiting.is_looked_through() {
            return events;
        }
        let end = safe_end(redactor, &waiting.bytes, end_of_lines(&waiting.bytes), 1);
        let end = if end == 0 && waiting.bytes.len() > MOST { waiting.bytes.len() } else { end };
        events.extend(waiting.release(redactor, &of, end));
        events
    }

    /// All that is left of a host but for what runs in its background.
    fn rest(&mut self, redactor: &Redactor, host: &str) -> Vec<Clean<RunEvent>> {
        let beside = &self.beside;
        let first = (host.to_string(), None, Stream::Stdout);
        let last = (host.to_string(), Some(u32::MAX), Stream::Stderr);
        let of_host = self.waiting.range(first..=last).map(|(of, _)| of);
        let goes_on =
            |(host, step, _): &&Output| step.is_some_and(|step| beside.contains(&(host.clone(), step)));
        let ended: Vec<_> = of_host.filter(|of| !goes_on(of)).cloned().collect();
        let mut events = Vec::new();
        for of in ended {
            events.extend(self.waiting.remove(&of).and_then(|mut left| left.release_all(redactor, &of)));
        }
        events
    }
}

impl Waiting {
    fn new(step: u32, now: Instant) -> Self {
        Waiting { step, left_out: 0, bytes: Vec::new(), since: now, looked: 0 }
    }

    /// Whether too little has come since to look through all of it again: a host may send single bytes.
    fn is_looked_through(&self) -> bool {
        self.looked > LOOKED_AGAIN && self.bytes.len() < self.looked + self.looked / 4
    }

    fn release_all(&mut self, redactor: &Redactor, of: &Output) -> Option<Clean<RunEvent>> {
        self.release(redactor, of, self.bytes.len())
    }

    fn release(&mut self, redactor: &Redactor, of: &Output, end: usize) -> Option<Clean<RunEvent>> {
        self.looked = self.bytes.len() - end;
        if end == 0 {
            return None;
        }
        let chunk: Vec<u8> = self.bytes.drain(..end).collect();
        let left_out = std::mem::take(&mut self.left_out);
        let (host, _, stream) = of;
        let printed = Event::Printed(Printed { step: self.step, stream: *stream, left_out, chunk });
        let what = RunEventKind::Host { host: host.clone(), event: HostEvent::Said(printed) };
        Some(redactor.event(RunEvent { at: now(), what }))
    }
}

/// Where the last whole line ends; in a long line after its last word.
fn end_of_lines(bytes: &[u8]) -> usize {
    let after = |is: fn(&u8) -> bool| bytes.iter().rposition(is).map(|at| at + 1);
    let end = after(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
    match bytes.len() - end > LONG {
        true => after(u8::is_ascii_whitespace).filter(|at| *at > end).unwrap_or(bytes.len()),
        false => end,
    }
}

/// The last place up to `end` before which no secret stands that goes on behind it, or may go on in what is still to come.
/// `telling`: so much of one at the end of a line is taken for its beginning.
fn safe_end(redactor: &Redactor, bytes: &[u8], end: usize, telling: usize) -> usize {
    if end == 0 {
        return 0;
    }
    let mut open = redactor.matches(bytes);
    open.extend(redactor.beginnings(bytes, telling).into_iter().map(|start| (start, bytes.len() + 1)));
    let open = merged(open);
    let mut end = end;
    // They do not overlap, so that at most one of them goes over `end`.
    while let Some((start, stop)) = open[..open.partition_point(|(start, _)| *start < end)].last()
        && *stop > end
    {
        end = start_of_line(bytes, *start);
    }
    end
}

/// Where the line begins in which `at` is, unless it is long.
fn start_of_line(bytes: &[u8], at: usize) -> usize {
    let start = bytes[..at].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    if at - start > LONG { at } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(stream: Stream, text: &[u8]) -> Event {
        Event::Printed(Printed { step: 0, stream, left_out: 0, chunk: text.to_vec() })
    }

    fn chunks(events: &[Clean<RunEvent>]) -> Vec<String> {
        let chunk = |event: &Clean<RunEvent>| match &event.what {
            RunEventKind::Host { event: HostEvent::Said(Event::Printed(printed)), .. } => {
                Some(String::from_utf8_lossy(&printed.chunk).into_owned())
            }
            _ => None,
        };
        events.iter().filter_map(chunk).collect()
    }

    fn ended(host: &str) -> RunEvent {
        RunEvent::of_host(
            host,
            HostEvent::Ended { outcome: crate::model::outcome::HostOutcome::Ok, failure: None },
        )
    }

    /// What readers get of these pieces of one output, and of the end.
    fn shown(secret: &str, pieces: &[&[u8]]) -> Vec<String> {
        let (redactor, mut lines) = (Redactor::new([secret]), Lines::default());
        let mut shown = Vec::new();
        for piece in pieces {
            let event = RunEvent::of_host("web01", HostEvent::Said(printed(Stream::Stdout, piece)));
            shown.extend(chunks(&lines.take(&redactor, event)));
        }
        shown.extend(chunks(&lines.take(&redactor, ended("web01"))));
        shown
    }

    #[test]
    fn lines_are_whole() {
        assert_eq!(shown("unused-secret", &[b"on", b"e\ntw", b"o\nthree"]), ["one\n", "two\n", "three"]);
        let long = "word ".repeat(5000);
        let shown = shown("unused-secret", &[long.as_bytes(), b"end\n"]);
        assert_eq!(shown.concat(), format!("{long}end\n"));
    }

    #[test]
    fn a_secret_that_pieces_share_is_hidden() {
        for pieces in [
            &[&b"it is hunt"[..], b"er2!\n"][..],
            &[b"it is ", b"h", b"unter2!\n"],
            &[b"it is hunter", b"2!", b"\n"],
        ] {
            assert_eq!(shown("hunter2", pieces).concat(), "it is ***!\n");
        }
    }

    #[test]
    fn base64_that_pieces_share_is_hidden() {
        let secret = "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2";
        let encoded = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMi1o\ndW50ZXIyLWh1bnRlcjI=\n";
        for at in 1..encoded.len() {
            let (one, other) = encoded.as_bytes().split_at(at);
            let shown = shown(secret, &[one, other]).concat();
            assert!(!shown.contains("odW50") && !shown.contains("aHVu"), "cut at {at}: {shown}");
        }
    }

    #[test]
    fn a_line_that_goes_on_later_is_shown_as_far_as_it_has_come() {
        let (redactor, mut lines) = (Redactor::new(["hunter2"]), Lines::default());
        let say = |text: &[u8]| RunEvent::of_host("a", HostEvent::Said(printed(Stream::Stderr, text)));
        assert!(lines.take(&redactor, say(b"Continue? ")).is_empty());
        assert!(lines.idle(&redactor, Instant::now()).is_empty(), "not at once");
        let later = || Instant::now() + IDLE;
        assert_eq!(chunks(&lines.idle(&redactor, later())), ["Continue? "]);
        assert!(lines.take(&redactor, say(b"password: hunt")).is_empty());
        assert!(lines.idle(&redactor, later()).is_empty(), "what may become a secret waits for the rest");
        assert_eq!(chunks(&lines.take(&redactor, say(b"er2\n"))), ["password: ***\n"]);
    }

    #[test]
    fn single_bytes_and_secrets_that_overlap_themselves_take_no_time() {
        let began = Instant::now();
        let secret = "x1".repeat(4000);
        let mut pieces: Vec<&[u8]> = vec![&secret.as_bytes()[..7000]];
        pieces.extend(std::iter::repeat_n(&b"\n"[..], 10_000));
        shown(&secret, &pieces);
        let same = "a".repeat(200_000);
        shown("aaaaaaaa", &[same.as_bytes(); 3]);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_left_out_is_counted_without_end() {
        let (redactor, mut lines) = (Redactor::default(), Lines::default());
        for _ in 0..3 {
            let printed = Printed { step: 0, stream: Stream::Stdout, left_out: u64::MAX, chunk: Vec::new() };
            lines.take(&redactor, RunEvent::of_host("a", HostEvent::Said(Event::Printed(printed))));
        }
    }

    #[test]
    fn hosts_and_outputs_are_kept_apart() {
        let (redactor, mut lines) = (Redactor::default(), Lines::default());
        let mut shown = Vec::new();
        for (host, stream, text) in [
            ("a", Stream::Stdout, "on"),
            ("b", Stream::Stdout, "tw"),
            ("a", Stream::Stderr, "th"),
            ("b", Stream::Stdout, "o\n"),
            ("a", Stream::Stderr, "ree\n"),
            ("a", Stream::Stdout, "e\n"),
        ] {
            let event = RunEvent::of_host(host, HostEvent::Said(printed(stream, text.as_bytes())));
            shown.extend(chunks(&lines.take(&redactor, event)));
        }
        assert_eq!(shown, ["two\n", "three\n", "one\n"]);
    }

    #[test]
    fn a_secret_is_hidden_that_a_step_in_the_background_prints_while_others_begin_and_end() {
        let (redactor, mut lines) = (Redactor::new(["hunter2"]), Lines::default());
        let said = |event| RunEvent::of_host("a", HostEvent::Said(event));
        let of = |step, text: &[u8]| {
            let (stream, chunk) = (Stream::Stdout, text.to_vec());
            said(Event::Printed(Printed { step, stream, left_out: 0, chunk }))
        };
        let started = |step| Event::StepStarted { step, item: None, name: "n".into() };
        let mut shown = Vec::new();
        for event in [
            said(Event::StepBackground { step: 0, name: "n".into() }),
            of(0, b"it is hun"),
            said(started(1)),
            of(1, b"other "),
            of(0, b"ter"),
            of(1, b"line\n"),
            said(started(2)),
            of(0, b"2\n"),
        ] {
            shown.extend(chunks(&lines.take(&redactor, event)));
        }
        assert_eq!(shown, ["other line\n", "it is ***\n"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_secret_survives_any_cutting(
            before in "[a-z \n]{0,40}", secret in "[A-Z0-9]{4,20}", after in "[a-z \n]{0,40}", size in 1usize..20,
        ) {
            let text = format!("{before}{secret}{after}");
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(shown(&secret, &pieces).concat(), format!("{before}***{after}"));
        }
    }
}
