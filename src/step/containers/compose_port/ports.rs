//! The `ports:` lists of a compose file, read line by line so that each port still knows where it stands. This is not
//! YAML whole: what a list of ports is written like in practice is read, anything else is said to be unreadable.

use crate::nginx::Span;
use taken_over::File;

mod taken_over;

/// A port that a service publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The service.
    pub service: String,
    /// The line of the entry, from 1.
    pub line: usize,
    /// The port on the host.
    pub port: Port,
    /// The port in the container, as written.
    pub target: String,
    /// `tcp` when none is written.
    pub protocol: String,
}

/// The port on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Digits, and where they stand.
    Number(u16, Span),
    /// `${VARIABLE:-3001}`: the default's digits.
    Default { variable: String, number: u16, at: Span },
    /// `3001-3005`.
    Range(u16, u16),
    /// Something else, as written: `${PORT}`.
    Other(String),
    /// Docker chooses.
    Left,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// What the file says of ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The services, in order.
    pub services: Vec<String>,
    /// Every entry of every `ports:` that is read.
    pub published: Vec<Published>,
    /// Services whose `ports:` is not read, each with the reason. That matters only to a step that may mean one of them.
    pub unread: Vec<(String, Unreadable)>,
    /// Services whose list has an anchor, each with its name.
    pub anchors: Vec<(String, String)>,
}

impl Port {
    /// The number that is published, when it is one.
    pub fn number(&self) -> Option<u16> {
        match self {
            Port::Number(number, _) | Port::Default { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// Where its digits stand.
    pub fn at(&self) -> Option<Span> {
        match self {
            Port::Number(_, at) | Port::Default { at, .. } => Some(at.clone()),
            _ => None,
        }
    }
}

/// Reads the text of a compose file.
pub fn read(text: &str) -> Result<Ports, Unreadable> {
    let lines = lines(text);
    let mut ports = Ports::default();
    let services = services(text, &lines)?;
    let file = File { text, lines: &lines, services: &services };
    for (service, key) in services.iter().copied() {
        let name = key_of(text, key).map(|(name, _)| name.to_string()).unwrap_or_default();
        ports.unread.extend(file.ports_elsewhere(service).map(|unreadable| (name.clone(), unreadable)));
        match of_service(text, key, service, &name) {
            Ok(published) => ports.published.extend(published),
            Err(unreadable) => ports.unread.push((name.clone(), unreadable)),
        }
        ports.anchors.extend(anchors_of(text, service).into_iter().map(|anchor| (name.clone(), anchor)));
        ports.services.push(name);
    }
    Ok(ports)
}

fn of_service(text: &str, key: Line, body: &[Line], name: &str) -> Result<Vec<Published>, Unreadable> {
    let Some(list) = ports_of(text, key, body)? else { return Ok(Vec::new()) };
    let entries = entries(text, &list)?;
    Ok(entries.iter().filter_map(|entry| published(text, name, entry)).collect())
}

/// The names of the anchors of a service's `ports:` and of its ports, by which another service can use the same.
fn anchors_of(text: &str, body: &[Line]) -> Vec<String> {
    let indent = body.first().map_or(0, |line| line.indent);
    let Some(at) = keys_at(text, body, indent, "ports").first().copied() else { return Vec::new() };
    let list = &body[at..];
    let end =
        list.iter().skip(1).position(|line| line.indent <= indent && !text[line.start..].starts_with('-'));
    let words = list[..end.map_or(list.len(), |end| end + 1)].iter();
    let words = words.flat_map(|line| text[line.start..line.end].split([' ', ',', '[', '{']));
    words.filter_map(|word| word.strip_prefix('&')).map(str::to_string).collect()
}

/// A line that holds something.
#[derive(Clone, Copy, Debug)]
struct Line {
    number: usize,
    /// Of its first character that is no space.
    start: usize,
    /// Without line end.
    end: usize,
    indent: usize,
}

fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end_matches(['\n', '\r']);
        let indent = line.len() - line.trim_start_matches(' ').len();
        let content = &line[indent..];
        if !content.trim().is_empty() && !content.starts_with('#') {
            lines.push(Line { number: index + 1, start: at + indent, end: at + line.len(), indent });
        }
        at += whole.len();
    }
    lines
}

/// The key that a line begins with, without quotes, and where its value begins.
fn key_of(text: &str, line: Line) -> Option<(&str, usize)> {
    let content = &text[line.start..line.end];
    let (key, behind) = match content.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = content[1..].find(quote)? + 1;
            (&content[1..end], end + 1)
        }
        _ => {
            let colons = content.match_indices(':').map(|(at, _)| at);
            let end = colons
                .into_iter()
                .find(|at| content[at + 1..].chars().next().is_none_or(char::is_whitespace))?;
            (content[..end].trim_end(), end)
        }
    };
    let rest = content[behind..].trim_start().strip_prefix(':')?;
    let value = rest.trim_start();
    Some((key, line.end - value.len()))
}

