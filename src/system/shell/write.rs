//! A file on its way to the host, in pieces that each wait for the one before.

use super::location::{Location, is_linked};
use super::wire::Request;
use super::{Shell, done, octal};
use crate::model::op::Meta;
use crate::model::{Failure, Result};
use crate::system::System;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A piece has this size, in bytes; a smaller file needs a single round trip.
const PIECE: u64 = 1024 * 1024;

impl Shell {
    /// Sends `content` to a temporary beside `place`, which the last piece's request puts in its place.
    pub(super) fn send_file(
        &self,
        place: &Location,
        meta: &Meta,
        content: &mut dyn Read,
        doing: &str,
    ) -> Result<()> {
        let temporary = place.temporary();
        let (mut sent, mut verb) = (0, "write");
        let mut piece = next_piece(content);
        loop {
            let bytes = piece.map_err(|error| self.give_up(place, &temporary, doing, &error))?;
            let which = if sent == 0 { "first" } else { "more" };
            sent += bytes.len() as u64;
            piece = next_piece(content);
            let is_last = piece.as_ref().is_ok_and(Vec::is_empty);
            let request = |verb| {
                request(verb, place, &temporary, meta)
                    .word(which)
                    .word(if is_last { "last" } else { "more" })
                    .number(sent)
                    .number(bytes.len())
            };
            let mut reply = self.ask_script(&request(verb), &bytes, doing)?;
            if is_linked(&reply) {
                self.refuse_hard_link(&place.path(), doing)?;
                verb = "write_linked";
                reply = self.ask_script(&request(verb), &bytes, doing)?;
            }
            done(&reply, doing)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// The temporary of a file whose rest cannot be had is removed; why it cannot be had is the failure.
    fn give_up(&self, place: &Location, temporary: &[u8], doing: &str, error: &io::Error) -> Failure {
        let path = place.folder.join(OsString::from_vec(temporary.to_vec()));
        let _removed_or_lost = self.remove(&path);
        Failure::new(doing, format!("its new content cannot be read: {error}"))
    }
}

fn request(verb: &str, place: &Location, temporary: &[u8], meta: &Meta) -> Request {
    Request::new(verb)
        .word(place.folder.as_os_str().as_bytes())
        .word(temporary)
        .word(&place.name)
        .word(meta.mode.map(octal).unwrap_or_default())
        .optional(meta.owner)
        .optional(meta.group)
}

/// Empty at the end.
fn next_piece(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    content.take(PIECE).read_to_end(&mut piece)?;
    Ok(piece)
}
