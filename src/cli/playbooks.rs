//! `windlass playbooks [NAME]`: the playbooks that can be run by their name, and what each takes.

use super::{Done, Global, answer, answer_json};
use crate::model::Value;
use crate::playbook::Playbook;
use crate::playbook::catalogue::{self, Owner};
use crate::playbook::params::{Param, ParamKind};
use crate::project::Project;
use crate::report::{Format, style};
use crate::source::Source;
use serde_json::json;
use std::ffi::OsString;

/// List the playbooks, or show what one does and takes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name from the list, or the path of a file
    #[arg(value_name = "NAME|PATH")]
    name: Option<String>,
    /// Print the text of the playbook
    #[arg(long, requires = "name")]
    source: bool,
}

/// Prints the list, a page or a text.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    match args.name {
        None => list(&project, global),
        Some(name) if args.source => answer(&catalogue::source(&project, &name)?.text),
        Some(name) => show(&project, &name, global),
    }
}

/// `run playbook NAME --help`: shows the playbook's page in place of the options. Whether there was one to show.
pub fn help(arguments: &[OsString]) -> bool {
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let ["run", "playbook", name, ..] = words[..] else { return false };
    let Ok(here) = std::env::current_dir() else { return false };
    let project = Project::find(None, &here).unwrap_or_else(|_| super::no_project(&here));
    if name.starts_with('-') {
        return false;
    }
    let Ok(page) = catalogue::source(&project, name).and_then(|source| {
        let playbook = Playbook::read(&project, &source)?;
        Ok(page(&playbook, &source))
    }) else {
        return false;
    };
    let options = "\n`windlass run playbook --help` shows the options.\n";
    answer(&(page + options)).is_ok()
}

fn list(project: &Project, global: &Global) -> Done {
    let mut rows: Vec<(String, Owner, String)> = Vec::new();
    for (name, owner) in catalogue::all(project)? {
        // One that cannot be read is in the list all the same; `lint` says what is wrong with it.
        let unreadable = || Some("cannot be read: `windlass lint` says why".to_string());
        let description =
            Playbook::find(project, &name).map_or_else(|_| unreadable(), |found| found.description);
        rows.push((name, owner, description.unwrap_or_default()));
    }
    if global.format() != Format::Human {
        let row = |(name, owner, description): &(String, Owner, String)| json!({ "name": name, "from": owner.as_str(), "description": description });
        return answer_json(&Value::Array(rows.iter().map(row).collect()));
    }
    let width = style::widest(rows.iter().map(|(name, ..)| name.as_str()));
    let line = |(name, _, description): &(String, Owner, String)| {
        format!("  {}  {description}\n", style::padded(name, width))
    };
    let of = |owner| rows.iter().filter(move |row| row.1 == owner).map(line).collect::<String>();
    let (own, shipped) = (of(Owner::Project), of(Owner::Shipped));
    let own = if own.is_empty() { own } else { format!("project:\n{own}\n") };
    answer(&format!(
        "{own}shipped:\n{shipped}\nwindlass playbooks NAME shows what a playbook does and its params\n"
    ))
}

fn show(project: &Project, name: &str, global: &Global) -> Done {
    let source = catalogue::source(project, name)?;
    let playbook = Playbook::read(project, &source)?;
    if global.format() == Format::Human {
        return answer(&page(&playbook, &source));
    }
    let params: Vec<Value> = playbook.params.iter().map(param).collect();
    let plays = playbook.plays.iter().map(|play| json!({ "name": play.title, "hosts": play.hosts.text }));
    let described = json!({
        "name": playbook.name,
        "description": playbook.description,
        "about": about(&source.text),
        "hosts": playbook.hosts.as_ref().map(|hosts| &hosts.text),
        "plays": plays.collect::<Vec<_>>(),
        "params": params,
        "steps": playbook.steps.iter().map(|step| step.title()).collect::<Vec<_>>(),
    });
    answer_json(&described)
}

fn page(playbook: &Playbook, source: &Source) -> String {
    let mut text = format!("{} ({})\n", playbook.name, source.name);
    for part in [playbook.description.clone().unwrap_or_default(), about(&source.text)] {
        if !part.is_empty() {
            text += &format!("\n{part}\n");
        }
    }
    if !playbook.plays.is_empty() {
        text += "\nplays, one after the other:\n";
        for play in &playbook.plays {
            text += &format!("  {}  ({})\n", play.title, play.hosts.text);
        }
    }
    if playbook.params.is_empty() {
        return text + "\nIt takes no params.\n";
    }
    text += "\nparams, given as -e NAME=VALUE (* required):\n";
    let name_width = style::widest(playbook.params.iter().map(|param| param.name.as_str()));
    let kinds: Vec<String> = playbook.params.iter().map(|param| kind(&param.kind)).collect();
    let kind_width = style::widest(kinds.iter().map(String::as_str));
    for (param, kind) in playbook.params.iter().zip(&kinds) {
        let mark = if param.required { "*" } else { " " };
        let (name, kind) = (style::padded(&param.name, name_width), style::padded(kind, kind_width));
        let default = param.default.as_ref().map(|node| format!(" [{}]", node.value())).unwrap_or_default();
        let about = format!("{}{default}", param.help.as_deref().unwrap_or_default());
        text += &format!("{}\n", format!("{mark} {name}  {kind}  {}", about.trim_start()).trim_end());
    }
    text
}

fn kind(kind: &ParamKind) -> String {
    match kind {
        ParamKind::OneOf(choices) => choices.join("|"),
        _ => kind.as_str().to_string(),
    }
}

fn param(param: &Param) -> Value {
    let choices = match &param.kind {
        ParamKind::OneOf(choices) => Some(choices),
        _ => None,
    };
    json!({
        "name": param.name,
        "type": param.kind.as_str(),
        "choices": choices,
        "required": param.required,
        "default": param.default.as_ref().map(|node| node.value()),
        "help": param.help,
    })
}

/// The comment at the top of the file: what the playbook does, what it needs, how it is called.
fn about(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let lines: Vec<&str> = comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_at_the_top_is_what_a_playbook_is_about() {
        assert_eq!(
            about("# One.\n#\n#   windlass run\n\ndescription = \"a\" # b\n"),
            "One.\n\n  windlass run"
        );
        assert_eq!(about("description = \"a\"\n# later\n"), "");
    }
}
