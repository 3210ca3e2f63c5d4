//! The forms in which a secret turns up in other texts: as it is, line by line, in base64, hexadecimal, URLs, JSON, HTML and
//! shell words.

use crate::model::hexadecimal;
use crate::sql::url::plain;

/// A line of a secret shorter than this, in bytes, is too common a text to be hidden on its own.
const SHORTEST_LINE: usize = 8;

/// A piece of base64 shorter than this, in characters, would match by chance.
const SHORTEST_BASE64: usize = 8;

/// A secret shorter than this, in bytes, is not looked for in hexadecimal.
const SHORTEST_HEXADECIMAL: usize = 6;

/// How programs write the letters that mean something in HTML and XML: Python, Go, and most others.
const MARKUP: [[&str; 5]; 3] = [
    ["&amp;", "&lt;", "&gt;", "&quot;", "&#x27;"],
    ["&amp;", "&lt;", "&gt;", "&#34;", "&#39;"],
    ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"],
];

/// Another spelling of a number shorter than this, in characters, is too common a text.
const SHORTEST_NUMBER: usize = 4;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every form of `secret`; none is empty.
pub fn all(secret: &str) -> Vec<Vec<u8>> {
    let whole = [secret, secret.trim()];
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
    let texts = whole.into_iter().chain(lines).map(str::to_string);
    let texts = texts.chain(password_of_url(secret)).chain(spellings(secret.trim()));
    let texts = texts.filter(|text| !text.is_empty());
    texts.flat_map(|text| forms_of(text.as_bytes(), &text)).filter(|form| !form.is_empty()).collect()
}

/// The password in a URL such as a database's, as it is written there and as it is meant: programs that are given the URL
/// tell it on its own. A short one is too common a text to be hidden.
fn password_of_url(secret: &str) -> Vec<String> {
    let authority = secret.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
    let login = authority.and_then(|authority| authority.rsplit_once('@'));
    let password = login.and_then(|(login, _)| login.split_once(':')).map(|(_, password)| password);
    let written = password.filter(|password| password.len() >= SHORTEST_LINE);
    let meant = written.and_then(|password| plain(password).ok());
    written.map(str::to_string).into_iter().chain(meant).collect()
}

/// A number as TOML, JSON and programs may spell it in place of what was typed: `0xDEADBEEF99` is `956397711257`.
fn spellings(text: &str) -> Vec<String> {
    let plain = text.replace('_', "");
    let based = |prefix, base| u64::from_str_radix(plain.strip_prefix(prefix)?, base).ok();
    let number =
        based("0x", 16).or_else(|| based("0o", 8)).or_else(|| based("0b", 2)).or_else(|| plain.parse().ok());
    let spelled = match (number, plain.parse::<f64>()) {
        (Some(number), _) => vec![
            number.to_string(),
            format!("0x{number:x}"),
            format!("0x{number:X}"),
            format!("0o{number:o}"),
            format!("0b{number:b}"),
            in_groups(number),
        ],
        // A plain word such as `inf` is no number that anyone typed.
        (None, Ok(number)) if plain.contains(|letter: char| letter.is_ascii_digit()) => {
            vec![number.to_string()]
        }
        _ => return Vec::new(),
    };
    spelled.into_iter().filter(|spelled| spelled.len() >= SHORTEST_NUMBER && spelled != text).collect()
}

/// `1_234_567`
fn in_groups(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups =
        digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let first = (first > 0).then(|| digits[..first].to_string());
    first.into_iter().chain(groups).collect::<Vec<_>>().join("_")
}

fn forms_of(bytes: &[u8], text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![bytes.to_vec()];
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|shift| base64_core(bytes, shift, alphabet)));
    }
    for (kept, space) in [("-_.~", "%20"), ("-_.~", "+"), ("-_.~/:@", "%20"), ("-_.!~*'()", "%20")] {
        let encoded = percent(bytes, kept, space);
        forms.push(lower_hexadecimal(&encoded).into_bytes());
        forms.push(encoded.into_bytes());
    }
    let once = json(text);
    forms.push(json(&once).into_bytes());
    forms.push(json_of_others(&once, |letter| letter == '/').into_bytes());
    forms.push(
        json_of_others(&once, |letter| matches!(letter, '<' | '>' | '&') || !letter.is_ascii()).into_bytes(),
    );
    forms.push(json_of_others(&once, |letter| !letter.is_ascii()).into_bytes());
    forms.push(once.into_bytes());
    forms.push(text.replace('\'', r"'\''").into_bytes());
    forms.extend(MARKUP.map(|markup| in_markup(text, markup).into_bytes()));
    if bytes.len() >= SHORTEST_HEXADECIMAL {
        let digits = hexadecimal::of(bytes);
        forms.push(digits.to_ascii_uppercase().into_bytes());
        forms.push(digits.into_bytes());
    }
    forms
}

