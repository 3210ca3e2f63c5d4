//! How what a command prints is sent while it runs: gathered for a moment, so that it costs few frames, and bounded, so
//! that a command that prints without end costs no more than the connection can carry.

use crate::model::bounds::PRINTED;
use crate::model::event::{Event, Printed, Stream};
use crate::model::job::{OutputWanted, Streaming};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is printed within this time is sent at once.
const GATHER: Duration = Duration::from_millis(100);

/// The last lines of a command are sent once it has run for so long, and then no more often than once in `LAST_LINES_EVERY`.
const LAST_LINES_AFTER: Duration = Duration::from_secs(5);
const LAST_LINES_EVERY: Duration = Duration::from_secs(1);

/// So much of its last lines is sent, in bytes: enough that a secret over several lines is seen whole, and hidden.
const LAST_LINES: usize = 4 * 1024;

/// Gathers what a command prints. It is never asked the time, so that tests can say what it is.
#[derive(Debug)]
pub struct Pace {
    step: u32,
    streaming: Streaming,
    waiting: [Waiting; 2],
    next: Instant,
}

/// What one output has printed and is not sent yet.
#[derive(Debug, Default)]
struct Waiting {
    bytes: VecDeque<u8>,
    most: usize,
    left_out: u64,
}

impl Pace {
    /// For a command of this step that starts now.
    pub fn new(step: u32, wanted: OutputWanted, now: Instant) -> Self {
        let (most, after) = match wanted.streaming {
            Streaming::Nothing => (0, LAST_LINES_AFTER),
            Streaming::LastLines => (LAST_LINES, LAST_LINES_AFTER),
            Streaming::Live => (wanted.limit.clamp(PRINTED as u64, OutputWanted::MOST) as usize, GATHER),
            // Nothing is ever left out: it is sent when there is a piece of it.
            Streaming::Whole => (usize::MAX, GATHER),
        };
        let waiting = || Waiting { most, ..Waiting::default() };
        Pace { step, streaming: wanted.streaming, waiting: [waiting(), waiting()], next: now + after }
    }

