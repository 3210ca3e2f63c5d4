//! Reads the tables `[schedule.NAME]` and `[notify.NAME]` of `windlass.toml`.

use super::notice::Event;
use super::notify::{Channel, Command, Encryption, Route, Secret, Smtp, Webhook};
use super::{Cron, Overlap, Schedule, Slots};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::Values;
use crate::setting::{Origin, Setting};
use crate::source::{Entry, Node};
use jiff::tz::TimeZone;
use std::time::Duration;

/// How long a run may take when nothing is said.
const TIMEOUT: Duration = Duration::from_secs(6 * 3600);

/// A jitter beyond a day would mix up the days.
const JITTER_MOST: Duration = Duration::from_secs(24 * 3600);

/// A run on time that has not ended well so long after its longest time is late.
const LATE_MARGIN: Duration = Duration::from_secs(60);

/// Longer names would not fit into the names of units and files with what comes around them.
const NAME_MOST: usize = 64;

/// Reads all schedules. Channels that they name must be among `channels`.
pub fn schedules(node: &Node, channels: &[Channel], problems: &mut Diagnostics) -> Vec<Schedule> {
    let read = |entry: &Entry| schedule(entry, channels, problems);
    tables(node, "schedule").iter().filter_map(read).collect()
}

/// Reads all channels.
pub fn channels(node: &Node, problems: &mut Diagnostics) -> Vec<Channel> {
    let read = |entry: &Entry| channel(entry, problems);
    tables(node, "notify").iter().filter_map(read).collect()
}

fn tables<'a>(node: &'a Node, key: &str) -> &'a [Entry] {
    node.get(key).and_then(Node::entries).unwrap_or_default()
}

fn schedule(entry: &Entry, channels: &[Channel], problems: &mut Diagnostics) -> Option<Schedule> {
    let before = problems.errors();
    check_name(entry, problems);
    let what = format!("`schedule.{}`", entry.key);
    let mut keys = Keys::of(&entry.node, &what, problems);
    let playbook = keys.string("playbook");
    let hosts = keys.string("hosts");
    let cron = cron(&entry.node, &mut keys);
    let timezone = keys.string("timezone");
    let zone = zone(timezone.as_deref(), &entry.node, &mut keys);
    let jitter = keys.duration("jitter").unwrap_or_default();
    if jitter > JITTER_MOST {
        keys.problem(Diagnostic::error("must be at most a day", entry.node.place_of("jitter")));
    }
    let catch_up = keys.boolean("catch_up").unwrap_or(false);
    let overlap = keys.read("overlap", "\"skip\" or \"wait\"", |node| overlap(node.as_str()?));
    let timeout = keys.duration("timeout").unwrap_or(TIMEOUT);
    if timeout.is_zero() {
        keys.problem(Diagnostic::error("must be more than nothing", entry.node.place_of("timeout")));
    }
    let late_after = keys.duration("late_after").unwrap_or(jitter + timeout + LATE_MARGIN);
    let (vars, settings) = vars(&mut keys);
    let notify = known_channels(&entry.node, channels, &mut keys);
    for (key, missing) in [("playbook", playbook.is_none()), ("cron", cron.is_none())] {
        if missing && entry.node.get(key).is_none() {
            keys.missing(key);
        }
    }
    keys.finish();
    if problems.errors() > before {
        return None;
    }
    let place = |key| entry.node.place_of(key).clone();
    Some(Schedule {
        name: entry.key.clone(),
        playbook: playbook?,
        playbook_place: place("playbook"),
        hosts,
        hosts_place: place("hosts"),
        vars,
        settings,
        slots: Slots { cron: cron?, zone },
        timezone,
        jitter,
        catch_up,
        overlap: overlap.unwrap_or_default(),
        timeout,
        late_after,
        notify,
    })
}

/// Names become names of files and of systemd units.
fn check_name(entry: &Entry, problems: &mut Diagnostics) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let starts_well = entry.key.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !starts_well || !entry.key.bytes().all(plain) || entry.key.len() > NAME_MOST {
        let problem = Diagnostic::error(format!("`{}` is no name", entry.key), &entry.place);
        problems.push(problem.hint("letters, digits, `-` and `_`, at most 64, the first a letter or digit"));
    }
}

fn cron(node: &Node, keys: &mut Keys) -> Option<Cron> {
    let text = keys.string("cron")?;
    let told = |failure| keys.problem(Diagnostic::failure(&failure, node.place_of("cron")));
    Cron::parse(&text).map_err(told).ok()
}

