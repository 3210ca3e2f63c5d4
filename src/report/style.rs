//! Colours, widths and times as people see them.

use crate::model::outcome::{HostOutcome, StepOutcome};
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How text is made up for where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are wanted and understood there.
    pub color: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Something changed, or would.
    Changed,
    /// Something is wrong.
    Bad,
    /// Something cannot be known.
    Unsure,
    /// Of less importance.
    Faint,
    /// Of more importance.
    Strong,
}

impl Style {
    /// The text in a colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Changed => "33",
            Tone::Bad => "31",
            Tone::Unsure => "35",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A unified diff with its lines coloured.
    pub fn diff(self, diff: &str) -> String {
        let lines = diff.lines().map(|line| match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => self.paint(Tone::Strong, line),
            [b'+', ..] => self.paint(Tone::Good, line),
            [b'-', ..] => self.paint(Tone::Bad, line),
            [b'@', ..] => self.paint(Tone::Faint, line),
            _ => line.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The word for a step's outcome.
pub fn step_word(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::WouldChange => "would change",
        outcome => outcome.as_str(),
    }
}

/// The colour of a step's outcome.
pub fn step_tone(outcome: StepOutcome) -> Tone {
    match outcome {
        StepOutcome::Ok => Tone::Good,
        StepOutcome::Changed | StepOutcome::WouldChange => Tone::Changed,
        StepOutcome::Skipped => Tone::Faint,
        StepOutcome::Failed => Tone::Bad,
        StepOutcome::Unknown => Tone::Unsure,
    }
}

/// The word for a host's outcome.
pub fn host_word(outcome: HostOutcome, check: bool) -> &'static str {
    match outcome {
        HostOutcome::Changed if check => "would change",
        HostOutcome::Undone if check => "would be undone",
        HostOutcome::PartlyUndone if check => "would be partly undone",
        HostOutcome::PartlyUndone => "partly undone",
        outcome => outcome.as_str(),
    }
}

/// The colour of a host's outcome.
pub fn host_tone(outcome: HostOutcome) -> Tone {
    match outcome {
        HostOutcome::Ok => Tone::Good,
        HostOutcome::Changed => Tone::Changed,
        HostOutcome::Failed | HostOutcome::PartlyUndone | HostOutcome::Unreachable => Tone::Bad,
        HostOutcome::Undone | HostOutcome::Unknown => Tone::Unsure,
        HostOutcome::Cancelled => Tone::Faint,
    }
}

/// A time such as `0.4s`, `12s`, `3m05s` or `1h02m`.
pub fn time(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", took.as_millis() as f64 / 1000.0),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The text and as many spaces as it takes to fill `width` columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// As much of the text as `width` columns hold; `…` stands for what is cut off.
pub fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut room = width.saturating_sub(1);
    let fits = text.chars().take_while(|character| match room.checked_sub(character.width().unwrap_or(0)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    });
    let mut cut: String = fits.collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// How wide the terminal behind standard output is, where it says.
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// Rows under each other, two spaces between columns; the first row is the title.
pub fn table<const N: usize>(rows: &[[String; N]], style: Style) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| widest(rows.iter().map(|row| row[column].as_str())));
    let lines = rows.iter().enumerate().map(|(number, row)| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        let line = cells.join("  ").trim_end().to_string();
        if number == 0 { style.paint(Tone::Faint, &line) + "\n" } else { line + "\n" }
    });
    lines.collect()
}

/// The columns that the widest of these texts needs.
pub fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(UnicodeWidthStr::width).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_filled_by_what_they_measure_on_the_screen() {
        for (text, width, shown) in
            [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("名前名前", 5, "名前…"), ("ab", 0, "")]
        {
            assert_eq!(fitted(text, width), shown);
        }
        assert_eq!(padded("名", 4), "名  ");
    }

    #[test]
    fn times_are_short() {
        let shown = [400, 9_960, 59_900, 185_000, 3_725_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(shown, ["0.4s", "10.0s", "59s", "3m05s", "1h02m"]);
    }

    #[test]
    fn a_diff_is_coloured_by_line() {
        let style = Style { color: true };
        assert_eq!(
            style.diff("@@ -1 +1 @@\n-a\n+b\n c\n"),
            "\x1b[2m@@ -1 +1 @@\x1b[0m\n\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n c"
        );
        assert_eq!(Style { color: false }.diff("-a\n"), "-a");
    }
}
