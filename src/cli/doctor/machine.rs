//! What of this machine matters: the program itself, the clock, the time zone, the terminal.

use super::Examined;
use crate::agent_binary;
use crate::report::style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::IsTerminal;
use std::time::SystemTime;

/// The program and the agents inside it.
pub fn versions() -> Vec<Examined> {
    let version = Examined::fine("windlass", env!("CARGO_PKG_VERSION"));
    let agents = match agent_binary::described() {
        Ok(agents) if agents.is_empty() => Examined::odd(
            "agent",
            "none is built in, so hosts are worked through their sh, which is slower",
            "build with `cargo build --release`, or name a directory with WINDLASS_AGENT_DIR",
        ),
        Ok(agents) => Examined::fine("agent", agents.join("; ")),
        Err(failure) => Examined::failure("agent", &failure),
    };
    vec![version, agents]
}

/// The clock, the time zone and the terminal.
pub fn surroundings() -> Vec<Examined> {
    vec![clock(SystemTime::now(), program_time()), time_zone(), terminal()]
}

/// When this program was built or installed: no right clock shows an earlier time.
fn program_time() -> Option<SystemTime> {
    std::fs::metadata(std::env::current_exe().ok()?).ok()?.modified().ok()
}

fn clock(now: SystemTime, program: Option<SystemTime>) -> Examined {
    let shown = |time: SystemTime| {
        Timestamp::try_from(time).map_or_else(|_| "?".to_string(), |time| format!("{time:.0}"))
    };
    match program.filter(|program| *program > now) {
        Some(program) => Examined::wrong(
            "clock",
            format!("it shows {}, and this program was installed at {}", shown(now), shown(program)),
            "set the clock: records, schedules and certificates depend on it",
        ),
        None => Examined::fine("clock", shown(now)),
    }
}

fn time_zone() -> Examined {
    let zone = TimeZone::system();
    match zone.iana_name() {
        Some(name) => Examined::fine("time zone", name),
        None => {
            Examined::odd("time zone", "the machine names none", "schedules without `timezone` run in UTC")
        }
    }
}

fn terminal() -> Examined {
    let term = std::env::var("TERM").unwrap_or_default();
    match (std::io::stdout().is_terminal(), style::columns()) {
        (true, Some(columns)) => Examined::fine("terminal", format!("{term}, {columns} columns")),
        _ => Examined::fine("terminal", "none: plain lines are written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use std::time::Duration;

    #[test]
    fn a_clock_before_the_program_is_wrong() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(clock(now, Some(now + Duration::from_secs(60))).state, State::Wrong);
        assert_eq!(clock(now, Some(now)).state, State::Fine);
        assert_eq!(clock(now, None).seen, "1970-01-01T00:16:40Z");
    }
}
