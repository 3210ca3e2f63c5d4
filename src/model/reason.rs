//! The line of a command's output, or of a log, that says why a program failed.

/// Lines of an excerpt that a failure is reported with: enough for the reason, few enough to read.
pub const LINES: usize = 10;

/// Stands for lines that are left out.
const LEFT_OUT: &str = "…";

/// The last line that says something itself, else the last one. Of an error with a stack trace it is the line of the error.
pub fn reason(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = non_empty(&text);
    place(&lines).map(|place| lines[place].trim().to_string())
}

/// The end of a text, at most `most` lines without the empty ones. When the line that says why is further up, it comes
/// first, with what follows it, and the lines that are left out are marked. Services of a compose project share the lines.
pub fn excerpt(text: &str, most: usize) -> Vec<&str> {
    let lines = non_empty(text);
    let services: Vec<&[&str]> = lines.chunk_by(|one, next| name(one) == name(next)).collect();
    let named = services.iter().filter(|lines| name(lines[0]).is_some()).count();
    match named > 1 {
        true => services.iter().flat_map(|lines| end_of(lines, (most / named).max(3))).collect(),
        false => end_of(&lines, most),
    }
}

fn end_of<'a>(lines: &[&'a str], most: usize) -> Vec<&'a str> {
    let end = lines.len().saturating_sub(most);
    match place(lines) {
        Some(place) if place < end && most > 2 => {
            let head = most / 2;
            let tail = lines.len() - (most - head - 1);
            [&lines[place..place + head], &[LEFT_OUT], &lines[tail..]].concat()
        }
        _ => lines[end..].to_vec(),
    }
}

fn non_empty(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !without_name(line).trim().is_empty()).collect()
}

/// Which of the lines says why; `None` of none.
fn place(lines: &[&str]) -> Option<usize> {
    let bare: Vec<&str> = lines.iter().map(|line| without_name(line)).collect();
    let mut end = bare.iter().position(|line| line.starts_with("goroutine ")).unwrap_or(bare.len());
    while let Some(last) = end.checked_sub(1) {
        end = match opening(&bare[..end]) {
            Some(opening) if is_frame(bare[opening]) => opening,
            Some(opening) if bare[opening].trim() != "{" => return Some(opening),
            _ if is_frame(bare[last]) || points_elsewhere(bare[last]) => last,
            _ => return Some(last),
        };
    }
    lines.len().checked_sub(1)
}

/// What compose writes before each line of a container's log, and the line: `app-1` and `listening` of `app-1  | listening`.
fn named(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(" |")?;
    let name = name.trim_end();
    (!name.is_empty() && !name.contains([' ', '\t']))
        .then_some((name, rest.strip_prefix(' ').unwrap_or(rest)))
}

fn name(line: &str) -> Option<&str> {
    named(line).map(|(name, _)| name)
}

fn without_name(line: &str) -> &str {
    named(line).map_or(line, |(_, rest)| rest)
}

/// The line that opens the braces which the last one closes: node prints the fields of an error so, after its stack.
fn opening(lines: &[&str]) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, line) in lines.iter().enumerate().rev() {
        if line.trim_start().starts_with(['}', ']']) {
            depth += 1;
        }
        if line.trim_end().ends_with(['{', '[']) {
            depth = depth.checked_sub(1)?;
        }
        if depth == 0 {
            return (place + 1 < lines.len()).then_some(place);
        }
    }
    None
}

/// A line of a stack trace of node, Java, .NET, Rust, Ruby or PHP, which come after the error; Python's comes before it.
fn is_frame(line: &str) -> bool {
    let text = line.trim_start();
    let digits = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_numbered = digits.len() < text.len() && digits.starts_with(": ");
    let is_indented = text.len() < line.len();
    is_indented && (text.starts_with("at ") || text.starts_with("from ") || is_numbered)
        || text.starts_with("... ") && text.ends_with(" more")
        || text.starts_with('#') && text[1..].starts_with(|letter: char| letter.is_ascii_digit())
        || ["Stack trace:", "stack backtrace:", "thrown in ", "--- End of "]
            .iter()
            .any(|start| text.starts_with(start))
}

