//! `RevokedHostKeys`: a list of public keys, or a key revocation list as `ssh-keygen -k` writes it (PROTOCOL.krl of
//! OpenSSH). What cannot be read is an error, since a lost revocation would trust a key that is known to be stolen.

use crate::model::failure::{Doing, Failure, Result};
use crate::trust;
use russh::keys::ssh_encoding::Encode;
use russh::keys::{Certificate, PublicKey, PublicKeyOrCertificate};
use std::collections::HashSet;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

const MAGIC: &[u8] = b"SSHKRL\n\0";
/// The only format there is so far.
const FORMAT: u32 = 1;
const CERTIFICATES: u8 = 1;
const EXPLICIT_KEYS: u8 = 2;
const SHA1_FINGERPRINTS: u8 = 3;
const SIGNATURE: u8 = 4;
const SHA256_FINGERPRINTS: u8 = 5;
const EXTENSION: u8 = 255;
const SERIAL_LIST: u8 = 0x20;
const SERIAL_RANGE: u8 = 0x21;
const SERIAL_BITMAP: u8 = 0x22;
const KEY_IDS: u8 = 0x23;
const CERTIFICATE_EXTENSION: u8 = 0x39;

/// Keys and certificates that are never trusted.
#[derive(Debug, Default)]
pub struct Revoked {
    keys: HashSet<Vec<u8>>,
    sha1: HashSet<Vec<u8>>,
    sha256: HashSet<Vec<u8>>,
    certificates: Vec<OfAuthority>,
}

/// The revoked certificates of one authority; of all when it is empty.
#[derive(Debug, Default)]
struct OfAuthority {
    authority: Vec<u8>,
    serials: Vec<RangeInclusive<u64>>,
    key_ids: HashSet<Vec<u8>>,
}

impl Revoked {
    /// Reads the file. One that is missing or cannot be read is an error, as in ssh.
    pub fn read(path: &Path) -> Result<Revoked> {
        let doing = format!("read the revoked host keys in {}", path.display());
        let mut bytes = Vec::new();
        trust::open(path, None, &doing)?.read_to_end(&mut bytes).doing(&doing)?;
        Revoked::parse(&bytes).map_err(|why| Failure::new(doing, why))
    }

    /// What such a file holds.
    pub fn parse(bytes: &[u8]) -> Result<Revoked, String> {
        if bytes.starts_with(MAGIC) { list(bytes) } else { lines(&String::from_utf8_lossy(bytes)) }
    }

    /// Whether a host may not be trusted that shows this.
    pub fn has(&self, shown: &PublicKeyOrCertificate) -> bool {
        let key = blob(&shown.public_key());
        self.has_key(&key)
            || shown.certificate().is_some_and(|certificate| {
                let authority = blob(&PublicKey::new(certificate.signature_key().clone(), ""));
                self.has_key(&authority) || self.certificates.iter().any(|of| of.has(&authority, certificate))
            })
    }

    fn has_key(&self, blob: &[u8]) -> bool {
        use sha1::Digest;
        self.keys.contains(blob)
            || (!self.sha1.is_empty() && self.sha1.contains(sha1::Sha1::digest(blob).as_slice()))
            || (!self.sha256.is_empty() && self.sha256.contains(sha2::Sha256::digest(blob).as_slice()))
    }
}

impl OfAuthority {
    fn has(&self, authority: &[u8], certificate: &Certificate) -> bool {
        let serial = certificate.serial();
        (self.authority.is_empty() || self.authority == authority)
            && (self.key_ids.contains(certificate.key_id().as_bytes())
                || (serial != 0 && self.serials.iter().any(|range| range.contains(&serial))))
    }
}

fn blob(key: &PublicKey) -> Vec<u8> {
    let mut blob = Vec::new();
    // Writing to memory does not fail; an empty blob would be in no list.
    let _written = key.key_data().encode(&mut blob);
    blob
}

/// One public key a line.
fn lines(text: &str) -> Result<Revoked, String> {
    let mut revoked = Revoked::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key =
            PublicKey::from_openssh(line).map_err(|why| format!("line {} is not a key: {why}", index + 1))?;
        revoked.keys.insert(blob(&key));
    }
    Ok(revoked)
}

