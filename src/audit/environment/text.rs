//! Languages that are not parsed: what reads or gives a variable is found by its text, and only where it is plain.

use regex_lite::{Captures, Regex};
use std::path::Path;

/// How a language reads variables.
pub struct Language {
    /// What begins a comment that goes to the end of the line.
    comment: &'static [&'static str],
    /// The first group is the name; the second, when there is one and it matched, a default.
    reads: &'static [&'static str],
}

/// `NAME`, in quotes.
macro_rules! quoted {
    ($before:literal, $after:literal) => {
        concat!($before, r#"\s*["']([A-Za-z_][A-Za-z0-9_]*)["']\s*"#, $after)
    };
}

const PYTHON: Language = Language {
    comment: &["#"],
    reads: &[
        quoted!(r"environ\s*\[", r"\](\s*or\b)?"),
        quoted!(r"(?:environ\s*\.\s*get|getenv)\s*\(", r"(,|\)\s*or\b)?"),
    ],
};

const RUBY: Language = Language {
    comment: &["#"],
    reads: &[
        quoted!(r"\bENV\s*\[", r"\]\s*(\|\|)?"),
        quoted!(r"\bENV\s*\.\s*fetch\s*\(", r"(,|\)\s*\{|\)\s*do\b)?"),
    ],
};

const PHP: Language = Language {
    comment: &["//", "#"],
    reads: &[
        quoted!(r"\bgetenv\s*\(", r"(?:,\s*\w+\s*)?\)\s*(\?:|\?\?)?"),
        quoted!(r"\$_ENV\s*\[", r"\]\s*(\?\?)?"),
        quoted!(r"\benv\s*\(", r"(,)?"),
    ],
};

const GO: Language = Language {
    comment: &["//"],
    reads: &[quoted!(r"\bos\.Getenv\s*\(", ""), quoted!(r"\bos\.(?:LookupEnv)\s*\(", "()")],
};

/// Only what cannot be a variable of the script itself: `${A:?}` demands it, `${A:-b}` takes it when it is there.
const SHELL: Language =
    Language { comment: &["#"], reads: &[r"\$\{([A-Z_][A-Z0-9_]*):?\?", r"\$\{([A-Z_][A-Z0-9_]*)(:?-)"] };

/// The language of a file.
pub fn language(path: &Path) -> Option<Language> {
    match path.extension()?.to_str()? {
        "py" => Some(PYTHON),
        "rb" => Some(RUBY),
        "php" => Some(PHP),
        "go" => Some(GO),
        "sh" | "bash" => Some(SHELL),
        _ => None,
    }
}

impl Language {
    /// Variable, line and whether it can be missing, for each read.
    pub fn reads(&self, text: &str) -> Vec<(String, usize, bool)> {
        let mut reads = Vec::new();
        for pattern in self.reads.iter().filter_map(|pattern| Regex::new(pattern).ok()) {
            for (index, line) in text.lines().enumerate().filter(|(_, line)| !self.is_comment(line)) {
                reads.extend(
                    pattern
                        .captures_iter(line)
                        .map(|found| (found[1].to_string(), index + 1, has_default(&found))),
                );
            }
        }
        reads.sort_by_key(|(_, line, _)| *line);
        reads
    }

    fn is_comment(&self, line: &str) -> bool {
        self.comment.iter().any(|start| line.trim_start().starts_with(start))
    }
}

fn has_default(found: &Captures<'_>) -> bool {
    found.get(2).is_some()
}

/// What a Dockerfile gives by `ENV`: variable and line.
pub fn gives(text: &str) -> Vec<(String, usize)> {
    let lines = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.trim().strip_prefix("ENV ")?)));
    let Ok(pair) = Regex::new(r"(?:^|\s)([A-Za-z_][A-Za-z0-9_]*)=") else { return Vec::new() };
    lines
        .flat_map(|(line, rest)| {
            let mut names: Vec<String> = pair.captures_iter(rest).map(|found| found[1].to_string()).collect();
            if names.is_empty() {
                names.extend(rest.split_whitespace().next().map(str::to_string));
            }
            names.into_iter().map(move |name| (name, line))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, text: &str) -> String {
        let reads = language(Path::new(name)).unwrap().reads(text);
        let told = reads
            .iter()
            .map(|(name, line, optional)| format!("{line}:{name}{}", if *optional { "?" } else { "" }));
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn other_languages_are_read_by_their_text() {
        let cases = [
            (
                "a.py",
                "os.environ['A']\nos.environ.get(\"B\")\nos.getenv('C', 'x')\n# os.environ['D']\nenviron.get('E') or 1",
                "1:A 2:B 3:C? 5:E?",
            ),
            (
                "a.rb",
                "ENV['A']\nENV['B'] || 'x'\nENV.fetch('C')\nENV.fetch('D', 1)\nENV.fetch('E') { 1 }",
                "1:A 2:B? 3:C 4:D? 5:E?",
            ),
            (
                "a.php",
                "getenv('A'); $_ENV['B'] ?? 1;\nenv('C', true); env('D');\n// getenv('E')",
                "1:A 1:B? 2:C? 2:D",
            ),
            ("a.go", "os.Getenv(\"A\")\nv, ok := os.LookupEnv(\"B\")", "1:A 2:B?"),
            ("a.sh", ": \"${A:?set A}\" ${B:-x} $C ${D}\n# ${E:?}", "1:A 1:B?"),
        ];
        for (name, text, expected) in cases {
            assert_eq!(told(name, text), expected, "{text}");
        }
    }

    #[test]
    fn a_dockerfile_gives() {
        let given = gives("FROM a\nENV NODE_ENV=production PORT=3\nENV OLD style\nRUN ENV=x");
        let names: Vec<_> = given.iter().map(|(name, line)| format!("{line}:{name}")).collect();
        assert_eq!(names, ["2:NODE_ENV", "2:PORT", "3:OLD"]);
    }
}