/// The value of a key, without a comment, an anchor and a tag (`!override`).
fn value_of(text: &str, line: Line, start: usize) -> &str {
    without_properties(without_comment(&text[start..line.end]).trim())
}

/// What stands behind anchors and tags.
fn without_properties(value: &str) -> &str {
    match value.starts_with(['&', '!']) {
        true => value.split_once(' ').map_or("", |(_, value)| without_properties(value.trim_start())),
        false => value,
    }
}

/// Up to a `#` that begins a comment: one at the beginning or behind white space, outside quotes.
fn without_comment(text: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '#' && before.is_whitespace() => return &text[..at],
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None => {}
        }
        before = letter;
    }
    text
}

/// Each service's lines, and the line of its key.
fn services<'a>(text: &str, lines: &'a [Line]) -> Result<Vec<(&'a [Line], Line)>, Unreadable> {
    let keys: Vec<usize> = keys_at(text, lines, 0, "services");
    let [at] = keys[..] else {
        let second = keys.get(1).map(|index| lines[*index].number);
        return Err(match second {
            Some(line) => wrong(line, "a second services: begins here"),
            None => wrong(1, "there is no services: at the beginning of a line"),
        });
    };
    expect_block(text, lines[at])?;
    let inside = deeper(&lines[at + 1..], 0);
    let indent = inside.first().map_or(0, |line| line.indent);
    let mut found = Vec::new();
    for (index, line) in inside.iter().enumerate().filter(|(_, line)| line.indent == indent) {
        if key_of(text, *line).is_some() {
            found.push((deeper(&inside[index + 1..], indent), *line));
        }
    }
    Ok(found)
}

/// The lines up to the first that is not indented deeper than `indent`.
fn deeper(lines: &[Line], indent: usize) -> &[Line] {
    let end = lines.iter().position(|line| line.indent <= indent).unwrap_or(lines.len());
    &lines[..end]
}

fn keys_at(text: &str, lines: &[Line], indent: usize, name: &str) -> Vec<usize> {
    let is_it =
        |line: &Line| line.indent == indent && key_of(text, *line).is_some_and(|(key, _)| key == name);
    lines.iter().enumerate().filter(|(_, line)| is_it(line)).map(|(index, _)| index).collect()
}

fn expect_block(text: &str, line: Line) -> Result<(), Unreadable> {
    let value = key_of(text, line).map(|(_, start)| value_of(text, line, start)).unwrap_or_default();
    match value {
        "" => Ok(()),
        _ => Err(wrong(line.number, "it is written in one line; only indented blocks are read here")),
    }
}

/// The list of a service's ports.
enum List<'a> {
    /// `[…]`, from its bracket on.
    Flow(usize, Line),
    /// Lines that begin with `-`, and what belongs to them.
    Block(&'a [Line]),
}

fn ports_of<'a>(text: &str, key: Line, body: &'a [Line]) -> Result<Option<List<'a>>, Unreadable> {
    let written = key_of(text, key).map(|(_, start)| value_of(text, key, start)).unwrap_or_default();
    if written.starts_with('{') && written.contains("ports") {
        return Err(wrong(
            key.number,
            "the service is written in one line; only indented blocks are read here",
        ));
    }
    let Some(indent) = body.first().map(|line| line.indent) else { return Ok(None) };
    let found = keys_at(text, body, indent, "ports");
    let [at] = found[..] else {
        return match found.get(1) {
            Some(second) => Err(wrong(body[*second].number, "a second ports: of the same service")),
            None => Ok(None),
        };
    };
    let (line, start) = (body[at], key_of(text, body[at]).map_or(0, |(_, start)| start));
    match value_of(text, line, start) {
        "" => {
            let rest = &body[at + 1..];
            let belongs = |line: &Line| {
                line.indent > indent || line.indent == indent && text[line.start..].starts_with('-')
            };
            Ok(Some(List::Block(&rest[..rest.iter().position(|line| !belongs(line)).unwrap_or(rest.len())])))
        }
        value if value.starts_with('[') => {
            let bracket = text[start..].find('[').map_or(start, |at| start + at);
            Ok(Some(List::Flow(bracket, line)))
        }
        other if other.starts_with('*') => Err(alias(line.number, other)),
        other => Err(wrong(line.number, format!("{other:?} is no list of ports"))),
    }
}

