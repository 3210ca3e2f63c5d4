//! Text with values put in: `'%s' % x` and `'{}'.format(x)`, as in Python.

use super::arithmetic::{SIZE_LIMIT, whole_part};
use super::fault::{Fault, Result};
use super::value::{Datum, Map};

/// How one value is written: `>08.2f` of a format, `-8.2f` behind a percent sign.
#[derive(Clone, Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    letter: Option<char>,
}

impl Spec {
    /// It asks for nothing.
    fn is_empty(&self) -> bool {
        let flags = self.alternate || self.zero || self.width > 0;
        !flags && self.align.is_none() && self.sign.is_none() && self.precision.is_none()
    }
}

/// `text % values`: a tuple gives the values one by one, a map by name, all else is the only value.
pub fn percent(text: &str, values: &Datum) -> Result<Datum> {
    let positional: Vec<Datum> = match values {
        Datum::Tuple(items) => items.as_ref().clone(),
        other => vec![other.clone()],
    };
    let mut next = positional.into_iter();
    let mut out = String::new();
    let mut rest = text;
    let mut by_name = false;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let mut named = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let end = inside.find(')').ok_or_else(|| Fault::new("`%(` has no `)`"))?;
            by_name = true;
            named = Some(entry(values, &inside[..end])?);
            rest = &inside[end + 1..];
        }
        let mut take =
            || next.next().ok_or_else(|| Fault::new("there are fewer values than `%` in the text"));
        let (spec, after) = percent_spec(rest, &mut take)?;
        let value = match named {
            Some(value) => value,
            None => take()?,
        };
        out.push_str(&percent_value(&value, spec)?);
        rest = after;
    }
    if !by_name && next.next().is_some() && !matches!(values, Datum::Map(_)) {
        return Err(Fault::new("there are more values than `%` in the text"));
    }
    Ok(Datum::text(out + rest))
}

fn entry(values: &Datum, name: &str) -> Result<Datum> {
    let map = values
        .as_map()
        .ok_or_else(|| Fault::new(format!("`%({name})` needs a map, not {}", values.what())))?;
    map.get(&Datum::text(name)).cloned().ok_or_else(|| Fault::new(format!("the map has no `{name}`")))
}

fn percent_spec<'a>(text: &'a str, take: &mut dyn FnMut() -> Result<Datum>) -> Result<(Spec, &'a str)> {
    let mut spec = Spec::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next().filter(|letter| "-+ 0#".contains(*letter)) {
        match letter {
            '-' => spec.align = Some('<'),
            '0' => spec.zero = true,
            '#' => spec.alternate = true,
            sign => spec.sign = Some(sign),
        }
        rest = &rest[1..];
    }
    (spec.width, rest) = match rest.strip_prefix('*') {
        Some(after) => (width(take()?.as_int().unwrap_or(0))?, after),
        None => number(rest)?,
    };
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after)?;
        (spec.precision, rest) = (Some(precision), after);
    }
    let letter = rest.chars().next().ok_or_else(|| Fault::new("a `%` at the end has no letter behind it"))?;
    spec.letter = Some(letter);
    Ok((spec, &rest[letter.len_utf8()..]))
}

fn number(text: &str) -> Result<(usize, &str)> {
    let length = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if length == 0 {
        return Ok((0, text));
    }
    let number = text[..length].parse().map_err(|_| Fault::new("the width is too large"))?;
    Ok((width(number)?, &text[length..]))
}

fn width(width: i128) -> Result<usize> {
    usize::try_from(width)
        .ok()
        .filter(|width| *width <= SIZE_LIMIT)
        .ok_or_else(|| Fault::new("the width is too large"))
}

