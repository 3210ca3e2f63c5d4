//! Which algorithms are offered: windlass's own lists, and what `Ciphers`, `MACs`, `KexAlgorithms`, `HostKeyAlgorithms`
//! and the like make of them. A list that leaves nothing is an error, so that no weaker one is used in silence.

use super::config::{Setting, Values};
use super::pattern::matches;
use crate::model::failure::Result;
use russh::keys::{Algorithm, PublicKey};
use russh::{cipher, kex, mac};

/// AES-GCM first, which hardware does; ChaCha20 last, and only with strict key exchange; no CBC.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
    cipher::CHACHA20_POLY1305,
];
/// Offered only where they are asked for, as by OpenSSH.
const OLD_CIPHERS: &[cipher::Name] = &[cipher::AES_128_CBC, cipher::AES_192_CBC, cipher::AES_256_CBC];
/// These ciphers need no MAC.
const WITHOUT_MAC: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305];
/// In OpenSSH's order. HMAC of SHA-1 comes last: SHA-1 is old, though as a MAC it is not broken.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA1_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
    mac::HMAC_SHA1,
];
/// In OpenSSH's order, without what the library does not have (sntrup761).
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];
/// Offered only where they are asked for.
const OTHER_KEX: &[kex::Name] =
    &[kex::DH_G17_SHA512, kex::DH_G15_SHA512, kex::DH_GEX_SHA1, kex::DH_G14_SHA1, kex::DH_G1_SHA1];
/// Names in the list of key exchanges that announce abilities.
const ANNOUNCED: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
/// Types of keys, of hosts and of users, certificates first.
const KEYS: &[&str] = &[
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
];
/// Offered only where it is asked for: it signs with SHA-1.
const OLD_KEYS: &[&str] = &["ssh-rsa"];

/// What is offered to a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Algorithms {
    pub kex: Vec<kex::Name>,
    pub ciphers: Vec<cipher::Name>,
    pub macs: Vec<mac::Name>,
    /// The types of host keys and of their certificates.
    pub host_keys: Vec<&'static str>,
    /// Whether the order of `host_keys` was asked for; otherwise the types that known_hosts has come first.
    pub host_keys_in_order: bool,
    /// The types of our own keys.
    pub public_keys: Vec<&'static str>,
    /// With which types an authority may sign the certificate of a host.
    pub authorities: Vec<&'static str>,
    /// RSA keys with fewer bits are refused, a host's and ours.
    pub least_rsa_bits: u32,
}

/// OpenSSH's own least size of an RSA key.
const LEAST_RSA_BITS: u32 = 1024;

impl Default for Algorithms {
    fn default() -> Self {
        Algorithms {
            kex: KEX.iter().chain(ANNOUNCED).copied().collect(),
            ciphers: CIPHERS.to_vec(),
            macs: MACS.to_vec(),
            host_keys: KEYS.to_vec(),
            host_keys_in_order: false,
            public_keys: KEYS.to_vec(),
            authorities: KEYS.to_vec(),
            least_rsa_bits: LEAST_RSA_BITS,
        }
    }
}

impl Algorithms {
    /// What the options of a host make of windlass's own lists.
    pub fn of(values: &Values) -> Result<Algorithms> {
        let mut kex = choose(values.setting("kexalgorithms"), KEX, OTHER_KEX)?;
        kex.extend(ANNOUNCED);
        let (ciphers, macs) = ciphers_and_macs(values)?;
        let host_keys = values.setting("hostkeyalgorithms");
        Ok(Algorithms {
            kex,
            ciphers,
            macs,
            host_keys: choose(host_keys, KEYS, OLD_KEYS)?,
            host_keys_in_order: host_keys.is_some_and(|keys| !keys.words[0].starts_with(['+', '-'])),
            public_keys: choose(values.setting("pubkeyacceptedalgorithms"), KEYS, OLD_KEYS)?,
            authorities: choose(values.setting("casignaturealgorithms"), KEYS, &[])?,
            least_rsa_bits: values
                .number("requiredrsasize", 0..=u32::MAX)?
                .map_or(LEAST_RSA_BITS, |bits| bits.max(LEAST_RSA_BITS)),
        })
    }

    /// Whether a key of ours may be offered, as a certificate or as it is.
    pub fn accepts(&self, key: &PublicKey, as_certificate: bool) -> bool {
        let name = |algorithm: &Algorithm| match as_certificate {
            true => algorithm.to_certificate_type().to_string(),
            false => algorithm.as_str().to_string(),
        };
        let algorithms = match key.algorithm().is_rsa() {
            true => ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            false => vec![key.algorithm()],
        };
        algorithms.iter().any(|algorithm| self.public_keys.contains(&name(algorithm).as_str()))
    }

    /// Whether an RSA key is long enough; other keys always are.
    pub fn long_enough(&self, key: &PublicKey) -> bool {
        rsa_bits(key).is_none_or(|bits| bits >= self.least_rsa_bits as usize)
    }
}