fn alias(line: usize, written: &str) -> Unreadable {
    let name = written.split([' ', ',', ']']).next().unwrap_or_default();
    wrong(line, format!("{name} is an alias; what stands elsewhere is not changed"))
}

/// An entry of the list: the spans of its texts, without quotes.
struct Entry {
    line: usize,
    /// The short form, or the values of the long form by key.
    what: PortForm,
}

enum PortForm {
    Short(Span),
    Long(Vec<(String, Span)>),
}

fn entries(text: &str, list: &List<'_>) -> Result<Vec<Entry>, Unreadable> {
    match list {
        List::Flow(bracket, line) => flow_entries(text, *bracket, *line),
        List::Block(lines) => block_entries(text, lines),
    }
}

fn block_entries(text: &str, lines: &[Line]) -> Result<Vec<Entry>, Unreadable> {
    let mut entries: Vec<Entry> = Vec::new();
    let dash = lines.first().map_or(0, |line| line.indent);
    for line in lines {
        let content = &text[line.start..line.end];
        let Some(rest) = content.strip_prefix('-').filter(|_| line.indent == dash) else {
            let pair = pair_of(text, *line).ok_or_else(|| wrong(line.number, "it is no port"))?;
            match entries.last_mut() {
                Some(Entry { what: PortForm::Long(pairs), .. }) => pairs.push(pair),
                _ => return Err(wrong(line.number, "it belongs to no port")),
            }
            continue;
        };
        let start = line.end - rest.trim_start().len();
        entries.push(Entry { line: line.number, what: item(text, Line { start, ..*line })? });
    }
    Ok(entries)
}

/// What stands behind a `-`.
fn item(text: &str, line: Line) -> Result<PortForm, Unreadable> {
    let content = &text[line.start..line.end];
    if content.starts_with('{') {
        let (pairs, _) = flow_map(text, line.start, line.number)?;
        return Ok(PortForm::Long(pairs));
    }
    match pair_of(text, line) {
        Some(pair) => Ok(PortForm::Long(vec![pair])),
        None if content.trim().is_empty() => Ok(PortForm::Long(Vec::new())),
        None if content.starts_with('*') => Err(alias(line.number, content)),
        None => Ok(PortForm::Short(scalar(text, line.start, line.end))),
    }
}

fn pair_of(text: &str, line: Line) -> Option<(String, Span)> {
    let (key, start) = key_of(text, line)?;
    Some((key.to_string(), scalar(text, start, line.end)))
}

/// Where the text of a value stands, without quotes, white space and comment.
fn scalar(text: &str, start: usize, end: usize) -> Span {
    let whole = without_comment(&text[start..end]);
    let from = start + whole.len() - whole.trim_start().len();
    let trimmed = without_properties(whole.trim());
    let from = from + whole.trim().len() - trimmed.len();
    let quoted = ['"', '\'']
        .iter()
        .any(|quote| trimmed.len() >= 2 && trimmed.starts_with(*quote) && trimmed.ends_with(*quote));
    if quoted { from + 1..from + trimmed.len() - 1 } else { from..from + trimmed.len() }
}

/// `["3001:3000", { target: 80, published: 8080 }]`, over as many lines as it takes.
fn flow_entries(text: &str, bracket: usize, line: Line) -> Result<Vec<Entry>, Unreadable> {
    let mut entries = Vec::new();
    let mut at = bracket + 1;
    loop {
        at = behind_blanks(text, at);
        let number = line.number + text[bracket..at].matches('\n').count();
        match text[at..].chars().next() {
            None => return Err(wrong(line.number, "the list that begins here has no ]")),
            Some(']') => return Ok(entries),
            Some(',') => at += 1,
            Some('{') => {
                let (pairs, behind) = flow_map(text, at, number)?;
                entries.push(Entry { line: number, what: PortForm::Long(pairs) });
                at = behind;
            }
            Some('*') => return Err(alias(number, &text[at..])),
            Some('&' | '!') => at += text[at..].find([' ', ',', ']']).unwrap_or(1),
            Some(_) => {
                let (span, behind) = flow_scalar(text, at);
                entries.push(Entry { line: number, what: PortForm::Short(span) });
                at = behind;
            }
        }
    }
}

