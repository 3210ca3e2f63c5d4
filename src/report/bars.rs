//! Draws progress at the bottom of the terminal, with indicatif. What to draw is decided in `live`.

use super::live::Live;
use super::style::Style;
use super::transfers::Transfers;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

/// How many times a second the terminal is drawn at most.
const DRAWS_PER_SECOND: u8 = 15;

/// The size that is assumed of a terminal that does not tell.
const USUAL_SIZE: (usize, usize) = (24, 80);

/// Lines at the bottom of the terminal.
pub struct Bars {
    style: Style,
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Bars {
    /// On standard error; nothing is drawn yet.
    pub fn new(style: Style) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        Bars { style, all: MultiProgress::with_draw_target(target), lines: Vec::new() }
    }

    /// Shows what hosts are doing now.
    pub fn draw(&mut self, live: &Live, transfers: &Transfers, now: Timestamp) {
        let texts = live.screen(&transfers.now(), now, size(), self.style);
        while self.lines.len() < texts.len() {
            self.lines.push(self.all.add(line()));
        }
        for unused in self.lines.drain(texts.len()..) {
            unused.finish_and_clear();
            self.all.remove(&unused);
        }
        self.lines.iter().zip(texts).for_each(|(line, text)| line.set_message(text));
    }

    /// Takes the lines away while something else is written.
    pub fn around(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }

    /// Takes the lines away for good.
    pub fn clear(&mut self) {
        self.lines.drain(..).for_each(|line| line.finish_and_clear());
    }
}

fn line() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => USUAL_SIZE,
    }
}