fn zone(name: Option<&str>, node: &Node, keys: &mut Keys) -> TimeZone {
    let Some(name) = name else { return TimeZone::system() };
    TimeZone::get(name).unwrap_or_else(|_| {
        let problem = Diagnostic::error(format!("there is no time zone `{name}`"), node.place_of("timezone"));
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        keys.problem(match known.is_empty() {
            true => problem.hint("this machine knows no time zones: install the package tzdata"),
            false => problem.nearest(name, known.iter().map(String::as_str)),
        });
        TimeZone::UTC
    })
}

fn overlap(word: &str) -> Option<Overlap> {
    match word {
        "skip" => Some(Overlap::Skip),
        "wait" => Some(Overlap::Wait),
        _ => None,
    }
}

fn vars(keys: &mut Keys) -> (Values, Vec<Setting>) {
    let entries = keys.entries("vars");
    let setting =
        |entry: &Entry| Setting::new(&entry.key, entry.node.value(), &entry.node.place, Origin::CommandLine);
    let values = entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect();
    (values, entries.iter().map(setting).collect())
}

fn known_channels(node: &Node, channels: &[Channel], keys: &mut Keys) -> Vec<String> {
    let names = keys.strings("notify");
    for name in &names {
        if !channels.iter().any(|channel| channel.name == *name) {
            let problem =
                Diagnostic::error(format!("there is no `[notify.{name}]`"), node.place_of("notify"));
            keys.problem(problem.nearest(name, channels.iter().map(|channel| channel.name.as_str())));
        }
    }
    names
}

fn channel(entry: &Entry, problems: &mut Diagnostics) -> Option<Channel> {
    let before = problems.errors();
    check_name(entry, problems);
    let what = format!("`notify.{}`", entry.key);
    let mut keys = Keys::of(&entry.node, &what, problems);
    let on = keys.node("on").map_or_else(|| Event::USUAL.to_vec(), |node| events(node, &mut keys));
    let webhook = keys.string("webhook").map(|url| Route::Webhook(Webhook { url: Secret::new(url) }));
    let argv = keys.strings("command");
    let command = (!argv.is_empty()).then_some(Route::Command(Command { argv }));
    let smtp = keys.node("smtp");
    let routes =
        usize::from(webhook.is_some()) + usize::from(command.is_some()) + usize::from(smtp.is_some());
    if routes != 1 {
        let message = "one of `webhook`, `command` and `smtp` is needed";
        keys.problem(Diagnostic::error(message, &entry.place));
    }
    keys.finish();
    let smtp = smtp.and_then(|node| self::smtp(node, problems)).map(Route::Smtp);
    let route = webhook.or(command).or(smtp);
    (problems.errors() == before).then_some(())?;
    Some(Channel { name: entry.key.clone(), on, route: route? })
}

fn events(node: &Node, keys: &mut Keys) -> Vec<Event> {
    let words = crate::keys::strings(node).unwrap_or_default();
    let read: Vec<Event> = words.iter().filter_map(|word| Event::read(word)).collect();
    if read.is_empty() || read.len() != words.len() {
        let expected = "a list of \"failed\", \"late\", \"recovered\" and \"succeeded\"";
        keys.problem(Diagnostic::error(format!("expected {expected}"), &node.place));
    }
    read
}

fn smtp(node: &Node, problems: &mut Diagnostics) -> Option<Smtp> {
    let mut keys = Keys::of(node, "`smtp`", problems);
    let (host, from, to) = (keys.string("host"), keys.string("from"), keys.strings("to"));
    let tls = keys.read("tls", "\"starttls\", \"tls\" or \"none\"", |node| Encryption::read(node.as_str()?));
    let port = keys.read("port", "a port, 1 to 65535", |node| {
        u16::try_from(node.value().as_u64()?).ok().filter(|port| *port > 0)
    });
    let user = keys.string("user");
    let is_reference = |text: &str| text.starts_with("env:") || text.starts_with("file:");
    let password = keys.read("password", "\"env:NAME\" or \"file:PATH\"", |node| {
        Some(Secret::new(node.as_str().filter(|text| is_reference(text))?.to_string()))
    });
    for (key, missing) in [("host", host.is_none()), ("from", from.is_none()), ("to", to.is_empty())] {
        if missing && node.get(key).is_none() {
            keys.missing(key);
        }
    }
    if node.get("user").is_some() != node.get("password").is_some() {
        keys.problem(Diagnostic::error("`user` and `password` go together", &node.place));
    }
    let tls = tls.unwrap_or_default();
    if tls == Encryption::None && password.is_some() && !is_loopback(host.as_deref().unwrap_or_default()) {
        let problem = Diagnostic::error("a password would travel in clear text", node.place_of("tls"));
        keys.problem(problem.hint("use \"starttls\" or \"tls\""));
    }
    keys.finish();
    Some(Smtp { host: host?, port, tls, user, password, from: from?, to })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests;