/// OpenSSH's MACs that the library does not have.
const UMACS: &[&str] =
    &["umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "umac-64@openssh.com", "umac-128@openssh.com"];

/// Whether a list leaves ssh one of these.
fn leaves_umac(list: &str) -> bool {
    match list.strip_prefix('-') {
        Some(without) => UMACS.iter().any(|umac| !without.split(',').any(|pattern| matches(pattern, umac))),
        None => list.contains("umac-"),
    }
}

/// Where windlass has none of the MACs that are asked for (umac), the ciphers that need none remain.
fn ciphers_and_macs(values: &Values) -> Result<(Vec<cipher::Name>, Vec<mac::Name>)> {
    let mut ciphers = choose(values.setting("ciphers"), CIPHERS, OLD_CIPHERS)?;
    match choose(values.setting("macs"), MACS, &[]) {
        Ok(macs) => Ok((ciphers, macs)),
        Err(why) if !values.setting("macs").is_some_and(|macs| leaves_umac(macs.text.trim())) => Err(why),
        Err(why) => {
            ciphers.retain(|cipher| WITHOUT_MAC.contains(cipher));
            if ciphers.is_empty() { Err(why) } else { Ok((ciphers, Vec::new())) }
        }
    }
}

/// The size of an RSA key.
pub fn rsa_bits(key: &PublicKey) -> Option<usize> {
    let modulus = key.key_data().rsa()?.n().as_positive_bytes()?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    Some((modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize)
}

/// A list as OpenSSH reads it: `a,b` replaces, `+a` appends, `-a*` removes, `^a` puts first. Names that windlass does
/// not have are skipped, as long as one remains.
fn choose<T: Copy + PartialEq + AsRef<str>>(
    setting: Option<&Setting>,
    own: &[T],
    other: &[T],
) -> Result<Vec<T>> {
    let Some(setting) = setting else { return Ok(own.to_vec()) };
    let written = setting.words.join("");
    let (sign, list) = match written.split_at_checked(1) {
        Some((sign @ ("+" | "-" | "^"), list)) => (sign, list),
        _ => ("", written.as_str()),
    };
    let all: Vec<T> = own.iter().chain(other).copied().collect();
    let mut listed: Vec<T> = Vec::new();
    for pattern in list.split(',') {
        let named = all.iter().filter(|name| matches(pattern, name.as_ref()));
        let new: Vec<T> = named.filter(|name| !listed.contains(name)).copied().collect();
        listed.extend(new);
    }
    let rest: Vec<T> = own.iter().filter(|name| !listed.contains(name)).copied().collect();
    let chosen: Vec<T> = match sign {
        "+" => own.iter().chain(listed.iter().filter(|name| !own.contains(name))).copied().collect(),
        "-" => rest,
        "^" => [listed, rest].concat(),
        _ => listed,
    };
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
        return Err(setting.wrong("windlass has none of these").hint(format!("it has {}", names.join(", "))));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(written: &str) -> Result<String, String> {
        let setting = Setting::new("ciphers", written, &"x:1".into());
        let (own, other) = (["aes256", "aes128", "chacha"], ["old"]);
        choose(Some(&setting), &own, &other).map(|names| names.join(" ")).map_err(|why| why.to_string())
    }

    #[test]
    fn lists_replace_append_remove_and_put_first() {
        for (written, expected) in [
            ("aes128,aes256", "aes128 aes256"),
            ("aes128,rot13", "aes128"),
            ("+old", "aes256 aes128 chacha old"),
            ("+aes128", "aes256 aes128 chacha"),
            ("-aes*", "chacha"),
            ("^chacha", "chacha aes256 aes128"),
            ("^old,chacha", "old chacha aes256 aes128"),
            ("aes*", "aes256 aes128"),
        ] {
            assert_eq!(chosen(written).as_deref(), Ok(expected), "{written}");
        }
        assert_eq!(
            chosen("rot13").unwrap_err(),
            "read `Ciphers` of x:1: windlass has none of these\n  hint: it has aes256, aes128, chacha, old"
        );
        assert!(chosen("-*").is_err());
    }

    fn of(options: &[(&str, &str)]) -> Result<Algorithms> {
        let mut values = Values::default();
        options.iter().for_each(|(key, value)| values.add(&Setting::new(key, *value, &"x:1".into())));
        Algorithms::of(&values)
    }

    fn names<T: AsRef<str>>(names: &[T]) -> String {
        names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_ssh_offers_is_offered_in_its_order() {
        let plain = of(&[]).unwrap();
        assert_eq!(plain, Algorithms::default());
        let nist =
            "ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 diffie-hellman-group-exchange-sha256";
        assert!(names(&plain.kex).contains(&format!("curve25519-sha256@libssh.org {nist}")));
        assert!(names(&plain.macs).ends_with("hmac-sha2-256 hmac-sha2-512 hmac-sha1"));
    }

    #[test]
    fn without_a_mac_that_is_here_the_ciphers_that_need_none_remain() {
        let only =
            of(&[("macs", "umac-64@openssh.com"), ("ciphers", "aes256-ctr,aes128-gcm@openssh.com")]).unwrap();
        assert_eq!((names(&only.ciphers), only.macs), ("aes128-gcm@openssh.com".to_string(), Vec::new()));
        assert!(of(&[("macs", "umac-64@openssh.com"), ("ciphers", "aes256-ctr")]).is_err());
        assert!(of(&[("macs", "-hmac*")]).unwrap().macs.len() <= 1);
        assert!(of(&[("macs", "-*")]).is_err());
        assert!(of(&[("macs", "hmac-nonsense")]).is_err());
        assert_eq!(names(&of(&[("ciphers", "+aes256-cbc")]).unwrap().ciphers[6..]), "aes256-cbc");
    }
}