/// JSON as other programs write it, which escape more: PHP slashes, Go what means something in HTML, Python all that is not
/// ASCII.
fn json_of_others(json: &str, is_escaped: fn(char) -> bool) -> String {
    let letter = |letter: char| match letter {
        '/' if is_escaped('/') => r"\/".to_string(),
        letter if is_escaped(letter) => {
            letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
        letter => letter.to_string(),
    };
    json.chars().map(letter).collect()
}

fn in_markup(text: &str, [and, less, greater, quote, apostrophe]: [&str; 5]) -> String {
    let letter = |letter: char| match letter {
        '&' => and.to_string(),
        '<' => less.to_string(),
        '>' => greater.to_string(),
        '"' => quote.to_string(),
        '\'' => apostrophe.to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(letter).collect()
}

/// The part of base64 that depends on `bytes` alone when `shift` (modulo 3) other bytes come before them: its first
/// and last characters may share bits with what stands around.
fn base64_core(bytes: &[u8], shift: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let first_bit = (shift * 8).div_ceil(6) * 6 - shift * 8;
    let bits = bytes.len() * 8;
    let starts = (first_bit..).step_by(6).take_while(|start| start + 6 <= bits);
    let core: Vec<u8> = starts.map(|start| alphabet[six_bits(bytes, start)]).collect();
    if core.len() >= SHORTEST_BASE64 { core } else { Vec::new() }
}

fn six_bits(bytes: &[u8], start: usize) -> usize {
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    (start..start + 6).fold(0, |value, at| value << 1 | bit(at))
}

fn percent(bytes: &[u8], kept: &str, space: &str) -> String {
    let encoded = bytes.iter().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(byte) => {
            char::from(*byte).to_string()
        }
        b' ' => space.to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The same percent-encoding with `%2f` for `%2F`.
fn lower_hexadecimal(encoded: &str) -> String {
    let mut digits = 0;
    let lowered = encoded.chars().map(|character| {
        let digit = digits > 0;
        digits = if character == '%' { 2 } else { i32::max(0, digits - 1) };
        if digit { character.to_ascii_lowercase() } else { character }
    });
    lowered.collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn core(text: &str, shift: usize) -> String {
        String::from_utf8(base64_core(text.as_bytes(), shift, STANDARD)).unwrap()
    }

    #[test]
    fn base64_is_found_wherever_the_secret_begins() {
        // base64 of `correct horse`, `xcorrect horse` and `xycorrect horse`.
        for (shift, whole) in
            ["Y29ycmVjdCBob3JzZQ==", "eGNvcnJlY3QgaG9yc2U=", "eHljb3JyZWN0IGhvcnNl"].iter().enumerate()
        {
            assert!(
                whole.contains(&core("correct horse", shift)),
                "{whole} {}",
                core("correct horse", shift)
            );
        }
    }

    #[test]
    fn the_password_in_a_url_is_a_secret_of_its_own() {
        let holds = |secret, form: &str| all(secret).contains(&form.as_bytes().to_vec());
        let url = "postgres://al:hunter%402two@db/app";
        assert!(holds(url, "hunter%402two") && holds(url, "hunter@2two"));
        assert!(!holds("postgres://al:pw@db/app", "pw"));
        assert!(!holds("https://db/al:hunter2two@x", "hunter2two"));
    }

    #[test]
    fn a_number_is_found_however_it_is_spelled() {
        let holds = |secret, form: &str| all(secret).contains(&form.as_bytes().to_vec());
        for form in ["0xDEADBEEF99", "956397711257", "0xdeadbeef99", "956_397_711_257"] {
            assert!(holds("0xDEADBEEF99", form), "{form}");
            assert!(holds("956397711257", form), "{form}");
        }
        assert!(holds("1_000.50", "1000.5"));
        assert!(!holds("12", "0xc") && !holds("infinite", "inf"));
    }

    #[test]
    fn other_programs_spell_json_and_html_otherwise() {
        let holds = |secret, form: &str| all(secret).contains(&form.as_bytes().to_vec());
        for form in [
            r"grün\/&<'",
            r"gr\u00fcn/\u0026\u003c'",
            r"gr\u00fcn/&<'",
            "grün/&amp;&lt;&#x27;",
            "grün/&amp;&lt;&#39;",
            "grün/&amp;&lt;&apos;",
            "6772c3bc6e2f263c27",
            "6772C3BC6E2F263C27",
        ] {
            assert!(holds("grün/&<'", form), "{form}");
        }
        assert!(!holds("abcd", "61626364"));
    }

    #[test]
    fn what_would_match_by_chance_is_left_out() {
        assert!(all("ab").iter().all(|form| form == b"ab"));
        assert!(all("").is_empty());
        assert!(all(" \n").iter().all(|form| !form.is_empty()));
    }
}
