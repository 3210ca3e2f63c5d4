//! How much of what a host prints is taken while it runs, whatever the host sends.

use crate::model::event::{Event, Printed};
use crate::model::job::Streaming;
use std::time::Instant;

/// What one event costs beside its bytes: many small ones are work, too.
const EACH: u64 = 1024;

/// Of one host, when all of what it prints is wanted whole, in bytes.
const WHOLE: u64 = 16 << 30;

/// So much may come at once, and so much each second, in bytes.
#[derive(Debug)]
struct Measure {
    at_once: u64,
    each_second: u64,
}

impl Measure {
    /// What an agent keeps to by itself is far below these.
    fn of(streaming: Streaming) -> Self {
        let (at_once, each_second) = match streaming {
            Streaming::Nothing => (0, 0),
            Streaming::LastLines => (128 << 10, 32 << 10),
            Streaming::Live => (16 << 20, 2 << 20),
            Streaming::Whole => (WHOLE, 0),
        };
        Measure { at_once, each_second }
    }
}

/// Holds one host to what was asked for. What is over is left out, and the next piece says how much.
#[derive(Debug)]
pub struct Flood {
    measure: Measure,
    room: u64,
    at: Instant,
    left_out: [u64; 2],
}

impl Flood {
    /// From now on.
    pub fn new(streaming: Streaming, now: Instant) -> Self {
        let measure = Measure::of(streaming);
        Flood { room: measure.at_once, measure, at: now, left_out: [0, 0] }
    }

    /// The piece as it may be taken.
    pub fn admit(&mut self, printed: Printed, now: Instant) -> Option<Printed> {
        self.refill(now);
        let left_out = &mut self.left_out[printed.stream as usize];
        *left_out = left_out.saturating_add(printed.left_out);
        let cost = printed.chunk.len() as u64 + EACH;
        match self.room.checked_sub(cost) {
            None => {
                *left_out = left_out.saturating_add(printed.chunk.len() as u64);
                None
            }
            Some(room) => {
                self.room = room;
                Some(Printed { left_out: std::mem::take(left_out), ..printed })
            }
        }
    }

    /// The events, those of what is printed as they may be taken.
    pub fn admit_all(&mut self, events: Vec<Event>) -> Vec<Event> {
        let admit = |event| match event {
            Event::Printed(printed) => self.admit(printed, Instant::now()).map(Event::Printed),
            event => Some(event),
        };
        events.into_iter().filter_map(admit).collect()
    }

    fn refill(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.at).as_millis() as u64;
        self.at += std::time::Duration::from_millis(millis);
        let more = millis.saturating_mul(self.measure.each_second) / 1000;
        self.room = self.room.saturating_add(more).min(self.measure.at_once);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Stream;
    use std::time::Duration;

    fn piece(length: usize) -> Printed {
        Printed { step: 0, stream: Stream::Stdout, left_out: 0, chunk: vec![b'x'; length] }
    }

    /// How many of a thousand pieces that come at once are taken.
    fn taken(streaming: Streaming, length: usize) -> usize {
        let now = Instant::now();
        let mut flood = Flood::new(streaming, now);
        (0..1000).filter_map(|_| flood.admit(piece(length), now)).count()
    }

    #[test]
    fn a_host_is_held_to_what_was_asked_for() {
        assert_eq!(taken(Streaming::Nothing, 10), 0);
        assert_eq!(taken(Streaming::LastLines, 4096), 25);
        assert_eq!(taken(Streaming::Live, 64 << 10), 252);
        assert_eq!(taken(Streaming::Whole, 64 << 10), 1000);
    }

    #[test]
    fn the_next_piece_says_what_was_left_out() {
        let now = Instant::now();
        let mut flood = Flood::new(Streaming::LastLines, now);
        while flood.admit(piece(64 << 10), now).is_some() {}
        assert!(flood.admit(piece(7), now).is_some(), "there is room for a small one");
        assert_eq!(flood.admit(piece(128 << 10), now), None);
        let later = now + Duration::from_secs(60);
        assert_eq!(flood.admit(piece(1), later).map(|piece| piece.left_out), Some(128 << 10));
    }
}
