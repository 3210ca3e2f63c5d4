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

/// The scripts of a component's text. A `<script src="…">` has none of its own.
pub fn of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some((attributes, start)) = next_script(text, at) {
        let end = find(text, "</script", start).unwrap_or(text.len());
        let typescript = ["lang=\"ts", "lang='ts", "lang=ts"].iter().any(|lang| attributes.contains(lang));
        let script = [blank(&text[..start]), text[start..end].to_string()].concat();
        blocks.push(Block { text: script, typescript });
        at = end;
    }
    blocks
}

/// The attributes of the first `<script …>` from `at` on, and where its text begins. Comments are passed over.
fn next_script(text: &str, mut at: usize) -> Option<(&str, usize)> {
    loop {
        let tag = find(text, "<script", at)?;
        if let Some(comment) = find(text, "<!--", at).filter(|comment| *comment < tag) {
            at = find(text, "-->", comment)?;
            continue;
        }
        let attributes = tag + "<script".len();
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
    fn what_is_no_script_is_passed_over() {
        assert_eq!(of("<!-- <script>a</script> --><scripted>b</scripted>"), []);
        assert_eq!(of("<script"), []);
        assert_eq!(of("<script>a")[0].text.trim(), "a");
    }
}
