//! Parses a file and shows its program to a visitor.

use super::blocks;
use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_span::SourceType;
use std::borrow::Cow;
use std::path::Path;
use std::thread;

/// Larger files are made by programs and for programs: bundles, data. They are not parsed, and it is said.
pub const BYTES_LIMIT: usize = 1 << 20;

/// The parser calls itself for each level of nesting; the costliest levels of one byte were measured at about 900 bytes
/// of stack, optimized for size. So a stack of twice as much for each byte cannot overflow, whatever the file holds. It is only reserved: memory
/// is taken as deep as the nesting really goes. Without optimization frames are larger.
const STACK_FOR_A_BYTE: usize = if cfg!(debug_assertions) { 16 << 10 } else { 2 << 10 };

/// The parser tries type arguments before it compares, again for each `<` inside: a text with so many of them open takes
/// a third of a second, with ten times as many a hundred times as long.
const OPEN_LIMIT: usize = 500;

/// Each `infer` that stands directly in the constraint of another doubles the work.
const INFER_LIMIT: usize = 8;

/// What a thread needs before it parses anything, in bytes.
const STACK: usize = 512 << 10;

/// The endings of the files that are read.
pub const ENDINGS: &[&str] = &["js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte"];

/// A file, or the part of it, that could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotParsed {
    /// Counted from 1.
    pub line: u32,
    /// As the parser says it.
    pub why: String,
    /// The text is wrong, and not only too much for us.
    pub is_syntax: bool,
}

impl NotParsed {
    /// A file that was not even read.
    pub fn too_large() -> NotParsed {
        NotParsed::not_tried(&format!("it is larger than {} KiB and was not read", BYTES_LIMIT >> 10))
    }

    fn not_tried(why: &str) -> NotParsed {
        NotParsed { line: 1, why: why.to_string(), is_syntax: false }
    }
}

/// Where lines begin.
pub struct Lines(Vec<u32>);

/// Whether `path` ends as files do that are read here.
pub fn is_source(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Whether it only declares types.
pub fn is_declaration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| name.ends_with(ending))
}

/// Whether it is TypeScript, so that its imports are resolved as TypeScript does.
pub fn is_typescript(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ["ts", "tsx", "mts", "cts", "vue", "svelte"].contains(&ending)
}

/// Whether it has a template beside its scripts, which may use their names.
pub fn is_component(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ["vue", "svelte"].contains(&ending))
}

/// Shows the program, or programs where a file holds several scripts, to `take`. What could not be parsed comes beside
/// what was taken.
pub fn each<T: Send>(
    path: &Path,
    text: &str,
    take: impl Fn(&Program<'_>, &Lines) -> T + Sync,
) -> (Vec<T>, Vec<NotParsed>) {
    if text.len() > BYTES_LIMIT {
        return (Vec::new(), vec![NotParsed::too_large()]);
    }
    with_stack_for(text.len(), || {
        let mut taken = (Vec::new(), Vec::new());
        for (text, kinds) in scripts(path, text) {
            match parse(&text, &kinds, &take) {
                Ok(one) => taken.0.push(one),
                Err(error) => taken.1.push(error),
            }
        }
        taken
    })
}

fn with_stack_for<T: Send>(
    bytes: usize,
    work: impl FnOnce() -> (Vec<T>, Vec<NotParsed>) + Send,
) -> (Vec<T>, Vec<NotParsed>) {
    let stack = STACK + bytes * STACK_FOR_A_BYTE;
    let not_parsed = |why: &str| (Vec::new(), vec![NotParsed::not_tried(why)]);
    thread::scope(|scope| match thread::Builder::new().stack_size(stack).spawn_scoped(scope, work) {
        Ok(thread) => thread.join().unwrap_or_else(|_| not_parsed("the parser gave up")),
        Err(_) => not_parsed("there is not enough memory to parse it safely"),
    })
}

/// The scripts of a file, and as what each may be read, the likeliest first.
fn scripts<'t>(path: &Path, text: &'t str) -> Vec<(Cow<'t, str>, Vec<SourceType>)> {
    let javascript =
        || vec![SourceType::unambiguous().with_jsx(true), SourceType::cjs().with_jsx(true), SourceType::ts()];
    let typescript = || vec![SourceType::ts(), SourceType::tsx()];
    let whole = |kinds| vec![(Cow::Borrowed(text), kinds)];
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        _ if is_declaration(path) => whole(vec![SourceType::d_ts()]),
        "ts" | "mts" | "cts" => whole(vec![SourceType::ts()]),
        "tsx" => whole(vec![SourceType::tsx()]),
        "mjs" => whole(vec![SourceType::mjs().with_jsx(true)]),
        "vue" | "svelte" => blocks::of(text)
            .into_iter()
            .map(|block| (Cow::Owned(block.text), if block.typescript { typescript() } else { javascript() }))
            .collect(),
        _ => whole(javascript()),
    }
}

