//! What commands print while they run, as lines that each begin with their host.

use super::escape;
use super::style::{Style, Tone, padded};
use crate::model::event::Printed;

/// The lines of one piece. A line that is not over yet has a line of its own: lines of hosts are never mixed.
pub fn lines(host: &str, width: usize, printed: &Printed, style: Style) -> String {
    let margin = style.paint(Tone::Faint, &format!("{} |", padded(&escape::line(host), width)));
    let left_out = (printed.left_out > 0).then(|| left_out(printed.left_out));
    let text = texts(&printed.chunk).into_iter().map(|text| escape::bytes(text).trim_end().to_string());
    let lines = left_out.into_iter().chain(text);
    lines
        .map(|line| if line.is_empty() { format!("{margin}\n") } else { format!("{margin} {line}\n") })
        .collect()
}

/// The last line that says something.
pub fn last_line(printed: &Printed) -> Option<String> {
    let mut lines = texts(&printed.chunk).into_iter().rev().map(escape::bytes);
    lines.find(|line| !line.trim().is_empty()).map(|line| line.trim().to_string())
}

/// What stands where bytes are missing.
pub fn left_out(bytes: u64) -> String {
    format!("… {bytes} bytes left out …")
}

/// The lines, and what a progress bar draws over itself, one after the other.
fn texts(chunk: &[u8]) -> Vec<&[u8]> {
    let chunk = chunk.strip_suffix(b"\n").unwrap_or(chunk);
    let of_line = |line| -> Vec<&[u8]> {
        let line: &[u8] = line;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let drawn = || line.split(|byte| *byte == b'\r').filter(|part| !part.is_empty());
        if line.contains(&b'\r') { drawn().collect() } else { vec![line] }
    };
    chunk.split(|byte| *byte == b'\n').flat_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Stream;

    fn printed(left_out: u64, text: &str) -> Printed {
        Printed { step: 0, stream: Stream::Stdout, left_out, chunk: text.as_bytes().to_vec() }
    }

    fn shown(printed: &Printed) -> String {
        lines("web01", 6, printed, Style { color: false })
    }

    #[test]
    fn each_line_begins_with_its_host_and_obeys_no_terminal() {
        assert_eq!(shown(&printed(0, "one\n\ntwo\n")), "web01  | one\nweb01  |\nweb01  | two\n");
        assert_eq!(shown(&printed(0, "half a line")), "web01  | half a line\n");
        assert_eq!(shown(&printed(0, "\x1b[2Jgone\x07\n")), "web01  | \\x1b[2Jgone\\x07\n");
        assert_eq!(shown(&printed(0, "10%\r50%\r\n")), "web01  | 10%\nweb01  | 50%\n");
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(shown(&printed(4096, "end\n")), "web01  | … 4096 bytes left out …\nweb01  | end\n");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(&printed(0, "one\ntwo\n\n  \n")).as_deref(), Some("two"));
        assert_eq!(last_line(&printed(0, "10%\r20%\r")).as_deref(), Some("20%"));
        assert_eq!(last_line(&printed(0, "\n")), None);
    }
}