fn percent_value(value: &Datum, mut spec: Spec) -> Result<String> {
    match spec.letter {
        Some('s') => spec.letter = None,
        Some('r' | 'a') => {
            let text = Datum::text(value.repr()?);
            return written(&text, &Spec { letter: None, align: spec.align.or(Some('>')), ..spec });
        }
        Some('d' | 'i' | 'u') => {
            let whole = match value {
                Datum::Float(number) => Some(whole_part(*number)?),
                other => other.as_int(),
            };
            let whole = whole.ok_or_else(|| {
                Fault::new(format!("`%d` needs a number, not {}", value.what()))
                    .hint("make a number of text with `| int`")
            })?;
            spec.letter = Some('d');
            spec.align = spec.align.or(Some('>'));
            return written(&Datum::Int(whole), &spec);
        }
        Some('c' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => {}
        Some(letter) => {
            return Err(Fault::new(format!("`%{letter}` is no form of a value"))
                .hint("a percent sign itself is `%%`"));
        }
        None => {}
    }
    spec.align = spec.align.or(Some('>'));
    if spec.letter.is_none() {
        return written(&Datum::text(value.to_text()?), &Spec { zero: false, ..spec });
    }
    written(value, &spec)
}

/// `text.format(…)`: `{}`, `{0}`, `{name}`, `{0.key[1]!r:>8}`.
pub fn braces(
    text: &str,
    positional: &[Datum],
    named: &Map,
    get: &dyn Fn(&Datum, &Datum) -> Result<Datum>,
) -> Result<String> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let sign = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(sign) {
            out.push_str(sign);
            rest = after;
            continue;
        }
        let end = matching(rest).filter(|_| sign == "{").ok_or_else(|| {
            Fault::new(format!("a single `{sign}` in a format"))
                .hint("write `{{` and `}}` for the signs themselves")
        })?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (path, conversion) = field.split_once('!').unwrap_or((field, ""));
        let mut value = value_of(path, &mut next, positional, named, get)?;
        if conversion == "r" {
            value = Datum::text(value.repr()?);
        } else if conversion == "s" {
            value = Datum::text(value.to_text()?);
        }
        let spec = braces_inside(spec, &mut next, positional, named, get)?;
        out.push_str(&formatted(&value, &spec)?);
    }
    Ok(out + rest)
}

/// Where the brace that is open ends.
fn matching(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A width may be a value itself: `{:{width}}`.
fn braces_inside(
    spec: &str,
    next: &mut usize,
    positional: &[Datum],
    named: &Map,
    get: &dyn Fn(&Datum, &Datum) -> Result<Datum>,
) -> Result<String> {
    let mut out = String::new();
    let mut rest = spec;
    while let Some(at) = rest.find('{') {
        let end = rest[at..].find('}').ok_or_else(|| Fault::new("a single `{` in a format"))? + at;
        out.push_str(&rest[..at]);
        out.push_str(&value_of(&rest[at + 1..end], next, positional, named, get)?.to_text()?);
        rest = &rest[end + 1..];
    }
    Ok(out + rest)
}

fn value_of(
    path: &str,
    next: &mut usize,
    positional: &[Datum],
    named: &Map,
    get: &dyn Fn(&Datum, &Datum) -> Result<Datum>,
) -> Result<Datum> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let first = &path[..end];
    let mut value = match (first, first.parse::<usize>()) {
        ("", _) => {
            *next += 1;
            positional.get(*next - 1).cloned()
        }
        (_, Ok(index)) => positional.get(index).cloned(),
        (name, _) => named.get(&Datum::text(name)).cloned(),
    }
    .ok_or_else(|| Fault::new(format!("the format has no value for `{{{first}}}`")))?;
    let mut rest = &path[end..];
    while !rest.is_empty() {
        let key;
        (key, rest) = match rest.strip_prefix('[') {
            Some(inside) => {
                let end = inside.find(']').ok_or_else(|| Fault::new("`[` has no `]` in a format"))?;
                (&inside[..end], &inside[end + 1..])
            }
            None => {
                let inside = rest.trim_start_matches('.');
                let end = inside.find(['.', '[']).unwrap_or(inside.len());
                (&inside[..end], &inside[end..])
            }
        };
        let key = key.parse().map_or_else(|_| Datum::text(key), Datum::Int);
        value = get(&value, &key)?.defined()?;
    }
    Ok(value)
}

