//! What a run of checks found, as people read it after the recap: a table of figures with hosts as rows, how many checks
//! pass, and what does not, with what was wanted and what to try.

use super::board::{Board, Row, board};
use super::escape;
use super::recap::alike;
use super::style::{Style, Tone, padded, widest};
use super::{Verbosity, View};
use crate::inventory::fold::fold;
use crate::model::finding::{Checks, Finding, Verdict};
use crate::record::RunRecord;

/// A table has at most so many rows, unless `-v` asks for all; hosts with something bad come first then.
const ROWS: usize = 100;

/// At most so many findings are listed, unless `-v` asks for all; what is bad comes first.
const LISTED: usize = 200;

/// What was looked at is padded to at most so many columns.
const WHAT_WIDTH: usize = 36;

/// What is seen gets at least so many columns, however narrow the terminal.
const SEEN_WIDTH: usize = 24;

/// The parts of the report, each a block of lines; none when the run looked at nothing.
pub fn blocks(record: &RunRecord, view: &View) -> Vec<String> {
    let Some(board) = board(record) else { return Vec::new() };
    let mut blocks = figures(&board, view);
    blocks.push(shares(&board, view));
    blocks.extend(list(&board, view));
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// A cell of a table: its text and what it says.
type Cell = (String, Option<Tone>);

/// The figures of all hosts, in as many tables as the terminal is too narrow for one.
fn figures(board: &Board, view: &View) -> Vec<String> {
    if board.figures.is_empty() {
        return Vec::new();
    }
    let (rows, left_out) = rows_told(board, view);
    let column = |title: &String| {
        let head = (escape::line(title).into_owned(), Some(Tone::Faint));
        let cells = rows.iter().map(|row| row.figure(title).map_or(("-".to_string(), None), cell));
        std::iter::once(head).chain(cells).collect::<Vec<Cell>>()
    };
    let columns: Vec<Vec<Cell>> = board.figures.iter().map(column).collect();
    let mut tables = tables(&host_column(&rows), &columns, view);
    let marked = [(Verdict::Fail, "! fails"), (Verdict::Unknown, "? is unknown")];
    let marked = marked.into_iter().filter(|(verdict, _)| {
        let mut cells = rows.iter().flat_map(|row| &row.findings).filter(|finding| finding.cell.is_some());
        cells.any(|finding| finding.verdict == *verdict)
    });
    let mut legend: Vec<String> = marked.map(|(_, text)| text.to_string()).collect();
    legend.extend(left_out);
    if let (Some(last), false) = (tables.last_mut(), legend.is_empty()) {
        *last += &(view.style.paint(Tone::Faint, &legend.join(", ")) + "\n");
    }
    tables
}

fn cell(finding: &Finding) -> Cell {
    let text = escape::line(finding.cell.as_deref().unwrap_or_default()).into_owned();
    match finding.verdict {
        Verdict::Fail => (format!("{text}!"), Some(Tone::Bad)),
        Verdict::Unknown => (format!("{text}?"), Some(Tone::Unsure)),
        Verdict::Pass | Verdict::Info => (text, None),
    }
}

/// How many checks of each group pass, and what that comes to.
fn shares(board: &Board, view: &View) -> String {
    if board.groups.is_empty() {
        return String::new();
    }
    let (rows, left_out) = rows_told(board, view);
    let groups = board.groups.iter().map(|group| {
        let head = (escape::line(group).into_owned(), Some(Tone::Faint));
        std::iter::once(head).chain(rows.iter().map(|row| share(row, group))).collect()
    });
    let mut columns: Vec<Vec<Cell>> = groups.collect();
    let head = ("pass".to_string(), Some(Tone::Faint));
    columns.push(std::iter::once(head).chain(rows.iter().map(|row| score(row))).collect());
    let tables = tables(&host_column(&rows), &columns, view).concat();
    let left_out = left_out.map(|text| view.style.paint(Tone::Faint, &text) + "\n");
    tables + &left_out.unwrap_or_default()
}

fn share(row: &Row, group: &str) -> Cell {
    let bad = row.findings.iter().any(|finding| finding.group == group && finding.is_bad());
    (row.share(group), bad.then_some(Tone::Bad))
}

fn score(row: &Row) -> Cell {
    let tone = match row.checks.percent() {
        Some(100) => Tone::Good,
        Some(_) | None => Tone::Bad,
    };
    (row.score(), Some(tone))
}

/// The rows that a table shows, and what is said of the others.
fn rows_told<'a, 'b>(board: &'b Board<'a>, view: &View) -> (Vec<&'b Row<'a>>, Option<String>) {
    let mut rows: Vec<&Row> = board.rows.iter().collect();
    if rows.len() <= ROWS || view.verbosity == Verbosity::Verbose {
        return (rows, None);
    }
    rows.sort_by_key(|row| row.checks.percent().unwrap_or(0));
    let left_out = rows.split_off(ROWS);
    (rows, Some(format!("{} more hosts, none of them worse; -v shows all", left_out.len())))
}

fn host_column(rows: &[&Row]) -> Vec<Cell> {
    let head = ("host".to_string(), Some(Tone::Faint));
    let hosts = rows.iter().map(|row| (escape::line(row.host).into_owned(), None));
    std::iter::once(head).chain(hosts).collect()
}

/// The columns beside the first, which is repeated, in tables that are as wide as the terminal at most.
fn tables(first: &[Cell], columns: &[Vec<Cell>], view: &View) -> Vec<String> {
    let width = |column: &[Cell]| widest(column.iter().map(|(text, _)| text.as_str()));
    let room = view.columns.unwrap_or(usize::MAX).saturating_sub(width(first));
    let mut tables: Vec<Vec<&[Cell]>> = Vec::new();
    let mut left = 0;
    for column in columns {
        let takes = width(column) + 2;
        match tables.last_mut() {
            Some(table) if takes <= left => table.push(column),
            _ => {
                tables.push(vec![first, column]);
                left = room;
            }
        }
        left = left.saturating_sub(takes);
    }
    tables.iter().map(|table| table_of(table, view.style)).collect()
}

fn table_of(columns: &[&[Cell]], style: Style) -> String {
    let widths: Vec<usize> =
        columns.iter().map(|column| widest(column.iter().map(|(text, _)| text.as_str()))).collect();
    let line = |row: usize| {
        let last = columns.len() - 1;
        let cells = columns.iter().zip(&widths).enumerate().map(|(place, (column, width))| {
            let (text, tone) = &column[row];
            let text = if place == last { text.clone() } else { padded(text, *width) };
            tone.map_or(text.clone(), |tone| style.paint(tone, &text))
        });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    (0..columns[0].len()).map(line).collect()
}

/// What is listed of each host; hosts of which the same is listed are reported together.
fn list(board: &Board, view: &View) -> Vec<String> {
    let all: usize = board.rows.iter().map(|row| listed(row, view, false).count()).sum();
    let only_bad = all > LISTED && view.verbosity < Verbosity::Verbose;
    let mut room = if view.verbosity == Verbosity::Verbose { usize::MAX } else { LISTED };
    let groups = alike(board.rows.iter(), |row| {
        let listed = listed(row, view, only_bad).cloned().collect::<Vec<Finding>>();
        (row.sum(), listed)
    });
    let mut told = 0;
    let mut blocks = Vec::new();
    for ((sum, findings), rows) in groups.iter().filter(|((_, findings), _)| !findings.is_empty()) {
        let shown = &findings[..findings.len().min(room)];
        room -= shown.len();
        told += shown.len() * rows.len();
        if !shown.is_empty() {
            blocks.push(of_hosts(rows, sum, shown, view));
        }
    }
    if let Some(more @ 1..) = all.checked_sub(told) {
        let text = format!("{more} more findings are not listed; -v lists all");
        blocks.push(view.style.paint(Tone::Faint, &text) + "\n");
    }
    blocks
}

/// Bad ones first, then those that are only mentioned and stand in no table; with `-v` all.
fn listed<'a>(row: &'a Row, view: &View, only_bad: bool) -> impl Iterator<Item = &'a Finding> {
    let verbosity = view.verbosity;
    let findings = || row.findings.iter().map(AsRef::as_ref);
    let others = findings().filter(move |finding: &&Finding| match (finding.verdict, verbosity) {
        (Verdict::Fail | Verdict::Unknown, _) => false,
        (_, Verbosity::Verbose) => true,
        (Verdict::Info, Verbosity::Normal) => finding.cell.is_none() && !only_bad,
        (Verdict::Pass | Verdict::Info, _) => false,
    });
    findings().filter(|finding| finding.is_bad()).chain(others)
}