/// The pairs of `{…}`, and where it ends.
fn flow_map(text: &str, brace: usize, line: usize) -> Result<(Vec<(String, Span)>, usize), Unreadable> {
    let (mut pairs, mut at) = (Vec::new(), brace + 1);
    loop {
        at = behind_blanks(text, at);
        match text[at..].chars().next() {
            None => return Err(wrong(line, "the { that begins here has no }")),
            Some('}') => return Ok((pairs, at + 1)),
            Some(',') => at += 1,
            Some(_) => {
                let (key, behind) = flow_scalar(text, at);
                let behind = behind_blanks(text, behind);
                let Some(value) = text[behind..].strip_prefix(':') else {
                    return Err(wrong(line, format!("{:?} has no value", &text[key])));
                };
                let (value, behind) = flow_scalar(text, behind_blanks(text, text.len() - value.len()));
                pairs.push((text[key].to_string(), value));
                at = behind;
            }
        }
    }
}

/// A text inside brackets, without quotes, and where what follows it begins. It is never empty, so that reading goes on.
fn flow_scalar(text: &str, at: usize) -> (Span, usize) {
    let rest = &text[at..];
    if let Some(quote) = rest.chars().next().filter(|letter| matches!(letter, '"' | '\'')) {
        let end = rest[1..].find(quote).map_or(rest.len(), |length| length + 1);
        return (at + 1..at + end.max(1), (at + end + 1).min(text.len()));
    }
    let ends = |(index, letter): (usize, char)| {
        let colon = letter == ':' && rest[index + 1..].chars().next().is_none_or(char::is_whitespace);
        (colon || ",]}\n\r".contains(letter)).then_some(index)
    };
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let end = rest.char_indices().find_map(ends).unwrap_or(rest.len()).max(first);
    (at..at + rest[..end].trim_end().len().max(first), at + end)
}

fn behind_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at = text.len() - rest.trim_start().len();
        match text[at..].starts_with('#') {
            true => at += text[at..].find('\n').unwrap_or(text.len() - at),
            false => return at,
        }
    }
}

fn published(text: &str, service: &str, entry: &Entry) -> Option<Published> {
    let line = entry.line;
    let (port, target, protocol) = match &entry.what {
        PortForm::Short(span) => short(text, span)?,
        PortForm::Long(pairs) => long(text, pairs),
    };
    Some(Published { service: service.to_string(), line, port, target, protocol })
}

/// `[address:]published:target[/protocol]`, or a target alone.
fn short(text: &str, span: &Span) -> Option<(Port, String, String)> {
    let whole = &text[span.clone()];
    let (ports, protocol) = whole.rsplit_once('/').unwrap_or((whole, "tcp"));
    let parts = parts(ports);
    let (target, rest) = parts.split_last()?;
    let port =
        rest.last().map_or(Port::Left, |part| port(text, span.start + part.start..span.start + part.end));
    Some((port, ports[target.clone()].to_string(), protocol.to_string()))
}

/// The parts between colons, but not those inside `${…}` and `[…]`.
fn parts(text: &str) -> Vec<Span> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..text.len());
    parts
}

fn long(text: &str, pairs: &[(String, Span)]) -> (Port, String, String) {
    let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, span)| span.clone());
    let word = |name: &str| of(name).map(|span| text[span].to_string());
    let port = of("published").map_or(Port::Left, |span| port(text, span));
    (port, word("target").unwrap_or_default(), word("protocol").unwrap_or_else(|| "tcp".to_string()))
}

fn port(text: &str, at: Span) -> Port {
    let written = &text[at.clone()];
    if let Ok(number) = written.parse() {
        return Port::Number(number, at);
    }
    if let Some((Ok(first), Ok(last))) =
        written.split_once('-').map(|(first, last)| (first.parse(), last.parse()))
    {
        return Port::Range(first, last);
    }
    default(written, at.start).unwrap_or_else(|| Port::Other(written.to_string()))
}

/// `${VARIABLE:-3001}` and `${VARIABLE-3001}`.
fn default(written: &str, start: usize) -> Option<Port> {
    let inside = written.strip_prefix("${")?.strip_suffix('}')?;
    let (name, digits) = inside.split_once('-')?;
    let from = start + written.len() - 1 - digits.len();
    let at = from..from + digits.len();
    Some(Port::Default { variable: name.trim_end_matches(':').to_string(), number: digits.parse().ok()?, at })
}

fn wrong(line: usize, why: impl Into<String>) -> Unreadable {
    Unreadable { line, why: why.into() }
}
