//! Bytes as hexadecimal digits, where a format holds only text.

use std::fmt::Write as _;

/// Two lower-case digits a byte.
pub fn of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}

/// The bytes that these digits are; `None` when they are not digits, two a byte.
pub fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(16 * digit(*high)? + digit(*low)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_pair_of_digits_is_refused() {
        assert_eq!(super::bytes_of("00fFa1"), Some(vec![0, 255, 161]));
        for wrong in ["0", "0g", "+1", "00 1", "é"] {
            assert_eq!(super::bytes_of(wrong), None, "{wrong}");
        }
    }
}
