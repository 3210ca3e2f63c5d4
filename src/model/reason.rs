//! The line of a command's output that says why it failed.

/// The last line that says something itself, else the last one.
pub fn reason(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty()).peekable();
    let last = lines.peek().copied()?;
    let line = lines.find(|line| !points_elsewhere(line)).unwrap_or(last);
    Some(line.trim().to_string())
}

/// Lines that only say where the reason could be found, or repeat what was asked for.
fn points_elsewhere(line: &str) -> bool {
    let line = line.trim();
    let starts = [
        "See system logs and ",
        "See \"systemctl ",
        "Error: failed to start containers:",
        "See 'docker ",
        "Run 'docker ",
    ];
    starts.iter().any(|start| line.starts_with(start)) || line.contains("dmesg(1) may have more information")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_point_elsewhere_say_no_reason() {
        let of = |text: &str| reason(text.as_bytes()).unwrap_or_default();
        let mount = "mount: /srv/x: wrong fs type, bad option.\n       dmesg(1) may have more information after failed mount system call.\n";
        assert_eq!(of(mount), "mount: /srv/x: wrong fs type, bad option.");
        let docker =
            "Error response from daemon: network x not found\nError: failed to start containers: t\n\n";
        assert_eq!(of(docker), "Error response from daemon: network x not found");
        let systemctl = "Failed to restart cron.service: Access denied\nSee system logs and 'systemctl status cron.service' for details.\n";
        assert_eq!(of(systemctl), "Failed to restart cron.service: Access denied");
        assert_eq!(of("See system logs and more\n"), "See system logs and more");
        assert_eq!(reason(b"\n \n"), None);
    }
}
