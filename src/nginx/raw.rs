//! Blocks in another language, whose braces, strings and comments are that language's: only their end is looked for.

/// Whose rules say where a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `content_by_lua_block { … }` and its like, of OpenResty.
    Lua,
    /// `js_…` with a block, of njs.
    JavaScript,
}

/// The language of the block of a directive of this name.
pub fn language(name: &str) -> Option<Language> {
    if name.ends_with("_by_lua_block") {
        return Some(Language::Lua);
    }
    name.starts_with("js_").then_some(Language::JavaScript)
}

/// Where the `}` stands that closes a block whose inside begins at `start`.
pub fn end(bytes: &[u8], start: usize, language: Language) -> Option<usize> {
    let (mut at, mut depth) = (start, 1usize);
    while at < bytes.len() {
        if let Some(after) = skipped(bytes, at, language) {
            at = after?;
            continue;
        }
        match bytes[at] {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the string or comment that begins at `at` is over: `None` when none begins there, `Some(None)` when it has no
/// end.
fn skipped(bytes: &[u8], at: usize, language: Language) -> Option<Option<usize>> {
    let rest = &bytes[at..];
    match (language, rest) {
        (_, [quote @ (b'"' | b'\''), ..]) => Some(behind_quote(bytes, at + 1, *quote)),
        (Language::Lua, [b'-', b'-', ..]) => {
            Some(behind_long(bytes, at + 2).unwrap_or_else(|| Some(end_of_line(bytes, at))))
        }
        (Language::Lua, [b'[', ..]) => behind_long(bytes, at),
        (Language::JavaScript, [b'`', ..]) => Some(behind_quote(bytes, at + 1, b'`')),
        (Language::JavaScript, [b'/', b'/', ..]) => Some(end_of_line(bytes, at).into()),
        (Language::JavaScript, [b'/', b'*', ..]) => Some(behind(bytes, at + 2, b"*/")),
        _ => None,
    }
}

fn behind_quote(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Lua's `[[ … ]]` and `[==[ … ]==]`.
fn behind_long(bytes: &[u8], at: usize) -> Option<Option<usize>> {
    let rest = bytes.get(at..)?.strip_prefix(b"[")?;
    let level = rest.iter().take_while(|byte| **byte == b'=').count();
    (rest.get(level) == Some(&b'[')).then(|| {
        let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
        behind(bytes, at + level + 2, &close)
    })
}

fn behind(bytes: &[u8], at: usize, close: &[u8]) -> Option<usize> {
    let rest = bytes.get(at..)?;
    Some(at + rest.windows(close.len()).position(|window| window == close)? + close.len())
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}
