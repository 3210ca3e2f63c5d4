//! The text of the two units.

use super::Timer;
use crate::model::duration::TimeSpan;

/// What a job that is started by itself, and that nobody watches, has no need for.
const HARDENED: &str = "\
NoNewPrivileges=true
PrivateTmp=true
PrivateDevices=true
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictSUIDSGID=true
LockPersonality=true
";

/// The service.
pub fn service(timer: &Timer) -> String {
    let mut text = head(timer);
    text.push_str("\n[Service]\nType=oneshot\n");
    text.push_str(&format!("ExecStart={}\n", timer.command.as_deref().unwrap_or_default()));
    text.extend(timer.user.iter().map(|user| format!("User={user}\n")));
    text.extend(
        timer.directory.iter().map(|path| format!("WorkingDirectory={}\n", specifiers(&path.to_string()))),
    );
    let variable = |(name, value): (&String, &crate::model::words::Word)| {
        format!("Environment={}\n", quoted(&format!("{name}={}", value.as_str())))
    };
    text.extend(timer.environment.iter().map(variable));
    text.extend(timer.timeout.iter().map(|timeout| format!("TimeoutStartSec={}\n", seconds(*timeout))));
    if timer.harden {
        text.push_str(HARDENED);
        text.extend(
            timer.writable.iter().map(|path| format!("ReadWritePaths={}\n", quoted(&path.to_string()))),
        );
    }
    text
}

/// The timer.
pub fn timer(timer: &Timer) -> String {
    let mut text = head(timer);
    text.push_str("\n[Timer]\n");
    text.extend(timer.calendar.iter().map(|calendar| format!("OnCalendar={calendar}\n")));
    let every = |every: &TimeSpan| format!("OnBootSec={0}\nOnUnitActiveSec={0}\n", seconds(*every));
    text.extend(timer.every.iter().map(every));
    if timer.jitter != TimeSpan::default() {
        text.push_str(&format!("RandomizedDelaySec={}\n", seconds(timer.jitter)));
    }
    // It counts for calendars only; the other kind runs soon after each boot anyway.
    if timer.calendar.is_some() && timer.persistent {
        text.push_str("Persistent=true\n");
    }
    text + "\n[Install]\nWantedBy=timers.target\n"
}

fn head(timer: &Timer) -> String {
    let description = timer.description.as_deref().unwrap_or(&timer.name);
    format!("# Made by windlass.\n[Unit]\nDescription={}\n", specifiers(description))
}

fn seconds(span: TimeSpan) -> String {
    let span = span.get();
    if span.subsec_millis() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ms", span.as_millis()) }
}

/// A percent sign begins a specifier of systemd's.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", specifiers(text).replace('\\', "\\\\").replace('"', "\\\""))
}
