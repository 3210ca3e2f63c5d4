//! Assets as they arrive from the controller: asked for all at once, sent one right behind the other, used in that order.

use crate::model::digest::{Checked, Digest};
use crate::model::event::Event;
use crate::model::op::Asset;
use crate::model::{Doing, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What is needed more than once is kept in memory up to so many bytes together; beyond, it is sent again.
const KEPT: u64 = 16 * 1024 * 1024;

/// The controller may be so long silent while it reads a file: a store elsewhere has bad moments.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// A piece of an asset, or why there will be none.
pub struct Piece {
    /// The request that it answers.
    pub request: u32,
    /// Of which asset.
    pub digest: Digest,
    /// The bytes, or why they cannot be had.
    pub bytes: Result<Vec<u8>, String>,
    /// Whether it is the asset's last.
    pub last: bool,
}

/// The request whose answer is waited for; what answers an older one is not wanted any more.
#[derive(Clone, Default)]
pub struct Wanted(Arc<AtomicU32>);

/// The assets that were asked for.
pub struct Incoming {
    pieces: Receiver<Piece>,
    wanted: Wanted,
    asked: RefCell<Asked>,
}

/// What is still to come of a request.
#[derive(Default)]
struct Asked {
    /// In the order in which they arrive.
    coming: VecDeque<Digest>,
    /// How many times more each is needed that is kept in memory.
    again: BTreeMap<Digest, usize>,
    kept: BTreeMap<Digest, Vec<u8>>,
}

/// Tells the controller something.
type Tell<'a> = &'a dyn Fn(Event);

impl Wanted {
    /// Whether this is the request.
    pub fn is(&self, request: u32) -> bool {
        self.0.load(Ordering::SeqCst) == request
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Incoming {
    /// Nothing was asked for yet.
    pub fn new(pieces: Receiver<Piece>, wanted: Wanted) -> Self {
        Incoming { pieces, wanted, asked: RefCell::default() }
    }

    /// Asks for assets in the order in which they will be opened, and gives up those that are still to come.
    pub fn expect(&self, assets: Vec<Asset>, tell: Tell) {
        let asked = Asked::of(&assets);
        if !asked.coming.is_empty() || !self.wanted.is(0) {
            let digests = asked.coming.iter().cloned().collect();
            let request = self.wanted.next();
            // What was under way makes room, so that the reader of the channel is not held up by it.
            while self.pieces.try_recv().is_ok() {}
            tell(Event::Need { request, digests });
        }
        self.asked.replace(asked);
    }

    /// The bytes of an asset. One that was not announced, or not in this order, is asked for now.
    pub fn open<'a>(&'a self, asset: &Asset, tell: Tell) -> Result<Box<dyn Read + 'a>> {
        if let Some(bytes) = self.asked.borrow_mut().take_kept(&asset.digest) {
            return Ok(Box::new(Cursor::new(bytes)));
        }
        if self.asked.borrow().coming.front() != Some(&asset.digest) {
            self.expect(vec![asset.clone()], tell);
        }
        self.asked.borrow_mut().coming.pop_front();
        let pieces =
            Pieces { incoming: self, digest: asset.digest.clone(), waiting: Cursor::default(), ended: false };
        let mut checked = Checked::new(pieces, &asset.digest);
        if !self.asked.borrow().again.contains_key(&asset.digest) {
            return Ok(Box::new(checked));
        }
        let mut bytes = Vec::new();
        checked.read_to_end(&mut bytes).doing(format!("receive {}", asset.digest))?;
        self.asked.borrow_mut().kept.insert(asset.digest.clone(), bytes.clone());
        Ok(Box::new(Cursor::new(bytes)))
    }
}

impl Asked {
    fn of(assets: &[Asset]) -> Self {
        let mut times: BTreeMap<&Digest, usize> = BTreeMap::new();
        assets.iter().for_each(|asset| *times.entry(&asset.digest).or_default() += 1);
        let (mut asked, mut room) = (Asked::default(), KEPT);
        for asset in assets {
            if asked.again.contains_key(&asset.digest) {
                continue;
            }
            asked.coming.push_back(asset.digest.clone());
            let more = times[&asset.digest] - 1;
            if more > 0 && asset.size <= room {
                room -= asset.size;
                asked.again.insert(asset.digest.clone(), more);
            }
        }
        asked
    }

    /// What was kept, given away for good with its last use.
    fn take_kept(&mut self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = self.kept.get(digest)?.clone();
        let left = self.again.get_mut(digest)?;
        *left -= 1;
        if *left == 0 {
            self.kept.remove(digest);
            self.again.remove(digest);
        }
        Some(bytes)
    }
}

/// Reads an asset as its pieces arrive.
struct Pieces<'a> {
    incoming: &'a Incoming,
    digest: Digest,
    waiting: Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.waiting.read(buffer)?;
            if n > 0 || self.ended {
                return Ok(n);
            }
            let piece = self.next()?;
            self.ended = piece.last;
            self.waiting = Cursor::new(piece.bytes.map_err(io::Error::other)?);
        }
    }
}

