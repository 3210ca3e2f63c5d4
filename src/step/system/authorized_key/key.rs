//! One line of `authorized_keys`: options, type, the key itself, a comment. sshd(8) has the format.

/// Types that OpenSSH takes.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A public key as a line gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// As they are written; empty for none.
    pub options: String,
    kind: String,
    blob: String,
    comment: String,
}

impl Key {
    /// From a line. Says why it is no key.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") {
            return Err(
                "this is a private key; give the public one, from the file that ends in .pub".to_string()
            );
        }
        if line.contains('\0') {
            return Err("it holds a NUL".to_string());
        }
        let (options, rest) = match TYPES.contains(&first_word(line)) {
            true => ("", line),
            false => line.split_at(end_of_options(line)?),
        };
        let mut words = rest.trim_start().splitn(3, [' ', '\t']);
        let kind = words.next().unwrap_or_default();
        if !TYPES.contains(&kind) {
            return Err(format!("{:?} is not a type of key: one of {}", first_word(line), TYPES.join(" ")));
        }
        let blob = words.next().unwrap_or_default();
        check_blob(kind, blob)?;
        let comment = words.next().unwrap_or_default().trim();
        let text = str::to_string;
        Ok(Key { options: text(options), kind: text(kind), blob: text(blob), comment: text(comment) })
    }

    /// Whether it is the same key, whatever its options and comment.
    pub fn is_same(&self, other: &Key) -> bool {
        self.kind == other.kind && self.blob.trim_end_matches('=') == other.blob.trim_end_matches('=')
    }

    /// The same key with other options.
    pub fn with_options(self, options: &str) -> Self {
        Key { options: options.to_string(), ..self }
    }

    /// Its line.
    pub fn line(&self) -> String {
        let words = [&self.options, &self.kind, &self.blob, &self.comment];
        words.into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn first_word(line: &str) -> &str {
    line.split([' ', '\t']).next().unwrap_or_default()
}

/// Options end at white space that is not between quotes.
fn end_of_options(line: &str) -> Result<usize, String> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok(at),
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    Err(if quoted { "a quote of its options is not closed" } else { "it is not a public key" }.to_string())
}

/// The key begins with its own type, so that one that was cut short or pasted wrongly is seen.
fn check_blob(kind: &str, blob: &str) -> Result<(), String> {
    let cut = || format!("the {kind} key is not whole: a part of it was lost on the way here");
    let bytes = decoded(blob).ok_or_else(cut)?;
    let (fields, whole) = fields(&bytes);
    match fields.first() {
        Some(first) if *first == kind.as_bytes() && whole && fields.len() >= 2 => Ok(()),
        Some(first) if whole && fields.len() >= 2 => {
            Err(format!("it says {kind}, but the key is of type {}", String::from_utf8_lossy(first)))
        }
        _ => Err(cut()),
    }
}

/// Strings with their length in front, as RFC 4251 has them, and whether they fill everything.
fn fields(mut bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut fields = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((field, rest)) = rest.split_at_checked(length) else { return (fields, false) };
        fields.push(field);
        bytes = rest;
    }
    (fields, bytes.is_empty())
}

/// Base64; `None` when it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let stem = text.trim_end_matches('=');
    if stem.is_empty() || stem.len() % 4 == 1 || text.len() - stem.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(stem.len() * 3 / 4);
    for chunk in stem.as_bytes().chunks(4) {
        let digits = chunk.iter().map(|byte| digit(*byte)).collect::<Option<Vec<u32>>>()?;
        let all = digits.iter().fold(0, |all, digit| all << 6 | digit) << (6 * (4 - digits.len()));
        bytes.extend_from_slice(&all.to_be_bytes()[1..digits.len()]);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(digit.into())
}
