//! A host's file as a stream of bytes.

use crate::model::path::HostPath;
use crate::system::Probe;
use std::io::{self, Read};

/// Reads a host's file in pieces.
pub struct HostReader<'a> {
    host: &'a dyn Probe,
    path: HostPath,
    offset: u64,
}

impl<'a> HostReader<'a> {
    /// From the file's start.
    pub fn new(host: &'a dyn Probe, path: &HostPath) -> Self {
        HostReader { host, path: path.clone(), offset: 0 }
    }
}

impl Read for HostReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.host.read_at(&self.path, self.offset, buffer.len()).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}