impl Pieces<'_> {
    /// The next piece of this asset. What is left of others, whose readers gave up, is skipped.
    fn next(&self) -> io::Result<Piece> {
        loop {
            let piece = self.incoming.pieces.recv_timeout(PATIENCE).map_err(|error| match error {
                RecvTimeoutError::Disconnected => {
                    io::Error::other("the controller went away while it sent the file")
                }
                RecvTimeoutError::Timeout => {
                    io::Error::other(format!("the controller sent nothing for {} s", PATIENCE.as_secs()))
                }
            })?;
            if self.incoming.wanted.is(piece.request) && piece.digest == self.digest {
                return Ok(piece);
            }
        }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use std::sync::mpsc::{SyncSender, sync_channel};

    fn asset(text: &str) -> Asset {
        Asset { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
    }

    fn send(sender: &SyncSender<Piece>, request: u32, text: &str) {
        let digest = Digest::of(text.as_bytes());
        for (bytes, last) in [(&text[..1], false), (&text[1..], true)] {
            let bytes = Ok(bytes.as_bytes().to_vec());
            sender.send(Piece { request, digest: digest.clone(), bytes, last }).unwrap();
        }
    }

    fn read(incoming: &Incoming, text: &str, tell: Tell) -> String {
        let mut read = String::new();
        incoming.open(&asset(text), tell).unwrap().read_to_string(&mut read).unwrap();
        read
    }

    /// What was asked for, a list for each request.
    fn needs(told: &RefCell<Vec<Event>>) -> Vec<usize> {
        let need = |event: &Event| match event {
            Event::Need { digests, .. } => digests.len(),
            other => panic!("{other:?}"),
        };
        told.borrow().iter().map(need).collect()
    }

    #[test]
    fn all_are_asked_for_at_once_and_what_is_needed_twice_travels_once() {
        let (sender, pieces) = sync_channel(16);
        let (incoming, told) = (Incoming::new(pieces, Wanted::default()), RefCell::default());
        let tell = |event| RefCell::<Vec<Event>>::borrow_mut(&told).push(event);
        incoming.expect(["one", "two", "one", "one"].map(asset).to_vec(), &tell);
        send(&sender, 1, "one");
        send(&sender, 1, "two");
        for text in ["one", "two", "one", "one"] {
            assert_eq!(read(&incoming, text, &tell), text);
        }
        assert!(incoming.asked.borrow().kept.is_empty());
        assert_eq!(needs(&told), [2]);
    }

    #[test]
    fn what_was_given_up_is_skipped() {
        let (sender, pieces) = sync_channel(16);
        let (incoming, told) = (Incoming::new(pieces, Wanted::default()), RefCell::default());
        let tell = |event| RefCell::<Vec<Event>>::borrow_mut(&told).push(event);
        incoming.expect(["one", "two"].map(asset).to_vec(), &tell);
        send(&sender, 1, "one");
        drop(incoming.open(&asset("one"), &tell).unwrap());
        send(&sender, 1, "two");
        assert_eq!(read(&incoming, "two", &tell), "two");
        send(&sender, 1, "one");
        incoming.expect(vec![asset("ten")], &tell);
        send(&sender, 1, "two");
        send(&sender, 2, "ten");
        assert_eq!(read(&incoming, "ten", &tell), "ten");
        incoming.expect(Vec::new(), &tell);
        assert_eq!(needs(&told), [2, 1, 0]);
    }

    #[test]
    fn an_asset_that_cannot_be_had_says_why() {
        let (sender, pieces) = sync_channel(16);
        let incoming = Incoming::new(pieces, Wanted::default());
        let bytes = Err("it is gone".to_string());
        sender.send(Piece { request: 1, digest: asset("one").digest, bytes, last: true }).unwrap();
        // The request comes first in life; here the answer waits already, so nothing is drained.
        incoming.asked.borrow_mut().coming.push_back(asset("one").digest);
        incoming.wanted.next();
        let read = incoming.open(&asset("one"), &|_| {}).unwrap().read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().to_string(), "it is gone");
    }
}
