//! Seals what a journal keeps for an undo and no one may read on the host's disk: commands that hold secrets, and the
//! secrets themselves. The controller keeps the key; a host has it while a job works there, or while a change is armed.

use super::entry::{Entry, Reversal};
use crate::model::job::{Envelope, Job, RunId};
use crate::model::op::Command;
use crate::model::{Doing, Failure, Result, hexadecimal};
use crate::redact::Redactor;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Bytes of a nonce: so many that random ones never meet.
const NONCE: usize = 24;

/// The key of one run's journal.
#[derive(Clone, Default)]
pub struct Seal(Option<[u8; 32]>);

/// A command that undoes a change, and the one that made it, as they are sealed.
#[derive(Serialize, Deserialize)]
struct Commands {
    reversal: Reversal,
    forward: Option<Command>,
}

impl Seal {
    /// The seal of this run's journal; with an empty key nothing is sealed.
    pub fn of(envelope: &Envelope, run: &RunId) -> Self {
        let key = &envelope.journal_key;
        let hash = || Sha256::digest(format!("windlass journal\0{key}\0{run}")).into();
        Seal((!key.is_empty()).then(hash))
    }

    /// The seal that [`Seal::text`] gave.
    pub fn read(text: &str) -> Self {
        Seal(hexadecimal::bytes_of(text.trim()).and_then(|bytes| bytes.try_into().ok()))
    }

    /// The seal for a process that has no job: what watches over an armed change.
    pub fn text(&self) -> Option<String> {
        self.0.as_ref().map(|key| hexadecimal::of(key))
    }

    /// The journal's entries with their commands.
    pub fn open_all(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        for entry in &mut entries {
            if let Entry::Intent { reversal, forward, .. } = entry
                && let Reversal::Sealed(text) = reversal
                && let Some(commands) = self.open::<Commands>(text)
            {
                (*reversal, *forward) = (commands.reversal, commands.forward);
            }
        }
        entries
    }

    /// The secrets of the run whose journal this is.
    pub fn secrets_in(&self, entries: &[Entry]) -> Vec<String> {
        let sealed = entries.iter().filter_map(|entry| match entry {
            Entry::Secrets(text) => self.open::<Vec<String>>(text),
            _ => None,
        });
        sealed.flatten().collect()
    }

