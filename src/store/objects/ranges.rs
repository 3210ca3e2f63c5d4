//! Reads an object piece by piece, so that each request has a deadline of its own however large the object is.

use super::Remote;
use super::client;
use super::runtime::wait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange};
use std::io::{self, Read};
use std::sync::Arc;

/// The size of a piece, in bytes.
const PIECE: u64 = 16 << 20;

/// An object that is read from its beginning to its end.
pub struct Ranges {
    remote: Arc<dyn Remote>,
    path: Path,
    at: u64,
    /// Known after the first piece: the size of the whole, and what names this version of it.
    whole: Option<(u64, Option<String>)>,
    piece: Bytes,
}

impl Ranges {
    /// Reads the object at `path`.
    pub fn new(remote: Arc<dyn Remote>, path: Path) -> Ranges {
        Ranges { remote, path, at: 0, whole: None, piece: Bytes::new() }
    }

    fn next_piece(&mut self) -> Result<(), object_store::Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.at..self.at + PIECE)),
            // Pieces of two versions must not be put together.
            if_match: self.whole.as_ref().and_then(|(_, tag)| tag.clone()),
            ..GetOptions::default()
        };
        let (meta, piece) = wait(self.remote.clone().get(self.path.clone(), options))?;
        self.at += piece.len() as u64;
        self.whole = Some((meta.size, meta.e_tag));
        self.piece = piece;
        Ok(())
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_over = self.whole.as_ref().is_some_and(|(size, _)| self.at >= *size);
        if self.piece.is_empty() && !is_over && !buffer.is_empty() {
            self.next_piece().map_err(client::io)?;
        }
        let n = self.piece.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}