/// Lines that only say where the reason could be found, or which program it was, or repeat what was asked for.
fn points_elsewhere(line: &str) -> bool {
    let line = line.trim();
    let starts = [
        "See system logs and ",
        "See \"systemctl ",
        "Error: failed to start containers:",
        "See 'docker ",
        "Run 'docker ",
        "Node.js v",
        "note: run with `RUST_BACKTRACE",
        "note: Some details are omitted",
        "npm ERR! A complete log",
        "npm ERR!     /",
        "npm error A complete log",
    ];
    starts.iter().any(|start| line.starts_with(start))
        || line.contains("dmesg(1) may have more information")
        || line.starts_with('(') && line.ends_with(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        reason(text.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn lines_that_point_elsewhere_say_no_reason() {
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

    const NODE: &str = "node:net:1904\n      const ex = new UVExceptionWithHostPort(err, 'listen', address, port);\n                 ^\n\n\
        Error: listen EADDRINUSE: address already in use :::3000\n    at Server.setupListenHandle [as _listen2] (node:net:1904:16)\n    \
        at listenInCluster (node:net:1961:12)\n    at Server.listen (node:net:2063:7)\n    at Object.<anonymous> (/srv/app.js:3:4)\n    \
        at Module._compile (node:internal/modules/cjs/loader:1554:14)\n    at node:internal/main/run_main_module:36:49 {\n  code: 'EADDRINUSE',\n  \
        errno: -98,\n  address: {\n    family: 6\n  },\n  port: 3000\n}\n\nNode.js v22.14.0\n";

    #[test]
    fn of_a_stack_trace_the_error_says_why() {
        let why = "Error: listen EADDRINUSE: address already in use :::3000";
        assert_eq!(of(NODE), why);
        let compose = NODE.lines().map(|line| format!("app-1  | {line}\n")).collect::<String>();
        assert_eq!(of(&compose), format!("app-1  | {why}"));
        for (text, why) in [
            ("Error: no database {\n  code: 'X'\n}\n", "Error: no database {"),
            (
                "Exception in thread \"main\" java.lang.IllegalStateException: start\n\tat shop.Main.main(Main.java:5)\n\
                 Caused by: java.net.BindException: Address already in use\n\tat shop.Main.run(Main.java:9)\n\t... 1 more\n",
                "Caused by: java.net.BindException: Address already in use",
            ),
            (
                "Traceback (most recent call last):\n  File \"/srv/app.py\", line 1, in <module>\n    import flask\n\
                 ModuleNotFoundError: No module named 'flask'\n",
                "ModuleNotFoundError: No module named 'flask'",
            ),
            (
                "thread 'main' panicked at src/main.rs:2:5:\nno configuration\nstack backtrace:\n   0: std::panicking::begin_panic\n             \
                 at /rustc/1/library/std/src/panicking.rs:5:1\nnote: Some details are omitted, run with `RUST_BACKTRACE=full`\n",
                "no configuration",
            ),
            (
                "panic: no configuration\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:4 +0x2c\nexit status 2\n",
                "panic: no configuration",
            ),
            (
                "app.rb:2:in `start': no port (RuntimeError)\n\tfrom app.rb:5:in `<main>'\n",
                "app.rb:2:in `start': no port (RuntimeError)",
            ),
            (
                "PHP Fatal error:  Uncaught Exception: no table in /srv/a.php:3\nStack trace:\n#0 {main}\n  thrown in /srv/a.php on line 3\n",
                "PHP Fatal error:  Uncaught Exception: no table in /srv/a.php:3",
            ),
            (
                "Unhandled exception. System.IO.IOException: disk full\n   at Shop.Main() in /srv/Shop.cs:line 3\n",
                "Unhandled exception. System.IO.IOException: disk full",
            ),
            ("    at the end\n", "at the end"),
            ("{\n  \"level\": \"error\"\n}\n", "}"),
            ("listening | ready\nstopped\n", "stopped"),
        ] {
            assert_eq!(of(text), why);
        }
    }

    #[test]
    fn an_excerpt_has_the_line_that_says_why() {
        let log = format!("started\n{NODE}(app.service is down: exit-code, exit status 1)\n");
        let lines = excerpt(&log, 6);
        assert_eq!(lines[0], "Error: listen EADDRINUSE: address already in use :::3000");
        assert_eq!(lines[3..], ["…", "Node.js v22.14.0", "(app.service is down: exit-code, exit status 1)"]);
        assert_eq!(excerpt("a\n\nb\nc\n", 2), ["b", "c"]);
        let services: String = ["app", "db"].map(|name| format!("{name} | 1\n").repeat(20)).concat();
        assert_eq!(excerpt(&services, 6), ["app | 1", "app | 1", "app | 1", "db | 1", "db | 1", "db | 1"]);
        assert_eq!(excerpt("", 2), Vec::<&str>::new());
    }
}
