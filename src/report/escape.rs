//! Makes what a host says harmless for a terminal: control characters, escape sequences and marks that turn the
//! direction of text become visible. Records keep the raw bytes.

use std::borrow::Cow;
use std::fmt::Write;

/// One line: line breaks are made visible too.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |character| harmless(character) && !matches!(character, '\n'))
}

/// Several lines. Tabs and line breaks stay.
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |character| harmless(character) || character == '\t')
}

/// Several lines that may not be UTF-8: other bytes are shown as `\xNN`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&block(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| push(&mut text, format_args!("\\x{byte:02x}")));
    }
    text
}

/// JSON whose texts hold nothing that a terminal obeys or that deceives a reader: such characters are written as escapes,
/// which is the same JSON.
pub fn json(json: String) -> String {
    let stays = |character: char| character.is_ascii() && character != '\u{7f}' || harmless(character);
    if json.chars().all(stays) {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match stays(character) {
            true => shown.push(character),
            // Outside of texts JSON is ASCII.
            false => character
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| push(&mut shown, format_args!("\\u{unit:04x}"))),
        }
    }
    shown
}

fn escaped(text: &str, stays: fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            character if stays(character) => shown.push(character),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            character if character.is_ascii() => {
                push(&mut shown, format_args!("\\x{:02x}", character as u32))
            }
            character => push(&mut shown, format_args!("\\u{{{:x}}}", character as u32)),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character can neither move the cursor, change the terminal nor reorder or hide text.
pub fn harmless(character: char) -> bool {
    let deceives = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    character == '\n' || !(character.is_control() || deceives)
}

fn push(text: &mut String, what: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (said, shown) in [
            ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
            ("50%\r100%", r"50%\r100%"),
            ("a\u{202e}txt.exe", r"a\u{202e}txt.exe"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("zero\u{200b}width", r"zero\u{200b}width"),
            ("naïve 名前 ✓", "naïve 名前 ✓"),
        ] {
            assert_eq!(line(said), shown);
        }
        assert_eq!(line("two\nlines\tof"), r"two\nlines\tof");
        assert_eq!(block("two\nlines\tof"), "two\nlines\tof");
    }

    #[test]
    fn json_with_escapes_is_the_same_json() {
        let text = "a\u{9b}31m\u{7f}\u{202e}\u{e0041}\n\u{1b}ü✓";
        let plain = serde_json::json!({ "text": text }).to_string();
        let safe = json(plain.clone());
        assert_eq!(safe, r#"{"text":"a\u009b31m\u007f\u202e\udb40\udc41\n\u001bü✓"}"#);
        let read = |text: &str| serde_json::from_str::<crate::model::Value>(text).unwrap();
        assert_eq!(read(&safe), read(&plain));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_hexadecimal() {
        assert_eq!(bytes(b"caf\xe9\n\x1b[1m"), "caf\\xe9\n\\x1b[1m");
    }

    proptest! {
        #[test]
        fn nothing_that_controls_gets_through(said: Vec<u8>, text in "\\PC*|.*") {
            for shown in [bytes(&said), block(&text).into_owned(), line(&text).into_owned()] {
                prop_assert!(shown.chars().all(|character| matches!(character, '\n' | '\t') || harmless(character)));
            }
            prop_assert!(!line(&text).contains('\n'));
        }
    }
}
