//! sshd's files: which of them is ours, what it should hold, and the whole configuration with it.

use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::nginx;
use crate::system::Probe;
use crate::wanted;
use std::ffi::OsString;
use std::path::Path;

/// Around our settings in a main file that includes nothing.
const BEGIN: &str = "# BEGIN WINDLASS";
const END: &str = "# END WINDLASS";

/// sshd's configuration as it is.
pub struct Files {
    /// The main file.
    pub config: HostPath,
    /// Its text.
    pub main: String,
    /// The file that our settings are in.
    pub ours: HostPath,
    /// What our settings are read from now.
    text: String,
    /// The line of the main file that includes ours, and the other files that it includes, in sshd's order.
    include: Option<(usize, Vec<HostPath>)>,
}

impl Files {
    /// Reads the main file, and finds out whether it includes `drop_in`.
    pub fn look(host: &dyn Probe, config: &HostPath, drop_in: &HostPath) -> Result<Self> {
        let main = wanted::text(host, config)?.ok_or_else(|| {
            Failure::new(format!("read {config}"), "there is no such file")
                .hint("the key config names sshd's main file")
        })?;
        let folder = HostPath::from(config.parent().unwrap_or(Path::new("/")));
        let name = drop_in.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let including = main.lines().position(|line| {
            let patterns = included(line).into_iter().map(|pattern| folder.join(pattern));
            patterns.into_iter().any(|pattern| {
                pattern.parent() == drop_in.parent() && nginx::is_included(&pattern.to_string(), &name)
            })
        });
        let Some(line) = including else {
            let text = inside(&main);
            return Ok(Files { config: config.clone(), main, ours: config.clone(), text, include: None });
        };
        let patterns = included(main.lines().nth(line).unwrap_or_default());
        let mut others = Vec::new();
        for pattern in patterns {
            others.extend(matching(host, &folder.join(pattern))?);
        }
        others.retain(|path| path != drop_in);
        let text = wanted::text(host, drop_in)?.unwrap_or_default();
        Ok(Files { config: config.clone(), main, ours: drop_in.clone(), text, include: Some((line, others)) })
    }

    /// What our file is to hold.
    pub fn with(&self, lines: &[(String, Vec<String>)]) -> String {
        let text =
            lines.iter().fold(self.text.clone(), |text, (keyword, values)| set(&text, keyword, values));
        match self.include {
            Some(_) => text,
            None if inside(&self.main) == text => self.main.clone(),
            // The first value counts, so that ours stand before all others.
            None => format!("{BEGIN}\n{text}{END}\n{}", outside(&self.main)),
        }
    }

    /// The whole configuration with our file holding `text`: the main file, in which each other file is included alone.
    pub fn candidate(&self, text: &str) -> String {
        let Some((at, others)) = &self.include else { return text.to_string() };
        let mut all: Vec<(&HostPath, String)> =
            others.iter().map(|path| (path, format!("Include {path}\n"))).collect();
        all.push((&self.ours, format!("{}\n", text.trim_end())));
        all.sort();
        let expanded: String = all.into_iter().map(|(_, text)| text).collect();
        let lines = self.main.lines().enumerate();
        lines.map(|(index, line)| if index == *at { expanded.clone() } else { format!("{line}\n") }).collect()
    }

    /// The first line elsewhere that sets a keyword, as `FILE:LINE`.
    pub fn who_sets(&self, host: &dyn Probe, keyword: &str) -> Result<Option<String>> {
        let others = self.include.iter().flat_map(|(_, others)| others).chain([&self.config]);
        for path in others {
            let text = match *path == self.ours {
                true => outside(&self.main),
                false => wanted::text(host, path)?.unwrap_or_default(),
            };
            if let Some(line) = text.lines().position(|line| is_of(line, keyword)) {
                return Ok(Some(format!("{path}:{}", line + 1)));
            }
        }
        Ok(None)
    }
}

/// The files that a pattern finds, by name.
fn matching(host: &dyn Probe, pattern: &HostPath) -> Result<Vec<HostPath>> {
    let folder = HostPath::from(pattern.parent().unwrap_or(Path::new("/")));
    if host.stat(&folder)?.is_none() {
        return Ok(Vec::new());
    }
    let fits = |name: &OsString| nginx::is_included(&pattern.to_string(), &name.to_string_lossy());
    let names = host.list(&folder)?.into_iter().filter(fits);
    Ok(names.map(|name| folder.join(Path::new(&name))).collect())
}

/// The settings as lines.
pub fn text_of(lines: &[(String, Vec<String>)]) -> String {
    let line = |keyword: &str, value: &String| format!("{keyword} {value}\n");
    lines.iter().flat_map(|(keyword, values)| values.iter().map(move |value| line(keyword, value))).collect()
}

/// The text with exactly these values of a keyword; its other lines stay as they are.
fn set(text: &str, keyword: &str, values: &[String]) -> String {
    let reach = text.lines().position(|line| is_of(line, "match")).unwrap_or(usize::MAX);
    let ours = |(index, line): (usize, &str)| index < reach && is_of(line, keyword);
    let there: Vec<&str> =
        text.lines().enumerate().filter(|line| ours(*line)).map(|(_, line)| value(line)).collect();
    if there == values {
        return text.to_string();
    }
    let new = text_of(&[(keyword.to_string(), values.to_vec())]);
    let at = text.lines().enumerate().position(ours).unwrap_or(reach.min(text.lines().count()));
    let mut all = String::new();
    for (index, line) in text.lines().enumerate() {
        if index == at {
            all += &new;
        }
        if !ours((index, line)) {
            all = all + line + "\n";
        }
    }
    if at >= text.lines().count() { all + &new } else { all }
}

fn words(line: &str) -> (&str, &str) {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    (keyword, rest.trim_start_matches(|c: char| c.is_whitespace() || c == '='))
}

fn is_of(line: &str, keyword: &str) -> bool {
    words(line).0.eq_ignore_ascii_case(keyword)
}

fn value(line: &str) -> &str {
    words(line).1.trim_end()
}

/// The patterns of an `Include` line.
fn included(line: &str) -> Vec<&str> {
    let (keyword, rest) = words(line);
    match keyword.eq_ignore_ascii_case("include") {
        true => rest.split_whitespace().map(|word| word.trim_matches('"')).collect(),
        false => Vec::new(),
    }
}

/// What stands between our marks.
fn inside(main: &str) -> String {
    let lines = main.lines().skip_while(|line| *line != BEGIN).skip(1).take_while(|line| *line != END);
    lines.map(|line| format!("{line}\n")).collect()
}

/// Everything but our marks and what is between them.
fn outside(main: &str) -> String {
    let Some((before, rest)) = main.split_once(&format!("{BEGIN}\n")) else { return main.to_string() };
    let after = rest.split_once(&format!("{END}\n")).map_or("", |(_, after)| after);
    format!("{before}{after}")
}
