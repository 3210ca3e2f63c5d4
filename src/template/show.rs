//! Values as text, the way Python writes them: `True`, `None`, `[1, 'a']`.

use super::fault::{Fault, Result};
use super::value::{Datum, Map, locked};

impl Datum {
    /// As `str()` gives it: text is itself.
    pub fn to_text(&self) -> Result<String> {
        match self {
            Datum::Text(text) => Ok(text.to_string()),
            other => {
                let mut text = String::new();
                other.write_repr(&mut text)?;
                Ok(text)
            }
        }
    }

    /// As `repr()` gives it: text has quotes.
    pub fn repr(&self) -> Result<String> {
        let mut text = String::new();
        self.write_repr(&mut text)?;
        Ok(text)
    }

    fn write_repr(&self, out: &mut String) -> Result<()> {
        match self {
            Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
            Datum::Omitted => {
                return Err(Fault::new("a value that is not set has no text")
                    .hint("say what it is then with `| default(…)`"));
            }
            Datum::None => out.push_str("None"),
            Datum::Bool(true) => out.push_str("True"),
            Datum::Bool(false) => out.push_str("False"),
            Datum::Int(number) => out.push_str(&number.to_string()),
            Datum::Float(number) => out.push_str(&float(*number)),
            Datum::Text(text) => write_quoted(text, out),
            Datum::List(items) => write_all(items, ["[", "]"], out)?,
            Datum::Tuple(items) if items.len() == 1 => write_all(items, ["(", ",)"], out)?,
            Datum::Tuple(items) => write_all(items, ["(", ")"], out)?,
            Datum::Map(map) => write_map(map, out)?,
            Datum::Namespace(map) => {
                out.push_str("<Namespace ");
                write_map(&locked(map), out)?;
                out.push('>');
            }
            Datum::Object(_) => write_map(&self.as_map().unwrap_or_default(), out)?,
            Datum::Moment(moment) => out.push_str(&moment.to_string()),
            Datum::Length(length) => out.push_str(&length.to_string()),
            Datum::Callable(_) => return Err(Fault::new("a function has no text").hint("call it: name()")),
        }
        Ok(())
    }
}

fn write_all(items: &[Datum], [open, close]: [&str; 2], out: &mut String) -> Result<()> {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        item.write_repr(out)?;
    }
    out.push_str(close);
    Ok(())
}

fn write_map(map: &Map, out: &mut String) -> Result<()> {
    out.push('{');
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        key.write_repr(out)?;
        out.push_str(": ");
        value.write_repr(out)?;
    }
    out.push('}');
    Ok(())
}

/// Text in the quotes that Python chooses.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == quote => {
                out.push('\\');
                out.push(letter);
            }
            letter if (letter as u32) < 0x20 || letter as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", letter as u32));
            }
            letter if (0x80..0xa1).contains(&(letter as u32)) => {
                out.push_str(&format!("\\x{:02x}", letter as u32));
            }
            letter => out.push(letter),
        }
    }
    out.push(quote);
}

/// The shortest digits that give the number back, written as Python does.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match exponent {
        -4..16 => {
            let plain = number.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        _ => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let shown = [1.0, 0.1, 1e16, 1.5e-7, -2.5, 1e100, 123456789.0].map(float);
        assert_eq!(shown, ["1.0", "0.1", "1e+16", "1.5e-07", "-2.5", "1e+100", "123456789.0"]);
        let list =
            Datum::list(vec![Datum::text("it's"), Datum::text("a\"b"), Datum::None, Datum::Bool(true)]);
        assert_eq!(list.to_text().unwrap(), r#"["it's", 'a"b', None, True]"#);
        assert_eq!(Datum::tuple(vec![Datum::Int(1)]).to_text().unwrap(), "(1,)");
    }
}