    /// `None` without a key.
    fn close(&self, value: &impl Serialize) -> Result<Option<String>> {
        let doing = "seal a command of the journal";
        let Some(cipher) = self.cipher() else { return Ok(None) };
        let plain = serde_json::to_vec(value).doing(doing)?;
        let mut nonce = [0; NONCE];
        rustix::rand::getrandom(&mut nonce[..], rustix::rand::GetRandomFlags::empty()).doing(doing)?;
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), &plain[..]);
        let sealed = sealed.map_err(|_| Failure::new(doing, "it is too long"))?;
        Ok(Some(hexadecimal::of(&[&nonce[..], &sealed].concat())))
    }

    /// `None` when it was sealed with another key, or edited.
    fn open<T: DeserializeOwned>(&self, text: &str) -> Option<T> {
        let bytes = hexadecimal::bytes_of(text)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let plain = self.cipher()?.decrypt(XNonce::from_slice(nonce), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn cipher(&self) -> Option<XChaCha20Poly1305> {
        self.0.as_ref().map(|key| XChaCha20Poly1305::new(Key::from_slice(key)))
    }
}

/// Keeps a run's secrets out of its journal.
pub struct JournalSecrets {
    seal: Seal,
    texts: Vec<String>,
    redactor: Redactor,
    /// The steps of which nothing may be shown.
    no_log: BTreeSet<u32>,
}

impl JournalSecrets {
    /// Those of a job.
    pub fn of(job: &Job) -> Self {
        let no_log = job.work.all_steps().filter(|step| step.no_log).map(|step| step.index);
        JournalSecrets {
            seal: Seal::of(&job.envelope, &job.envelope.run),
            redactor: Redactor::new(&job.work.secrets),
            texts: job.work.secrets.clone(),
            no_log: no_log.collect(),
        }
    }

    /// Hides these too: those of the run that is undone.
    pub fn add(&mut self, texts: Vec<String>) {
        self.texts.extend(texts);
        self.redactor = Redactor::new(&self.texts);
    }

    /// Takes them out of what is shown.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// With what they are sealed.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The entry that keeps them for an undo, when there are any.
    pub fn entry(&self) -> Result<Option<Entry>> {
        match self.texts.is_empty() {
            true => Ok(None),
            false => Ok(self.seal.close(&self.texts)?.map(Entry::Secrets)),
        }
    }

    /// The entry as it is written.
    pub fn hide(&self, entry: &Entry) -> Result<Entry> {
        Ok(match entry {
            Entry::Step(ended) => Entry::Step(self.redactor.step(ended.clone())),
            Entry::Armed { change, step, name, agent, ports_before } => Entry::Armed {
                change: *change,
                step: *step,
                name: self.redactor.text(name),
                agent: *agent,
                ports_before: ports_before.clone(),
            },
            Entry::Intent { change, step, what, reversal, within, forward, leaves } => {
                let what = self.what(*step, what, reversal);
                let sealed = self.sealed(*step, reversal, forward.as_ref())?;
                let forward = if sealed.is_some() { None } else { forward.clone() };
                let reversal = sealed.unwrap_or_else(|| self.reason(reversal));
                Entry::Intent {
                    change: *change,
                    step: *step,
                    what,
                    reversal,
                    within: within.clone(),
                    forward,
                    leaves: leaves.as_ref().map(|leaves| self.redactor.text(leaves)),
                }
            }
            other => other.clone(),
        })
    }

    /// What a change is called: of a command of a step with `no_log` not even its words are shown.
    pub fn what(&self, step: u32, what: &str, reversal: &Reversal) -> String {
        let is_of_file =
            matches!(reversal, Reversal::Restore { .. } | Reversal::Exchange { .. } | Reversal::Meta { .. });
        match self.no_log.contains(&step) && !is_of_file {
            true => "run a command (the step has no_log)".to_string(),
            false => self.redactor.text(what),
        }
    }

    fn reason(&self, reversal: &Reversal) -> Reversal {
        match reversal {
            Reversal::Impossible { why } => Reversal::Impossible { why: self.redactor.text(why) },
            other => other.clone(),
        }
    }

    /// `None`: it holds no secret. A run that has any may have put it into any command, in a form that nothing recognises.
    fn sealed(&self, step: u32, reversal: &Reversal, forward: Option<&Command>) -> Result<Option<Reversal>> {
        if reversal.command().is_none() {
            return Ok(None);
        }
        let commands = Commands { reversal: reversal.clone(), forward: forward.cloned() };
        let is_private = !self.texts.is_empty() || self.no_log.contains(&step) || self.is_found(&commands)?;
        if !is_private {
            return Ok(None);
        }
        let why = "its command may hold a secret, and the run had no key to seal it with".to_string();
        let sealed = self.seal.close(&commands)?;
        Ok(Some(sealed.map_or(Reversal::Impossible { why }, Reversal::Sealed)))
    }

    /// Whether there is something that is hidden in every run: the password of a URL.
    fn is_found(&self, commands: &Commands) -> Result<bool> {
        let text = serde_json::to_string(commands).doing("encode a journal entry")?;
        let mut inputs = [commands.reversal.command(), commands.forward.as_ref()].into_iter().flatten();
        let hides = |bytes: &[u8]| self.redactor.bytes(bytes) != bytes;
        Ok(hides(text.as_bytes()) || inputs.any(|command| hides(&command.stdin)))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn seal(key: &str, run: &str) -> Seal {
        let envelope = Envelope { journal_key: key.to_string(), ..Envelope::default() };
        Seal::of(&envelope, &RunId::try_from(run.to_string()).unwrap())
    }

    #[test]
    fn what_is_sealed_opens_with_the_key_of_its_run_and_no_other() {
        let sealed = seal("k", "1-a").close(&vec!["hunter2"]).unwrap().unwrap();
        let open = |seal: Seal| seal.open::<Vec<String>>(&sealed);
        assert_eq!(open(seal("k", "1-a")), Some(vec!["hunter2".to_string()]));
        assert_eq!(open(Seal::read(&seal("k", "1-a").text().unwrap())), Some(vec!["hunter2".to_string()]));
        assert_eq!(
            [open(seal("k", "1-b")), open(seal("l", "1-a")), open(Seal::default())],
            [None, None, None]
        );
        let edited = sealed.replace(&sealed[60..62], if &sealed[60..62] == "00" { "11" } else { "00" });
        assert_eq!(seal("k", "1-a").open::<Vec<String>>(&edited), None);
        assert_ne!(
            seal("k", "1-a").close(&vec!["hunter2"]).unwrap().unwrap(),
            sealed,
            "a nonce is used once"
        );
    }

    #[test]
    fn nothing_that_stands_there_breaks_it() {
        for text in ["", "00", "zz", &"00".repeat(24), &"00".repeat(100)] {
            assert_eq!(seal("k", "1-a").open::<Vec<String>>(text), None);
            assert!(Seal::read(text).text().is_none());
        }
    }
}
