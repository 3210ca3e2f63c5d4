//! Random numbers and orders. With a seed they are those that Python gives for it: a host gets the same ones each time.

use super::super::arithmetic::{ITEMS_LIMIT, fitting};
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;
use sha2::{Digest, Sha512};
use std::hash::{BuildHasher, Hasher, RandomState};

pub const FILTERS: &[(&str, Function)] =
    &[("random", random), ("shuffle", shuffle), ("random_mac", random_mac)];

/// Python's generator: the Mersenne Twister.
struct Twister {
    state: [u32; 624],
    at: usize,
}

impl Twister {
    fn new(seed: u32) -> Twister {
        let mut state = [0u32; 624];
        state[0] = seed;
        for at in 1..624 {
            let last = state[at - 1];
            state[at] = 1_812_433_253u32.wrapping_mul(last ^ last >> 30).wrapping_add(at as u32);
        }
        Twister { state, at: 624 }
    }

    /// Seeded with the words of a large number, the lowest first.
    fn seeded(key: &[u32]) -> Twister {
        let mut twister = Twister::new(19_650_218);
        let state = &mut twister.state;
        let (mut i, mut j) = (1, 0);
        for _ in 0..624.max(key.len()) {
            let last = state[i - 1];
            state[i] = (state[i] ^ (last ^ last >> 30).wrapping_mul(1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            (i, j) = (i + 1, (j + 1) % key.len());
            if i >= 624 {
                state[0] = state[623];
                i = 1;
            }
        }
        for _ in 0..623 {
            let last = state[i - 1];
            state[i] = (state[i] ^ (last ^ last >> 30).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i >= 624 {
                state[0] = state[623];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        twister
    }

    /// Seeded as Python seeds: text by its bytes and their digest, a number by itself.
    fn of(seed: &Datum) -> Result<Twister> {
        let bytes = match seed.as_int() {
            Some(number) => number.unsigned_abs().to_be_bytes().to_vec(),
            None => {
                let text = seed.to_text()?;
                [text.as_bytes(), &Sha512::digest(text.as_bytes())].concat()
            }
        };
        let mut key: Vec<u32> = bytes
            .rchunks(4)
            .map(|part| part.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        Ok(Twister::seeded(&key))
    }

    fn unseeded() -> Twister {
        let word = || RandomState::new().build_hasher().finish() as u32;
        Twister::seeded(&[word(), word(), word(), word()])
    }

    fn word(&mut self) -> u32 {
        if self.at >= 624 {
            for at in 0..624 {
                let bits = self.state[at] & 0x8000_0000 | self.state[(at + 1) % 624] & 0x7fff_ffff;
                let odd = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + 397) % 624] ^ bits >> 1 ^ odd;
            }
            self.at = 0;
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn bits(&mut self, count: u32) -> u128 {
        let (mut value, mut have) = (0u128, 0);
        while have < count {
            let take = (count - have).min(32);
            value |= u128::from(self.word() >> (32 - take)) << have;
            have += take;
        }
        value
    }

    /// A number below `end`, each as likely as the others.
    fn below(&mut self, end: u128) -> u128 {
        let count = 128 - end.leading_zeros();
        loop {
            let value = self.bits(count);
            if value < end {
                return value;
            }
        }
    }
}

/// A salt that no one can foresee.
pub fn salt(length: usize) -> String {
    word("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length, None)
}

/// Some of these letters: always the same ones for a seed.
pub fn word(letters: &str, length: usize, seed: Option<&Datum>) -> String {
    let letters: Vec<char> = letters.chars().collect();
    if letters.is_empty() {
        return String::new();
    }
    let mut entropy = seed
        .and_then(|seed| Twister::of(seed).ok())
        .map_or(Source::System, |twister| Source::Seeded(Box::new(twister)));
    (0..length).map(|_| letters[entropy.below(letters.len())]).collect()
}

/// Where random letters come from. What becomes a secret comes from the system, which no one can foresee.
enum Source {
    Seeded(Box<Twister>),
    System,
}

impl Source {
    fn below(&mut self, end: usize) -> usize {
        match self {
            Source::Seeded(twister) => twister.below(end as u128) as usize,
            Source::System => loop {
                let mut bytes = [0; 4];
                // Without the system's source a fresh generator for each letter is the best there is.
                let filled = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
                if filled.is_err() {
                    return Twister::unseeded().below(end as u128) as usize;
                }
                let value = u64::from(u32::from_ne_bytes(bytes));
                let end = end as u64;
                // Above the last whole multiple some letters would be likelier than others.
                if value < (1 << 32) / end * end {
                    return (value % end) as usize;
                }
            },
        }
    }
}

fn twister(seed: Option<Datum>) -> Result<Twister> {
    match seed {
        None | Some(Datum::None) => Ok(Twister::unseeded()),
        Some(seed) => Twister::of(&seed),
    }
}

/// A number below another one, or an item of a list.
fn random(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let (start, step) = (arguments.int("start")?, arguments.int("step")?);
    let mut twister = twister(arguments.take("seed"))?;
    arguments.finish()?;
    if let Some(end) = value.as_int() {
        let (start, step) = (start.unwrap_or(0), step.filter(|step| *step != 0).unwrap_or(1));
        let before = if step > 0 { -1 } else { 1 };
        let span = end.checked_sub(start).and_then(|span| span.checked_add(step)?.checked_add(before));
        let count = fitting(span)? / step;
        if count <= 0 {
            return Err(Fault::new(format!("no number lies between {start} and {end}")));
        }
        return Ok(Datum::Int(start + twister.below(count as u128) as i128 * step));
    }
    let items = value.items()?;
    if start.is_some_and(|start| start != 0) || step.is_some_and(|step| step != 0) {
        return Err(Fault::new("`start` and `step` are for numbers"));
    }
    match items.is_empty() {
        true => Err(Fault::new("an empty list has no item")),
        false => Ok(items[twister.below(items.len() as u128) as usize].clone()),
    }
}

fn shuffle(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let mut items = arguments.value()?.items()?;
    let seed = arguments.take("seed");
    arguments.finish()?;
    let seed = match seed {
        Some(seed) if seed.truth()? => Some(seed),
        _ => None,
    };
    let mut twister = twister(seed)?;
    if items.len() > ITEMS_LIMIT {
        return Err(Fault::new("the list is too long"));
    }
    for at in (1..items.len()).rev() {
        items.swap(at, twister.below(at as u128 + 1) as usize);
    }
    Ok(Datum::list(items))
}

/// `'52:54:00' | random_mac(seed)`: the rest of a hardware address.
fn random_mac(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let prefix = arguments.value_text()?.to_lowercase();
    let seed = arguments.take("seed").filter(|seed| !matches!(seed, Datum::None));
    arguments.finish()?;
    let given = prefix.split(':').count();
    let missing = 6usize.checked_sub(given).filter(|missing| *missing > 0);
    let missing = missing.ok_or_else(|| Fault::new(format!("`{prefix}` leaves nothing to choose")))?;
    // Ten digits, of which the first is not 0; as many as are needed are taken.
    let lowest = 1u128 << 36;
    let digits = format!("{:x}", lowest + twister(seed)?.below((1 << 40) - lowest));
    let pairs: Vec<&str> = (0..missing).map(|at| &digits[at * 2..at * 2 + 2]).collect();
    Ok(Datum::text(format!("{prefix}:{}", pairs.join(":"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_what_python_gives() {
        // random.Random('web1').randrange(60), random.Random(42).randrange(100)
        assert_eq!(Twister::of(&Datum::text("web1")).unwrap().below(60), 52);
        assert_eq!(Twister::of(&Datum::Int(42)).unwrap().below(100), 81);
    }
}