    /// Takes what was printed; what is to be sent at once.
    pub fn hear(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Event> {
        if self.streaming == Streaming::Nothing {
            return Vec::new();
        }
        self.waiting[stream as usize].push(bytes);
        match self.streaming {
            Streaming::Whole => self.pieces(stream, PRINTED),
            _ => Vec::new(),
        }
    }

    /// What is to be sent now.
    pub fn due(&mut self, now: Instant) -> Vec<Event> {
        if self.streaming == Streaming::Nothing
            || now < self.next
            || self.waiting.iter().all(Waiting::is_empty)
        {
            return Vec::new();
        }
        let pause = if self.streaming == Streaming::LastLines { LAST_LINES_EVERY } else { GATHER };
        self.next = now + pause;
        let piece = |stream: Stream| self.waiting[stream as usize].piece(self.step, stream, self.streaming);
        Stream::BOTH.into_iter().filter_map(piece).collect()
    }

    /// What is left once the command has ended. Its last lines are in what it ended with.
    pub fn rest(&mut self) -> Vec<Event> {
        match self.streaming {
            Streaming::Nothing | Streaming::LastLines => Vec::new(),
            _ => Stream::BOTH.into_iter().flat_map(|stream| self.pieces(stream, 1)).collect(),
        }
    }

    /// Pieces of one output, as long as at least so much of it waits.
    fn pieces(&mut self, stream: Stream, least: usize) -> Vec<Event> {
        let mut pieces = Vec::new();
        while self.waiting[stream as usize].bytes.len() >= least {
            pieces.extend(self.waiting[stream as usize].piece(self.step, stream, self.streaming));
        }
        pieces
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The oldest bytes make room for new ones.
    fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.most)..];
        let over = (self.bytes.len() + kept.len()).saturating_sub(self.most);
        self.bytes.drain(..over);
        self.bytes.extend(kept);
        self.left_out += (over + bytes.len() - kept.len()) as u64;
    }

    fn piece(&mut self, step: u32, stream: Stream, streaming: Streaming) -> Option<Event> {
        let whole_lines =
            || self.bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        let length = match streaming {
            Streaming::LastLines => whole_lines(),
            _ => self.bytes.len().min(PRINTED),
        };
        if length == 0 {
            return None;
        }
        let chunk = self.bytes.drain(..length).collect();
        let left_out = std::mem::take(&mut self.left_out);
        Some(Event::Printed(Printed { step, stream, left_out, chunk }))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn pace(streaming: Streaming, limit: u64, now: Instant) -> Pace {
        Pace::new(3, OutputWanted { limit, streaming }, now)
    }

    fn said(events: Vec<Event>) -> Vec<(Stream, u64, String)> {
        let said = events.into_iter().map(|event| match event {
            Event::Printed(printed) => {
                (printed.stream, printed.left_out, String::from_utf8(printed.chunk).unwrap())
            }
            other => panic!("{other:?}"),
        });
        said.collect()
    }

    #[test]
    fn what_is_printed_within_a_moment_is_one_piece() {
        let start = Instant::now();
        let mut pace = pace(Streaming::Live, 1 << 20, start);
        for line in ["one\n", "two\n"] {
            assert_eq!(pace.hear(Stream::Stdout, line.as_bytes()), []);
        }
        assert!(pace.hear(Stream::Stderr, b"oops").is_empty() && pace.due(start + GATHER / 2).is_empty());
        let sent = said(pace.due(start + GATHER));
        assert_eq!(sent, [(Stream::Stdout, 0, "one\ntwo\n".into()), (Stream::Stderr, 0, "oops".into())]);
        pace.hear(Stream::Stdout, b"three");
        assert!(pace.due(start + GATHER).is_empty(), "not so soon again");
        assert_eq!(said(pace.rest()), [(Stream::Stdout, 0, "three".into())]);
    }

    #[test]
    fn a_flood_is_bounded_and_its_end_arrives() {
        let start = Instant::now();
        let mut pace = pace(Streaming::Live, 1 << 20, start);
        (0..100).for_each(|_| drop(pace.hear(Stream::Stdout, &[b'x'; PRINTED])));
        pace.hear(Stream::Stdout, b"the end\n");
        let first = said(pace.due(start + GATHER));
        assert_eq!((first.len(), first[0].2.len()), (1, PRINTED));
        assert_eq!(first[0].1, (100 * PRINTED + 8 - (1 << 20)) as u64);
        let rest = said(pace.rest());
        assert_eq!(rest.iter().map(|(.., text)| text.len()).sum::<usize>(), (1 << 20) - PRINTED);
        assert!(rest.last().unwrap().2.ends_with("the end\n"));
    }

    #[test]
    fn whole_output_is_sent_to_the_last_byte() {
        let start = Instant::now();
        let mut pace = pace(Streaming::Whole, 1, start);
        let mut sent = Vec::new();
        for _ in 0..100 {
            sent.extend(pace.hear(Stream::Stdout, &[b'x'; 50_000]));
        }
        sent.extend(pace.rest());
        let sent = said(sent);
        assert!(sent.iter().all(|(_, left_out, text)| *left_out == 0 && text.len() <= PRINTED));
        assert_eq!(sent.iter().map(|(.., text)| text.len()).sum::<usize>(), 5_000_000);
    }

    #[test]
    fn of_what_takes_its_time_the_last_whole_lines_are_sent_now_and_then() {
        let start = Instant::now();
        let mut pace = pace(Streaming::LastLines, 1 << 20, start);
        pace.hear(Stream::Stdout, "a line\n".repeat(10_000).as_bytes());
        pace.hear(Stream::Stdout, b"half a li");
        assert!(pace.due(start + Duration::from_secs(4)).is_empty());
        let sent = said(pace.due(start + Duration::from_secs(5)));
        assert!(sent[0].2.ends_with("a line\n") && sent[0].2.len() <= LAST_LINES && sent[0].1 > 60_000);
        pace.hear(Stream::Stdout, b"ne\n");
        assert!(pace.due(start + Duration::from_millis(5_500)).is_empty());
        assert_eq!(
            said(pace.due(start + Duration::from_secs(6))),
            [(Stream::Stdout, 0, "half a line\n".into())]
        );
        pace.hear(Stream::Stdout, b"more\n");
        assert!(pace.rest().is_empty());
    }

    #[test]
    fn nothing_is_gathered_that_nobody_wants() {
        let start = Instant::now();
        let mut pace = pace(Streaming::Nothing, 1 << 20, start);
        pace.hear(Stream::Stdout, b"text\n");
        assert!(pace.due(start + Duration::from_secs(60)).is_empty() && pace.rest().is_empty());
    }
}