/// One value written as the text behind `:` says.
pub fn formatted(value: &Datum, spec: &str) -> Result<String> {
    if let Datum::Moment(moment) = value {
        return Ok(if spec.is_empty() { moment.to_string() } else { moment.format(spec) });
    }
    written(value, &format_spec(spec)?)
}

fn format_spec(text: &str) -> Result<Spec> {
    let mut spec = Spec::default();
    let letters: Vec<char> = text.chars().collect();
    let mut rest = text;
    let is_align = |letter: Option<&char>| letter.is_some_and(|letter| "<>=^".contains(*letter));
    if is_align(letters.get(1)) {
        (spec.fill, spec.align) = (Some(letters[0]), Some(letters[1]));
        rest = &rest[letters[0].len_utf8() + 1..];
    } else if is_align(letters.first()) {
        spec.align = Some(letters[0]);
        rest = &rest[1..];
    }
    let mut flag = |signs: &str| {
        let found = rest.chars().next().filter(|letter| signs.contains(*letter));
        rest = &rest[found.map_or(0, char::len_utf8)..];
        found
    };
    spec.sign = flag("+- ");
    spec.alternate = flag("#").is_some();
    spec.zero = flag("0").is_some();
    (spec.width, rest) = number(rest)?;
    if let Some(sign) = rest.chars().next().filter(|letter| ",_".contains(*letter)) {
        spec.grouping = Some(sign);
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after)?;
        (spec.precision, rest) = (Some(precision), after);
    }
    let mut left = rest.chars();
    spec.letter = left.next();
    match left.next() {
        None => Ok(spec),
        Some(_) => Err(Fault::new(format!("`{text}` is no form of a value"))),
    }
}

fn written(value: &Datum, spec: &Spec) -> Result<String> {
    let wrong = |letter: char| Fault::new(format!("the form `{letter}` does not fit {}", value.what()));
    let is_text = matches!(value, Datum::Text(_)) || (spec.letter.is_none() && spec.is_empty());
    let (negative, body) = match (spec.letter, value) {
        (Some('s'), _) if !is_text => return Err(wrong('s').hint("make text of it with `!s`: `{!s:>8}`")),
        (None, Datum::None | Datum::List(_) | Datum::Tuple(_) | Datum::Map(_)) if !is_text => {
            let fault = Fault::new(format!("{} has no width", value.what()));
            return Err(fault.hint("make text of it with `!s`: `{!s:>8}`"));
        }
        (
            None | Some('s'),
            Datum::Text(_) | Datum::None | Datum::Bool(_) | Datum::List(_) | Datum::Tuple(_) | Datum::Map(_),
        ) if is_text => {
            let text = value.to_text()?;
            let cut: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
            return Ok(padded(&cut, spec.width, fill, spec.align.unwrap_or('<')));
        }
        (None, Datum::Bool(truth)) => (false, u8::from(*truth).to_string()),
        (None | Some('d' | 'n'), Datum::Int(number)) => (*number < 0, number.unsigned_abs().to_string()),
        (Some('x' | 'X' | 'o' | 'b' | 'c' | 'd'), _) => {
            whole(value.as_int().ok_or_else(|| wrong(spec.letter.unwrap_or('d')))?, spec)?
        }
        (letter, _) => {
            let number = value.as_float().ok_or_else(|| wrong(letter.unwrap_or('f')))?;
            (number.is_sign_negative() && !number.is_nan(), float(number.abs(), spec))
        }
    };
    let body = match spec.grouping {
        Some(sign) => grouped(&body, sign),
        None => body,
    };
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    if spec.zero && spec.align != Some('<') || spec.align == Some('=') {
        let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
        return Ok(format!("{sign}{}", padded(&body, spec.width.saturating_sub(sign.len()), fill, '>')));
    }
    Ok(padded(&format!("{sign}{body}"), spec.width, spec.fill.unwrap_or(' '), spec.align.unwrap_or('>')))
}

