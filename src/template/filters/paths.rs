//! Paths, taken apart and put together as text. Those that look at files look here.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;
use super::wrong;

pub const FILTERS: &[(&str, Function)] = &[
    ("basename", |_, arguments| one(arguments, |path| split(path).1.to_string())),
    ("dirname", |_, arguments| one(arguments, |path| split(path).0.to_string())),
    ("splitext", |_, arguments| splitext(arguments)),
    ("normpath", |_, arguments| one(arguments, normalized)),
    ("relpath", relpath),
    ("realpath", |machine, arguments| {
        let path = arguments.value_text()?;
        arguments.finish()?;
        machine.templates.outside().real_path(&path).map(Datum::text)
    }),
    ("expanduser", |machine, arguments| {
        let path = arguments.value_text()?;
        arguments.finish()?;
        expanduser(machine, &path).map(Datum::text)
    }),
    ("expandvars", expandvars),
    ("fileglob", |machine, arguments| {
        let pattern = arguments.value_text()?;
        arguments.finish()?;
        let found = machine.templates.outside().glob(&pattern)?;
        Ok(Datum::list(found.iter().map(Datum::text).collect()))
    }),
    ("path_join", path_join),
    ("commonpath", commonpath),
    ("win_basename", |_, arguments| one(arguments, |path| win_split(path).1.to_string())),
    ("win_dirname", |_, arguments| one(arguments, |path| win_split(path).0.to_string())),
    ("win_splitdrive", |_, arguments| win_splitdrive(arguments)),
];

fn one(arguments: &mut Arguments, make: fn(&str) -> String) -> Result<Datum> {
    let path = arguments.value_text()?;
    arguments.finish()?;
    Ok(Datum::text(make(&path)))
}

/// As Python splits: `/a/` ends with an empty name.
fn split(path: &str) -> (&str, &str) {
    let Some(at) = path.rfind('/') else { return ("", path) };
    let head = &path[..=at];
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, &path[at + 1..])
}

fn splitext(arguments: &mut Arguments) -> Result<Datum> {
    let path = arguments.value_text()?;
    arguments.finish()?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let leading = path[name..].len() - path[name..].trim_start_matches('.').len();
    let dot = path[name + leading..].rfind('.').map(|at| name + leading + at);
    let (root, extension) = path.split_at(dot.unwrap_or(path.len()));
    Ok(Datum::list(vec![Datum::text(root), Datum::text(extension)]))
}

/// Without `.`, `..` and double slashes.
fn normalized(path: &str) -> String {
    if path.is_empty() {
        return ".".to_string();
    }
    let slashes = match path {
        path if path.starts_with("//") && !path.starts_with("///") => "//",
        path if path.starts_with('/') => "/",
        _ => "",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if !slashes.is_empty() => {}
            _ => parts.push(part),
        }
    }
    let whole = format!("{slashes}{}", parts.join("/"));
    if whole.is_empty() { ".".to_string() } else { whole }
}

fn relpath(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let path = arguments.value_text()?;
    let start = arguments.text("start")?.unwrap_or_else(|| ".".to_string());
    arguments.finish()?;
    let absolute = |path: &str| -> Result<String> {
        match path.starts_with('/') {
            true => Ok(normalized(path)),
            false => Ok(normalized(&format!("{}/{path}", machine.templates.outside().real_path(".")?))),
        }
    };
    let (path, start) = (absolute(&path)?, absolute(&start)?);
    let parts =
        |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect::<Vec<_>>();
    let (path, start) = (parts(&path), parts(&start));
    let common = path.iter().zip(&start).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..".to_string(), start.len() - common);
    let whole = up.chain(path[common..].iter().cloned()).collect::<Vec<_>>().join("/");
    Ok(Datum::text(if whole.is_empty() { ".".to_string() } else { whole }))
}

fn expanduser(machine: &Machine, path: &str) -> Result<String> {
    let outside = machine.templates.outside();
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            Ok(outside.variable("HOME")?.unwrap_or_else(|| "~".to_string()) + rest)
        }
        Some("root") => Ok("/root".to_string()),
        Some(rest) if rest.starts_with("root/") => Ok(format!("/{rest}")),
        _ => Ok(path.to_string()),
    }
}

fn expandvars(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let path = arguments.value_text()?;
    arguments.finish()?;
    let mut out = String::new();
    let mut rest = path.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        let (name, after) = match inside.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            Some(found) => found,
            None => {
                let end = inside.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
                inside.split_at(end.unwrap_or(inside.len()))
            }
        };
        let value = if name.is_empty() { None } else { machine.templates.outside().variable(name)? };
        match value {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    Ok(Datum::text(out + rest))
}

fn path_join(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    let parts = match (&value, value.as_list()) {
        (Datum::Text(text), _) => vec![text.to_string()],
        (_, Some(items)) => items.iter().map(Datum::to_text).collect::<Result<Vec<_>>>()?,
        _ => return Err(wrong(&value, "text or a list")),
    };
    let mut whole = String::new();
    for part in parts {
        if part.starts_with('/') {
            whole = part;
        } else {
            let separated = whole.is_empty() || whole.ends_with('/');
            whole += if separated { "" } else { "/" };
            whole += &part;
        }
    }
    Ok(Datum::text(whole))
}

fn commonpath(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    arguments.finish()?;
    let paths = items.iter().map(Datum::to_text).collect::<Result<Vec<_>>>()?;
    let first = paths.first().ok_or_else(|| Fault::new("it needs at least one path"))?;
    let absolute = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != absolute) {
        return Err(Fault::new("absolute and relative paths have nothing in common"));
    }
    let parts = |path: &str| {
        path.split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let mut common = parts(first);
    for path in &paths[1..] {
        let same = common.iter().zip(parts(path)).take_while(|(one, other)| *one == other).count();
        common.truncate(same);
    }
    Ok(Datum::text(format!("{}{}", if absolute { "/" } else { "" }, common.join("/"))))
}

fn win_drive(path: &str) -> (&str, &str) {
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    path.split_at(if has_drive { 2 } else { 0 })
}

fn win_split(path: &str) -> (&str, &str) {
    let (drive, rest) = win_drive(path);
    let Some(at) = rest.rfind(['/', '\\']) else { return (drive, rest) };
    let head = rest[..=at].trim_end_matches(['/', '\\']);
    let length = if head.is_empty() { at + 1 } else { head.len() };
    (&path[..drive.len() + length], &rest[at + 1..])
}

fn win_splitdrive(arguments: &mut Arguments) -> Result<Datum> {
    let path = arguments.value_text()?;
    arguments.finish()?;
    let (drive, rest) = win_drive(&path);
    Ok(Datum::list(vec![Datum::text(drive), Datum::text(rest)]))
}
