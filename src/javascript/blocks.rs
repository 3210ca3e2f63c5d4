//! The scripts inside `.vue` and `.svelte` files. Everything around a script becomes blanks, so that lines keep their
//! numbers.

/// A script, at its place in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The file's text with all but this script blanked out.
    pub text: String,
    /// `lang="ts"` or `tsx`.
    pub typescript: bool,
}

/// The scripts of a component's text. A `<script src="…">` counts as one that imports that file, and so do the template and
/// the styles of a component that stand elsewhere, and what Vue's template has by `require` or as a picture beside it.
pub fn of(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = ["template", "style"].iter().flat_map(|tag| elsewhere(text, tag)).collect();
    blocks.extend(template(text));
    let mut at = 0;
    while let Some((attributes, start)) = next(text, "<script", at) {
        blocks.extend(source(text, attributes, start));
        let end = find(text, "</script", start).unwrap_or(text.len());
        let typescript = ["lang=\"ts", "lang='ts", "lang=ts"].iter().any(|lang| attributes.contains(lang));
        let script = [blank(&text[..start]), text[start..end].to_string()].concat();
        blocks.push(Block { text: script, typescript });
        at = end;
    }
    blocks
}

/// What a template imports, as a script of its own: Vue's compiler makes imports of it.
fn template(text: &str) -> Option<Block> {
    let (_, start) = next(text, "<template", 0)?;
    let end = start + text[start..].rfind("</template")?;
    let mut script = blank(&text[..start]);
    for line in without_comments(&text[start..end]).split_inclusive('\n') {
        let paths = required(line).chain(pictures(line));
        paths.for_each(|path| script += &format!("import {};", serde_json::Value::from(path)));
        script += if line.ends_with('\n') { "\n" } else { "" };
    }
    script.contains("import").then_some(Block { text: script, typescript: true })
}

fn without_comments(text: &str) -> String {
    let Some(start) = text.find("<!--") else { return text.to_string() };
    let end = text[start..].find("-->").map_or(text.len(), |length| start + length);
    [&text[..start], &blank(&text[start..end]), &without_comments(&text[end..])].concat()
}

/// The constant paths of `require('…')`.
fn required(line: &str) -> impl Iterator<Item = &str> {
    let calls = line.match_indices("require(").map(|(at, call)| &line[at + call.len()..]);
    calls.filter_map(|rest| quoted(rest).filter(|path| rest[path.len() + 2..].starts_with(')')))
}

/// The values of `src="…"` that are files beside the component or below an alias.
fn pictures(line: &str) -> impl Iterator<Item = &str> {
    let sources = line.match_indices("src=").filter(|(at, _)| line[..*at].ends_with(char::is_whitespace));
    let values = sources.filter_map(|(at, name)| quoted(&line[at + name.len()..]));
    values.filter(|path| ["./", "../", "@/", "~/"].iter().any(|start| path.starts_with(start)))
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    text[1..].split_once(quote).map(|(value, _)| value)
}

/// What the tags of this name import by `src`.
fn elsewhere(text: &str, tag: &str) -> Vec<Block> {
    let (open, mut at) = (format!("<{tag}"), 0);
    let mut blocks = Vec::new();
    while let Some((attributes, start)) = next(text, &open, at) {
        blocks.extend(source(text, attributes, start));
        at = start;
    }
    blocks
}

/// The import of a tag's `src`, on the line on which the tag ends. A path from the top of the site, and a URL, are no files
/// of the tree.
fn source(text: &str, attributes: &str, start: usize) -> Option<Block> {
    let (_, value) =
        attributes.split_once("src=").filter(|(before, _)| before.ends_with(char::is_whitespace))?;
    let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    let path = value[1..].split(quote).next()?;
    let is_file = !path.is_empty() && !path.starts_with('/') && !path.contains(':') && !path.contains('{');
    let import = format!("import {};", serde_json::Value::from(path));
    is_file.then(|| Block { text: blank(&text[..start]) + &import, typescript: true })
}

/// The attributes of the first tag that begins with `open` from `at` on, and where its text begins. Comments are passed
/// over.
fn next<'t>(text: &'t str, open: &str, mut at: usize) -> Option<(&'t str, usize)> {
    loop {
        let tag = find(text, open, at)?;
        if let Some(comment) = find(text, "<!--", at).filter(|comment| *comment < tag) {
            at = find(text, "-->", comment)?;
            continue;
        }
        let attributes = tag + open.len();
        let end = find(text, ">", attributes)?;
        at = end + 1;
        if text[attributes..].starts_with([' ', '\t', '\r', '\n', '>']) {
            return Some((&text[attributes..end], at));
        }
    }
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    text[from..].find(what).map(|at| from + at)
}

fn blank(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_keep_their_lines() {
        let vue = "<template>é</template>\n<script setup lang=\"ts\">\nimport a from './a'\n</script>\n<script>b()</script>\n";
        let blocks = of(vue);
        assert_eq!(blocks.iter().map(|block| block.typescript).collect::<Vec<_>>(), [true, false]);
        assert_eq!(blocks[0].text.lines().nth(2), Some("import a from './a'"));
        assert_eq!(blocks[1].text.lines().nth(4).unwrap().trim(), "b()");
        assert!(!blocks[1].text.contains("import"));
    }

    #[test]
    fn what_stands_in_a_file_of_its_own_is_imported() {
        let imports = |text: &str| {
            let blocks = of(text);
            let texts = blocks.iter().map(|block| block.text.trim().to_string());
            texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(imports("<script src=\"./a.ts\" lang=\"ts\"></script>"), "import \"./a.ts\";");
        assert_eq!(
            imports("<template src='./a.html'/><style src=\"./a.css\"></style>"),
            "import \"./a.html\"; import \"./a.css\";"
        );
        assert_eq!(
            imports(
                "<script src=\"/a.js\"></script><script data-src=\"./a\"></script><script src=\"https://a/b\"></script>"
            ),
            ""
        );
    }

    #[test]
    fn what_vues_template_takes_from_beside_it_is_imported() {
        let vue = "<template>\n<img src=\"./a.png\" :src=\"b\"><i :src=\"require('./c.png')\"/>\n\
                   <!-- <img src=\"./d.png\"> <b/> -->\n<img src=\"/e.png\"><img src=\"{{ f }}\"></template>\n";
        let blocks = of(vue);
        let lines: Vec<&str> = blocks[0].text.lines().map(str::trim).collect();
        assert_eq!(lines, ["", "import \"./c.png\";import \"./a.png\";", ""]);
        assert_eq!((blocks.len(), of("<template>require('./' + a)</template>")), (1, vec![]));
    }

    #[test]
    fn what_is_no_script_is_passed_over() {
        assert_eq!(of("<!-- <script>a</script> --><scripted>b</scripted>"), []);
        assert_eq!(of("<script"), []);
        assert_eq!(of("<script>a")[0].text.trim(), "a");
    }
}
