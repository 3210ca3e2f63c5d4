//! Brings a host's file to the controller.

use super::host_reader::HostReader;
use super::link::Link;
use crate::model::event::Event;
use crate::model::op::Op;
use crate::model::{Doing, Result};
use crate::system::System;
use std::io::Read;

/// A host's file travels to the controller in pieces of this size, in bytes.
const PIECE: usize = 256 * 1024;

/// Tells the bytes of the file that the op names, piece by piece.
pub fn fetch(host: &dyn System, link: &dyn Link, op: &Op) -> Result<()> {
    let Op::Fetch { path, to, size } = op else { return Ok(()) };
    let mut reader = HostReader::new(host, path);
    loop {
        let mut chunk = Vec::new();
        (&mut reader).take(PIECE as u64).read_to_end(&mut chunk).doing(format!("fetch {path}"))?;
        let last = chunk.len() < PIECE;
        link.send(Event::Fetched { to: to.clone(), size: *size, chunk, last });
        if last {
            return Ok(());
        }
    }
}