fn whole(number: i128, spec: &Spec) -> Result<(bool, String)> {
    let absolute = number.unsigned_abs();
    let prefix = |prefix: &str| if spec.alternate { prefix.to_string() } else { String::new() };
    let body = match spec.letter {
        Some('x') => prefix("0x") + &format!("{absolute:x}"),
        Some('X') => prefix("0X") + &format!("{absolute:X}"),
        Some('o') => prefix("0o") + &format!("{absolute:o}"),
        Some('b') => prefix("0b") + &format!("{absolute:b}"),
        Some('c') => {
            let letter = u32::try_from(absolute).ok().and_then(char::from_u32);
            letter.ok_or_else(|| Fault::new(format!("{number} is no letter")))?.to_string()
        }
        _ => absolute.to_string(),
    };
    Ok((number < 0, body))
}

fn float(number: f64, spec: &Spec) -> String {
    let precision = spec.precision.unwrap_or(6);
    match spec.letter {
        Some('f' | 'F') => format!("{number:.precision$}"),
        Some('%') => format!("{:.precision$}%", number * 100.0),
        Some('e') => scientific(number, precision),
        Some('E') => scientific(number, precision).to_uppercase(),
        Some('g') => general(number, precision),
        Some('G') => general(number, precision).to_uppercase(),
        _ => match spec.precision {
            Some(precision) => general(number, precision),
            None => super::show::float(number),
        },
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%g`: so many digits, and an exponent only where it is shorter.
fn general(number: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let text = scientific(number, precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent_value: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent_value < -4 || exponent_value >= precision as i32 {
        return format!("{}e{exponent}", trimmed(digits));
    }
    let decimals = (precision as i32 - 1 - exponent_value).max(0) as usize;
    trimmed(&format!("{number:.decimals$}"))
}

fn grouped(body: &str, sign: char) -> String {
    let (whole, rest) = body.find('.').map_or((body, ""), |at| body.split_at(at));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(sign);
        }
        out.push(digit);
    }
    out + rest
}

/// Text as wide as `width`, filled as `align` says.
pub fn padded(text: &str, width: usize, fill: char, align: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let some = |count: usize| fill.to_string().repeat(count);
    match align {
        '<' => format!("{text}{}", some(missing)),
        '^' => format!("{}{text}{}", some(missing / 2), some(missing - missing / 2)),
        _ => format!("{}{text}", some(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_pythons() {
        let with = |text: &str, values: Datum| percent(text, &values).unwrap().to_text().unwrap();
        let pair = |one, other| Datum::tuple(vec![one, other]);
        assert_eq!(with("%s-%05d", pair(Datum::text("a"), Datum::Int(42))), "a-00042");
        assert_eq!(with("%-5s|%5.1f", pair(Datum::text("a"), Datum::Float(2.25))), "a    |  2.2");
        assert_eq!(with("%(x)s %%", Datum::record([("x", Datum::Int(1))])), "1 %");
        assert_eq!(with("%s", Datum::list(vec![Datum::Int(1)])), "[1]");
        assert_eq!(
            percent("%s", &pair(Datum::None, Datum::None)).unwrap_err().why,
            "there are more values than `%` in the text"
        );
    }

    #[test]
    fn formats_are_pythons() {
        let shown = |value: Datum, spec: &str| formatted(&value, spec).unwrap();
        assert_eq!(shown(Datum::Int(1_234_567), ","), "1,234,567");
        assert_eq!(shown(Datum::Int(7), "03d"), "007");
        assert_eq!(shown(Datum::Float(0.256), ".1%"), "25.6%");
        assert_eq!(shown(Datum::text("a"), "*^5"), "**a**");
        assert_eq!(shown(Datum::Int(255), "#x"), "0xff");
        assert_eq!(shown(Datum::Float(1234.5), "g"), "1234.5");
    }
}
