//! Values on their way into a shell: words on a line that mean what they meant, whatever bytes they hold.

/// A word that the script decodes as it arrives.
pub fn word(bytes: &[u8]) -> Vec<u8> {
    let mut word = vec![b'='];
    escape(bytes, &mut word);
    word
}

/// A word that stays encoded until it is written out, because it may hold NULs, which no shell variable can.
pub fn later(bytes: &[u8]) -> Vec<u8> {
    let mut word = vec![b'%'];
    escape(bytes, &mut word);
    word
}

/// Octal escapes as `printf %b` reads them: a backslash, a zero, three digits.
fn escape(bytes: &[u8], to: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'_'
            | b'.'
            | b'-'
            | b':'
            | b','
            | b'='
            | b'+'
            | b'@' => {
                to.push(*byte);
            }
            other => to.extend_from_slice(format!("\\0{other:03o}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What `printf %b` makes of it, from its description in POSIX.
    fn decoded(word: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(&word[1..]).unwrap();
        let mut pieces = text.split('\\');
        let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
        for piece in pieces {
            bytes.push(u8::from_str_radix(&piece[1..4], 8).unwrap());
            bytes.extend_from_slice(&piece.as_bytes()[4..]);
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let word = word(&bytes);
            prop_assert!(!word.iter().any(|byte| b" \n\t'\"$`*?[%".contains(byte)));
            prop_assert_eq!(decoded(&word), bytes);
        }
    }
}
