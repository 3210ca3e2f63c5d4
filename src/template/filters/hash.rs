//! Digests, UUIDs and hashed passwords.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;
use crate::model::hexadecimal;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

pub const FILTERS: &[(&str, Function)] = &[
    ("hash", hash),
    ("checksum", |_, arguments| one(arguments, "sha1")),
    ("sha1", |_, arguments| one(arguments, "sha1")),
    ("md5", |_, arguments| one(arguments, "md5")),
    ("to_uuid", to_uuid),
    ("password_hash", password_hash),
    ("crc32", crc32),
];

const KINDS: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

fn hash(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let kind = arguments.text("hashtype")?.unwrap_or_else(|| "sha1".to_string());
    arguments.finish()?;
    digest(&kind, text.as_bytes()).map(Datum::text)
}

fn one(arguments: &mut Arguments, kind: &str) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    digest(kind, text.as_bytes()).map(Datum::text)
}

fn digest(kind: &str, bytes: &[u8]) -> Result<String> {
    Ok(match kind {
        "md5" => hexadecimal::of(&Md5::digest(bytes)),
        "sha1" => hexadecimal::of(&Sha1::digest(bytes)),
        "sha224" => hexadecimal::of(&Sha224::digest(bytes)),
        "sha256" => hexadecimal::of(&Sha256::digest(bytes)),
        "sha384" => hexadecimal::of(&Sha384::digest(bytes)),
        "sha512" => hexadecimal::of(&Sha512::digest(bytes)),
        other => {
            let fault = Fault::new(format!("there is no digest `{other}`"));
            return Err(fault.hint(format!("there are: {}", KINDS.join(", "))));
        }
    })
}

/// Ansible's own namespace.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

/// A UUID of version 5: always the same for a text.
fn to_uuid(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let namespace = arguments.text("namespace")?.unwrap_or_else(|| NAMESPACE.to_string());
    arguments.finish()?;
    let digits: String = namespace.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() != 32 {
        return Err(Fault::new(format!("`{namespace}` is no UUID")));
    }
    let mut bytes: Vec<u8> =
        (0..16).filter_map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()).collect();
    bytes.extend(text.as_bytes());
    let mut uuid = Sha1::digest(&bytes)[..16].to_vec();
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let digits = hexadecimal::of(&uuid);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(Datum::text(parts.join("-")))
}

/// The rounds that Ansible's own library takes.
const ROUNDS: [(&str, usize); 2] = [("sha512", 656_000), ("sha256", 535_000)];

/// More rounds than crypt(3) allows.
const ROUNDS_LIMIT: usize = 999_999_999;

/// What `password_hash` is to make.
struct Wanted {
    password: String,
    kind: &'static str,
    salt: Option<String>,
    rounds: usize,
}

/// Fails where `password_hash` would fail. It takes no time.
#[cfg(feature = "controller")]
pub fn check_password_hash(arguments: &mut Arguments) -> Result<()> {
    wanted(arguments).map(drop)
}

fn wanted(arguments: &mut Arguments) -> Result<Wanted> {
    let password = arguments.value_text()?;
    let kind = arguments.text("hashtype")?.unwrap_or_else(|| "sha512".to_string());
    let salt = arguments.text("salt")?;
    arguments.count("salt_size")?;
    let rounds = arguments.count("rounds")?;
    arguments.finish()?;
    let kind = kind.trim_end_matches("_crypt");
    let Some((kind, usual)) = ROUNDS.iter().find(|(known, _)| *known == kind) else {
        let fault = Fault::new(format!("there is no hash `{kind}` for passwords"));
        return Err(fault.hint("there are: sha512, sha256"));
    };
    let rounds = rounds.unwrap_or(*usual).clamp(1000, ROUNDS_LIMIT);
    Ok(Wanted { password, kind, salt, rounds })
}

/// `password | password_hash('sha512', salt)`: as crypt(3) wants it in /etc/shadow.
fn password_hash(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let Wanted { password, kind, salt, rounds } = wanted(arguments)?;
    let salt = match salt {
        Some(salt) => salt.chars().take(16).collect(),
        None => super::random::salt(16),
    };
    let (prefix, digest) = match kind {
        "sha512" => ("$6$", crypt::<Sha512>(&password, &salt, rounds, ORDER_512)),
        _ => ("$5$", crypt::<Sha256>(&password, &salt, rounds, ORDER_256)),
    };
    let shown = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
    Ok(Datum::text(format!("{prefix}{shown}{salt}${digest}")))
}

/// In which order the bytes of the digest are written, three for four letters.
const ORDER_512: &[[usize; 3]] = &[
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
    [NONE, NONE, 63],
];

const ORDER_256: &[[usize; 3]] = &[
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
    [NONE, 31, 30],
];

const NONE: usize = usize::MAX;

/// Ulrich Drepper's SHA-crypt, <https://www.akkadia.org/drepper/SHA-crypt.txt>.
fn crypt<D: Digest>(password: &str, salt: &str, rounds: usize, order: &[[usize; 3]]) -> String {
    let (password, salt) = (password.as_bytes(), salt.as_bytes());
    let of = |parts: &[&[u8]]| {
        let mut digest = D::new();
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize().to_vec()
    };
    let repeated =
        |bytes: &[u8], length: usize| bytes.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let other = of(&[password, salt, password]);
    let mut first = D::new();
    first.update(password);
    first.update(salt);
    first.update(repeated(&other, password.len()));
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &other } else { password });
        length >>= 1;
    }
    let first = first.finalize().to_vec();
    let passwords = vec![password; password.len()];
    let sequence = repeated(&of(&passwords), password.len());
    let salts = vec![salt; 16 + usize::from(first[0])];
    let salted = repeated(&of(&salts), salt.len());
    let mut digest = first;
    for round in 0..rounds {
        let odd = round % 2 == 1;
        let mut parts: Vec<&[u8]> = vec![if odd { &sequence } else { &digest }];
        if round % 3 != 0 {
            parts.push(&salted);
        }
        if round % 7 != 0 {
            parts.push(&sequence);
        }
        parts.push(if odd { &digest } else { &sequence });
        digest = of(&parts);
    }
    lettered(&digest, order)
}

const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn lettered(digest: &[u8], order: &[[usize; 3]]) -> String {
    let mut text = String::new();
    for three in order {
        let bits = three
            .iter()
            .fold(0u32, |bits, at| bits << 8 | digest.get(*at).map_or(0, |byte| u32::from(*byte)));
        let count = 4 - three.iter().filter(|at| **at == NONE).count();
        (0..count).for_each(|at| text.push(LETTERS[(bits >> (6 * at)) as usize & 63] as char));
    }
    text
}

fn crc32(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    Ok(Datum::text(format!("{:x}", !crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_as_crypt_does() {
        // From the specification.
        let hashed = crypt::<Sha512>("Hello world!", "saltstringsaltst", 10_000, ORDER_512);
        assert_eq!(
            hashed,
            "OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
        );
        let hashed = crypt::<Sha256>("Hello world!", "saltstringsaltst", 10_000, ORDER_256);
        assert_eq!(hashed, "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA");
    }
}