/// Tries each kind until one fits. What is said of a text that fits none is what the first had to say.
fn parse<T>(
    text: &str,
    kinds: &[SourceType],
    take: &impl Fn(&Program<'_>, &Lines) -> T,
) -> Result<T, NotParsed> {
    let mut first = None;
    for kind in kinds {
        let allocator = Allocator::default();
        if kind.is_typescript() && is_tangled(text) {
            let tangled = NotParsed::not_tried("its types are nested too deeply to be parsed");
            return Err(first.unwrap_or(tangled));
        }
        let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, text, *kind).with_options(options).parse();
        match why_not(text, &parsed) {
            None => return Ok(take(&parsed.program, &Lines::of(text))),
            Some(why) => drop(first.get_or_insert(why)),
        }
    }
    Err(first.unwrap_or(NotParsed::not_tried("it has no script")))
}

/// Whether parsing it as TypeScript could take very long.
fn is_tangled(text: &str) -> bool {
    let (mut open, mut before) = (0_usize, 0_u8);
    for byte in text.bytes() {
        match byte {
            b'<' => open += 1,
            // Not the arrow's, nor one in a comment's end.
            b'>' if before.is_ascii_alphanumeric() || b"_$>]})'\"".contains(&before) => {
                open = open.saturating_sub(1)
            }
            _ => {}
        }
        if open > OPEN_LIMIT {
            return true;
        }
        before = if byte.is_ascii_whitespace() { before } else { byte };
    }
    text.split([',', ';', ')', '?', '}']).any(|stretch| stretch.matches("infer ").count() > INFER_LIMIT)
}

fn why_not(text: &str, parsed: &ParserReturn<'_>) -> Option<NotParsed> {
    let error = parsed.errors.first()?;
    let offset = error.labels.as_ref().and_then(|labels| labels.first()).map_or(0, |label| label.offset());
    let line = Lines::of(text).line(u32::try_from(offset).unwrap_or(u32::MAX));
    let message = error.message.trim_end_matches('.').to_string();
    let flow = parsed.is_flow_language || text.contains("@flow");
    let why = if flow { "it is written in Flow, which is not read".to_string() } else { message };
    Some(NotParsed { line, why, is_syntax: !flow })
}

impl Lines {
    fn of(text: &str) -> Lines {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        Lines(std::iter::once(0).chain(after).collect())
    }

    /// The line that holds a byte, counted from 1.
    pub fn line(&self, offset: u32) -> u32 {
        self.0.partition_point(|start| *start <= offset) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(name: &str, text: &str) -> (Vec<usize>, Vec<NotParsed>) {
        each(Path::new(name), text, |program, _| program.body.len())
    }

    #[test]
    fn each_ending_is_read_as_what_it_is() {
        let fine = [
            ("a.js", "import a from 'a'; const b = <div/>;"),
            ("a.js", "with (a) {} return 1; var await = 1;"),
            ("a.js", "#!/usr/bin/env node\nawait import('a')"),
            ("a.cjs", "return require('a')"),
            ("a.mjs", "await 1"),
            ("a.ts", "const a = <string>b; enum C {}; @d class E {}"),
            ("a.tsx", "const a = <T,>(b: T) => <div/>;"),
            ("a.d.ts", "export declare const a: string; export default function b(): void;"),
            ("a.vue", "<template/>\n<script>export default {}</script>"),
        ];
        for (name, text) in fine {
            let (programs, errors) = read(name, text);
            assert_eq!((programs.len(), errors), (1, vec![]), "{name}: {text}");
        }
    }

    #[test]
    fn an_error_names_its_line() {
        let (programs, errors) = read("a.js", "one();\ntwo(;\n");
        assert_eq!((programs.len(), errors.len(), errors[0].line), (0, 1, 2), "{errors:?}");
    }

    #[test]
    fn what_is_too_large_is_not_parsed() {
        let (_, errors) = read("a.js", &" ".repeat(BYTES_LIMIT + 1));
        assert_eq!(errors[0].why, "it is larger than 1024 KiB and was not read");
    }

    #[test]
    fn no_nesting_is_too_deep() {
        for level in [
            "(",
            "[",
            "{",
            "!",
            "a=>",
            "`${",
            "class{a=",
            "<a>",
            "function f(){",
            "import(",
            "@(",
            "a?",
            "a(",
        ] {
            for name in ["a.tsx", "a.js"] {
                read(name, &level.repeat(20_000 / level.len()));
                read(name, &format!("x = {}", level.repeat(20_000 / level.len())));
            }
        }
    }

    #[test]
    fn what_would_take_too_long_is_not_tried() {
        for text in ["x = a<".repeat(2000), format!("x = {}", "a<infer A extends ".repeat(100))] {
            let (_, errors) = read("a.ts", &text);
            assert_eq!(errors[0].why, "its types are nested too deeply to be parsed");
        }
        let generic =
            "const a: Map<string, Array<() => void>> = new Map<string, Array<() => void>>(); if (a < b) {}\n";
        assert_eq!(read("a.ts", &generic.repeat(400)).1, []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"(\PC|import|require|[(){}<>'`$/;=\n]){0,60}", ending in 0..ENDINGS.len()) {
            read(&format!("a.{}", ENDINGS[ending]), &text);
        }
    }
}
