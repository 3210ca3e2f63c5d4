//! Writes an object: a small one at once, a large one in pieces of which few are on their way, so that a slow server holds
//! the writer back.

use super::marker::Marker;
use super::runtime::{spawn, wait};
use super::{Remote, client};
use crate::store::backend::Sink;
use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// The sizes of pieces, in bytes, each up to a number of them.
pub type Pieces = &'static [(usize, usize)];

/// S3 takes 10,000 pieces of an object, of at least 5 MiB: all of them together are 872 GiB here, and a small object needs
/// little memory.
pub const PIECES: Pieces = &[(1_000, 8 << 20), (4_000, 32 << 20), (10_000, 128 << 20)];

/// How many pieces are on their way at once.
const AT_ONCE: usize = 2;

/// An object on its way to the server.
pub struct Upload {
    remote: Arc<dyn Remote>,
    path: Path,
    name: String,
    marker: Arc<Marker>,
    written: Arc<Mutex<BTreeMap<String, u64>>>,
    buffer: Vec<u8>,
    bytes: u64,
    sizes: Pieces,
    /// The server's name of the upload, once there is more than one piece.
    upload: Option<String>,
    on_the_way: Vec<JoinHandle<object_store::Result<PartId>>>,
    done: Vec<PartId>,
}

impl Upload {
    /// Begins the object at `path`, which is called `name`; what was written is noted in `written`.
    pub fn new(
        remote: Arc<dyn Remote>,
        path: Path,
        name: &str,
        marker: Arc<Marker>,
        written: Arc<Mutex<BTreeMap<String, u64>>>,
        sizes: Pieces,
    ) -> Upload {
        Upload {
            remote,
            path,
            name: name.to_string(),
            marker,
            written,
            buffer: Vec::new(),
            bytes: 0,
            sizes,
            upload: None,
            on_the_way: Vec::new(),
            done: Vec::new(),
        }
    }

    fn pieces(&self) -> usize {
        self.done.len() + self.on_the_way.len()
    }

    fn piece_size(&self) -> io::Result<usize> {
        let fits = self.sizes.iter().find(|(up_to, _)| self.pieces() < *up_to);
        fits.map(|(_, size)| *size).ok_or_else(|| io::Error::other("it is larger than S3 can hold: 872 GiB"))
    }

    fn send_piece(&mut self) -> io::Result<()> {
        let id = self.begun()?;
        if self.on_the_way.len() >= AT_ONCE {
            self.wait_for_one()?;
        }
        let (number, bytes) = (self.pieces(), Bytes::from(std::mem::take(&mut self.buffer)));
        self.on_the_way.push(spawn(self.remote.clone().put_piece(self.path.clone(), id, number, bytes)));
        Ok(())
    }

    fn begun(&mut self) -> io::Result<String> {
        if let Some(id) = &self.upload {
            return Ok(id.clone());
        }
        let id = wait(self.remote.clone().begin_upload(self.path.clone())).map_err(client::io)?;
        self.upload = Some(id.clone());
        self.marker.add(&self.path, &id).map_err(client::io)?;
        Ok(id)
    }

    fn wait_for_one(&mut self) -> io::Result<()> {
        let oldest = self.on_the_way.remove(0);
        let sent = wait(oldest).map_err(io::Error::other)?;
        self.done.push(sent.map_err(client::io)?);
        Ok(())
    }

    fn put_whole(&mut self) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        wait(self.remote.clone().put(self.path.clone(), bytes)).map_err(client::io)
    }

    fn complete(&mut self, id: String) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.send_piece()?;
        }
        while !self.on_the_way.is_empty() {
            self.wait_for_one()?;
        }
        let pieces = std::mem::take(&mut self.done);
        let complete = self.remote.clone().complete_upload(self.path.clone(), id.clone(), pieces);
        wait(complete).map_err(client::io)?;
        self.upload = None;
        self.marker.remove(&id);
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.piece_size()?;
        if self.buffer.len() >= size {
            self.send_piece()?;
        }
        let n = bytes.len().min(size.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Upload {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        match self.upload.clone() {
            None => self.put_whole()?,
            Some(id) => self.complete(id)?,
        }
        let mut written = self.written.lock().map_err(|_| io::Error::other("a thread of it died"))?;
        written.insert(self.name.clone(), self.bytes);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.upload.take() else { return };
        self.on_the_way.iter().for_each(JoinHandle::abort);
        // In the background: the marker names it too.
        spawn(self.remote.clone().abort_upload(self.path.clone(), id));
    }
}
