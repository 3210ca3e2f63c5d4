//! Filters over text.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::format::percent;
use super::super::machine::Machine;
use super::super::methods;
use super::super::value::Datum;
use super::regex::pattern;

pub const FILTERS: &[(&str, Function)] = &[
    ("upper", |_, arguments| method(arguments, "upper")),
    ("lower", |_, arguments| method(arguments, "lower")),
    ("capitalize", |_, arguments| method(arguments, "capitalize")),
    ("title", title),
    ("trim", |_, arguments| method(arguments, "strip")),
    ("replace", |_, arguments| method(arguments, "replace")),
    ("split", |_, arguments| method(arguments, "split")),
    ("splitlines", |_, arguments| method(arguments, "splitlines")),
    ("lines", |_, arguments| method(arguments, "splitlines")),
    ("center", center),
    ("string", string),
    ("safe", string),
    ("format", format),
    ("indent", indent),
    ("truncate", truncate),
    ("wordcount", wordcount),
    ("escape", escape),
    ("e", escape),
    ("forceescape", escape),
    ("striptags", striptags),
    ("pprint", pprint),
    ("xmlattr", xmlattr),
    ("comment", comment),
];

/// A filter that is a method of text.
fn method(arguments: &mut Arguments, name: &str) -> Result<Datum> {
    let text = Datum::text(arguments.value_text()?);
    methods::call(&text, name, arguments)
}

/// Every word with a capital letter, where words are parted by white space, `-` and brackets.
fn title(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let mut out = String::new();
    let mut starts = true;
    for letter in text.chars() {
        match starts {
            true => out.extend(letter.to_uppercase()),
            false => out.extend(letter.to_lowercase()),
        }
        starts = letter.is_whitespace() || "-([{<".contains(letter);
    }
    Ok(Datum::text(out))
}

fn center(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = Datum::text(arguments.value_text()?);
    let width = arguments.take("width").unwrap_or(Datum::Int(80));
    arguments.finish()?;
    methods::call(&text, "center", &mut Arguments::new(vec![width], Vec::new()))
}

fn string(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    Ok(Datum::text(text))
}

/// `'%s-%s' | format(a, b)`, or with names.
fn format(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let positional = arguments.rest();
    let named = arguments.rest_named();
    if named.is_empty() {
        return percent(&text, &Datum::tuple(positional));
    }
    if !positional.is_empty() {
        return Err(Fault::new("it takes values by place or by name, not both"));
    }
    percent(&text, &Datum::map(named.into_iter().map(|(name, value)| (Datum::text(name), value)).collect()))
}

fn indent(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let width = arguments.take("width").unwrap_or(Datum::Int(4));
    let (first, blank) = (arguments.flag("first")?, arguments.flag("blank")?);
    arguments.finish()?;
    let indent = match &width {
        Datum::Text(text) => text.to_string(),
        other => {
            " ".repeat(other.as_int().and_then(|width| usize::try_from(width).ok()).unwrap_or(0).min(1000))
        }
    };
    let ended = format!("{text}\n");
    let lines: Vec<&str> = ended.lines().collect();
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if (at == 0 && first) || (at > 0 && (blank || !line.is_empty())) {
            out.push_str(&indent);
        }
        out.push_str(line);
    }
    Ok(Datum::text(out))
}

fn truncate(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let length = arguments.count("length")?.unwrap_or(255);
    let cuts_words = arguments.flag("killwords")?;
    let end = arguments.text("end")?.unwrap_or_else(|| "...".to_string());
    let leeway = arguments.count("leeway")?.unwrap_or(5);
    arguments.finish()?;
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= length.saturating_add(leeway) {
        return Ok(Datum::text(text));
    }
    let kept = length.checked_sub(end.chars().count());
    let kept = kept.ok_or_else(|| Fault::new(format!("a length of {length} has no room for `{end}`")))?;
    let head: String = letters[..kept].iter().collect();
    let head = if cuts_words {
        head.as_str()
    } else {
        head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head)
    };
    Ok(Datum::text(format!("{head}{end}")))
}

fn wordcount(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let letters: Vec<char> = text.chars().collect();
    Ok(Datum::count(pattern(r"\w+", false, false)?.find_all(&letters, usize::MAX)?.len()))
}

/// Text whose signs HTML would understand.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

fn escape(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    Ok(Datum::text(escaped(&text)))
}

fn striptags(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let (text, _) = pattern("(?s)<!--.*?-->|<[^>]*>", false, false)?.replace(&text, "", usize::MAX)?;
    let plain =
        [("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let text = plain.iter().fold(text, |text, (code, sign)| text.replace(code, sign));
    Ok(Datum::text(text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

fn pprint(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    value.repr().map(Datum::text)
}

fn xmlattr(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let spaced = arguments.take("autospace").map_or(Ok(true), |flag| flag.truth())?;
    arguments.finish()?;
    let map = value.as_map().ok_or_else(|| super::wrong(&value, "a map"))?;
    let mut parts = Vec::new();
    for (key, value) in map.iter().filter(|(_, value)| !matches!(value, Datum::None | Datum::Undefined(_))) {
        parts.push(format!("{}=\"{}\"", escaped(&key.to_text()?), escaped(&value.to_text()?)));
    }
    let whole = parts.join(" ");
    Ok(Datum::text(if spaced && !whole.is_empty() { format!(" {whole}") } else { whole }))
}

/// The signs of a style: what begins it, what stands before each line, what ends it.
const STYLES: &[(&str, [&str; 3])] = &[
    ("plain", ["", "# ", ""]),
    ("erlang", ["", "% ", ""]),
    ("c", ["", "// ", ""]),
    ("cblock", ["/*", " * ", " */"]),
    ("xml", ["<!--", " - ", "-->"]),
];

fn comment(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let style = arguments.text("style")?.unwrap_or_else(|| "plain".to_string());
    let Some((_, [begins, decorates, ends])) = STYLES.iter().find(|(name, _)| *name == style) else {
        let names: Vec<&str> = STYLES.iter().map(|(name, _)| *name).collect();
        return Err(Fault::new(format!("there is no style `{style}`"))
            .hint(format!("there are: {}", names.join(", "))));
    };
    let mut option = |name: &'static str, usual: &str| -> Result<String> {
        arguments.named(name).map_or(Ok(usual.to_string()), |value| value.to_text())
    };
    let decoration = option("decoration", decorates)?;
    let edge = decoration.trim_end().to_string();
    let (newline, beginning) = (option("newline", "\n")?, option("beginning", begins)?);
    let (prefix, postfix) = (option("prefix", &edge)?, option("postfix", &edge)?);
    let end = option("end", ends)?;
    let mut times = |name: &'static str| {
        arguments.named(name).and_then(|count| count.as_int()).unwrap_or(1).clamp(0, 1000) as usize
    };
    let (prefixes, postfixes) = (times("prefix_count"), times("postfix_count"));
    arguments.finish()?;
    let mut out = String::new();
    if !beginning.is_empty() {
        out += &format!("{beginning}{newline}");
    }
    if !prefix.is_empty() {
        out +=
            &if prefix == newline { newline.clone() } else { format!("{prefix}{newline}") }.repeat(prefixes);
    }
    let body = decoration.clone() + &text.replace(&newline, &format!("{newline}{decoration}"));
    out += &body.replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end()));
    out += &format!("{newline}{postfix}").repeat(postfixes);
    if !end.is_empty() {
        out += &format!("{newline}{end}");
    }
    Ok(Datum::text(out))
}