fn of_hosts(rows: &[&Row], sum: &str, findings: &[Finding], view: &View) -> String {
    let hosts = escape::line(&fold(rows.iter().map(|row| row.host))).into_owned();
    let judged = Checks::of(findings).judged() > 0 || rows.iter().any(|row| row.checks.judged() > 0);
    let mut block = match judged {
        true => format!("{}: {sum}\n", view.style.paint(Tone::Strong, &hosts)),
        false => format!("{}\n", view.style.paint(Tone::Strong, &hosts)),
    };
    let titles: Vec<String> =
        findings.iter().map(|finding| escape::line(&finding.title()).into_owned()).collect();
    let width = widest(titles.iter().map(String::as_str)).min(WHAT_WIDTH);
    for (finding, title) in findings.iter().zip(&titles) {
        block += &line(finding, title, width, view);
    }
    block
}

/// A finding, folded to the terminal's width below what was seen.
fn line(finding: &Finding, title: &str, width: usize, view: &View) -> String {
    let verdict = view.style.paint(tone(finding.verdict), &padded(finding.verdict.as_str(), 7));
    let margin = 2 + 7 + 2 + width + 2;
    let room = view.columns.map_or(usize::MAX, |columns| columns.saturating_sub(margin).max(SEEN_WIDTH));
    let mut text = escape::line(&finding.seen).into_owned();
    if let (Some(wanted), true) = (&finding.wanted, finding.is_bad()) {
        text += &format!(" (wanted: {})", escape::line(wanted));
    }
    let mut lines = folded(&text, room);
    if let (Some(hint), true) = (&finding.hint, finding.is_bad() || view.verbosity == Verbosity::Verbose) {
        lines.extend(folded(&format!("hint: {}", escape::line(hint)), room));
    }
    let later = " ".repeat(margin);
    let first = match widest([title]) > width {
        // What is too wide for its column has a line of its own.
        true => format!("  {verdict}  {title}\n{later}"),
        false => format!("  {verdict}  {}  ", padded(title, width)),
    };
    let lines = lines.iter().enumerate();
    lines.map(|(number, text)| format!("{}{text}\n", if number == 0 { &first } else { &later })).collect()
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail => Tone::Bad,
        Verdict::Unknown => Tone::Unsure,
        Verdict::Info => Tone::Faint,
    }
}

/// The text in lines of at most `room` columns, cut between words; a word that is wider stands alone.
fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or("", String::as_str);
        let fits = line.is_empty() || widest([line]) + 1 + widest([word]) <= room;
        match lines.last_mut() {
            Some(line) if fits && line.is_empty() => line.push_str(word),
            Some(line) if fits => *line += &format!(" {word}"),
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