/// A key revocation list.
fn list(bytes: &[u8]) -> Result<Revoked, String> {
    let mut bytes = Bytes(&bytes[MAGIC.len()..]);
    let format = bytes.u32()?;
    if format != FORMAT {
        return Err(format!("it has format {format}, and windlass reads {FORMAT}"));
    }
    // Version, date and flags, then two texts for people.
    bytes.u64()?;
    bytes.u64()?;
    bytes.u64()?;
    bytes.string()?;
    bytes.string()?;
    let mut revoked = Revoked::default();
    while !bytes.0.is_empty() {
        let (kind, section) = (bytes.u8()?, bytes.string()?);
        let mut section = Bytes(section);
        match kind {
            CERTIFICATES => revoked.certificates.push(certificates(&mut section)?),
            EXPLICIT_KEYS => revoked.keys.extend(section.strings()?),
            SHA1_FINGERPRINTS => revoked.sha1.extend(section.strings()?),
            SHA256_FINGERPRINTS => revoked.sha256.extend(section.strings()?),
            SIGNATURE => {}
            EXTENSION => extension(&mut section)?,
            other => return Err(format!("it has a section of kind {other}, which is not known")),
        }
    }
    Ok(revoked)
}

fn certificates(section: &mut Bytes) -> Result<OfAuthority, String> {
    let authority = section.string()?.to_vec();
    section.string()?;
    let mut of = OfAuthority { authority, ..OfAuthority::default() };
    while !section.0.is_empty() {
        let (kind, part) = (section.u8()?, section.string()?);
        let mut part = Bytes(part);
        match kind {
            SERIAL_LIST => {
                while !part.0.is_empty() {
                    let serial = part.u64()?;
                    of.serials.push(serial..=serial);
                }
            }
            SERIAL_RANGE => of.serials.push(part.u64()?..=part.u64()?),
            SERIAL_BITMAP => of.serials.extend(bitmap(part.u64()?, part.string()?)),
            KEY_IDS => of.key_ids.extend(part.strings()?),
            CERTIFICATE_EXTENSION => extension(&mut part)?,
            other => return Err(format!("it has certificates of kind {other:#x}, which is not known")),
        }
    }
    Ok(of)
}

/// The serials whose bits are set in a big number.
fn bitmap(offset: u64, number: &[u8]) -> Vec<RangeInclusive<u64>> {
    let bits = number.iter().rev().enumerate().flat_map(|(byte, value)| {
        (0..8).filter(move |bit| value & (1 << bit) != 0).map(move |bit| (byte * 8 + bit) as u64)
    });
    bits.filter_map(|bit| offset.checked_add(bit)).map(|serial| serial..=serial).collect()
}

fn extension(section: &mut Bytes) -> Result<(), String> {
    let name = String::from_utf8_lossy(section.string()?).into_owned();
    match section.u8()? {
        0 => Ok(()),
        _ => Err(format!("it has the extension {}, which is not known", name.escape_debug())),
    }
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(self.take(8)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let count = self.u32()?;
        self.take(count as usize)
    }

    fn strings(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(self.string()?.to_vec());
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::{Algorithm, PrivateKey};
    use std::fs;

    fn key() -> PublicKey {
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap().public_key().clone()
    }

    fn revokes(file: &[u8], key: &PublicKey) -> Result<bool, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("revoked");
        fs::write(&path, file).unwrap();
        Revoked::read(&path).map(|revoked| revoked.has(&key.clone().into())).map_err(|failure| failure.why)
    }

    #[test]
    fn a_list_of_keys_revokes_these_and_no_others() {
        let (one, other) = (key(), key());
        let text = format!("# stolen\n\n{}\n", one.to_openssh().unwrap());
        assert_eq!(revokes(text.as_bytes(), &one), Ok(true));
        assert_eq!(revokes(text.as_bytes(), &other), Ok(false));
        assert!(revokes(b"nonsense\n", &one).unwrap_err().starts_with("line 1 is not a key"));
        assert!(Revoked::read(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_list_that_is_cut_or_unknown_is_an_error() {
        let mut list = MAGIC.to_vec();
        assert_eq!(revokes(&list, &key()), Err("it is cut off".to_string()));
        list.extend(9u32.to_be_bytes());
        assert_eq!(revokes(&list, &key()), Err("it has format 9, and windlass reads 1".to_string()));
    }
}
