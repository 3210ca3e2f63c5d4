//! `wordwrap`: lines of a width, as Python's `textwrap` breaks them.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;

pub const FILTERS: &[(&str, Function)] = &[("wordwrap", wordwrap)];

fn wordwrap(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let width = arguments.count("width")?.unwrap_or(79);
    let breaks = arguments.take("break_long_words").map_or(Ok(true), |flag| flag.truth())?;
    let with = arguments.text("wrapstring")?.unwrap_or_else(|| "\n".to_string());
    let hyphens = arguments.take("break_on_hyphens").map_or(Ok(true), |flag| flag.truth())?;
    arguments.finish()?;
    if width == 0 {
        return Err(Fault::new("the width must be more than 0"));
    }
    let lines: Vec<String> =
        text.lines().map(|line| wrapped(line, width, breaks, hyphens).join(&with)).collect();
    Ok(Datum::text(lines.join(&with)))
}

/// Words and the white space between them; a word may break behind a hyphen between letters.
fn chunks(line: &str, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let letters: Vec<char> = line.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let blank = letter.is_whitespace();
        let before = at.checked_sub(1).map(|at| letters[at]);
        let starts = match before {
            None => true,
            Some(before) if before.is_whitespace() != blank => true,
            Some('-') if hyphens && letter.is_alphabetic() => at >= 2 && letters[at - 2].is_alphabetic(),
            _ => false,
        };
        match chunks.last_mut() {
            Some(last) if !starts => last.push(*letter),
            _ => chunks.push(letter.to_string()),
        }
    }
    chunks
}

fn wrapped(line: &str, width: usize, breaks: bool, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = chunks(line, hyphens);
    chunks.reverse();
    let mut lines: Vec<String> = Vec::new();
    let is_blank = |chunk: &String| chunk.trim().is_empty();
    while !chunks.is_empty() {
        let (mut current, mut length): (Vec<String>, usize) = (Vec::new(), 0);
        if !lines.is_empty() && chunks.last().is_some_and(is_blank) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.last() {
            let size = chunk.chars().count();
            if length + size > width {
                break;
            }
            length += size;
            current.extend(chunks.pop());
        }
        if let Some(long) = chunks.last().filter(|chunk| chunk.chars().count() > width).cloned() {
            let room = width - length;
            if breaks && room > 0 {
                chunks.pop();
                current.push(long.chars().take(room).collect());
                chunks.push(long.chars().skip(room).collect());
            } else if current.is_empty() {
                current.extend(chunks.pop());
            }
        }
        if current.last().is_some_and(is_blank) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}
