//! Schedules to test with, read from the text of a `windlass.toml`.

use super::notify::Channel;
use super::{Schedule, config};
use crate::diagnostic::Diagnostics;
use crate::source::{Node, Source};
use jiff::Timestamp;

/// What a file says of schedules and channels, or what is wrong with it.
pub fn read(text: &str) -> Result<(Vec<Schedule>, Vec<Channel>), String> {
    let node = Node::parse(&Source::new("windlass.toml", text)).map_err(|problems| problems.plain())?;
    let mut problems = Diagnostics::default();
    let channels = config::channels(&node, &mut problems);
    let schedules = config::schedules(&node, &channels, &mut problems);
    problems.unless_errors((schedules, channels)).map_err(|problems| problems.plain())
}

/// The schedule `nightly` with these keys, and a channel `ops`.
pub fn schedule(keys: &str) -> (Schedule, Vec<Channel>) {
    let text = format!(
        "[notify.ops]\ncommand = \"true\"\non = [\"failed\", \"late\", \"recovered\", \"succeeded\"]\n\
         [schedule.nightly]\nplaybook = \"backup\"\nhosts = \"prod\"\nnotify = \"ops\"\n{keys}\n"
    );
    let (schedules, channels) = read(&text).unwrap();
    (schedules.into_iter().next().unwrap(), channels)
}

/// A moment.
pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
