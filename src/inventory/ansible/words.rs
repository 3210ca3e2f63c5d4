//! A line of an INI inventory as words: split as a POSIX shell splits them, and as Python's `shlex` does.

/// The words before a `#` that stands in no quotes. Quotes and escapes are gone.
pub fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '#' => break,
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next().ok_or(ESCAPE)?),
            '\'' => single_quoted(&mut letters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut letters, word.get_or_insert_default())?,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

const ESCAPE: &str = "nothing follows the last `\\`";
const QUOTE: &str = "a quotation mark is not closed";

fn single_quoted(letters: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match letters.next().ok_or(QUOTE)? {
            '\'' => return Ok(()),
            other => word.push(other),
        }
    }
}

/// Inside double quotes only `"` and `\` can be escaped; before another letter the `\` stays.
fn double_quoted(letters: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match letters.next().ok_or(QUOTE)? {
            '"' => return Ok(()),
            '\\' => match letters.next().ok_or(QUOTE)? {
                escaped @ ('"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> String {
        words(line).map_or_else(str::to_string, |words| words.join("|"))
    }

    #[test]
    fn words_are_split_as_shlex_does() {
        assert_eq!(split("a b=1  c='x y' # no"), "a|b=1|c=x y");
        assert_eq!(split(r#"g="say \"hi\"" e=a\ b t="a\tb" k='a\b'"#), r#"g=say "hi"|e=a b|t=a\tb|k=a\b"#);
        assert_eq!(split(r#"opts="{'a': 1}" l='["x"]' m="""#), r#"opts={'a': 1}|l=["x"]|m="#);
        assert_eq!(split("url=http://x/y#z q=1"), "url=http://x/y");
        assert_eq!(split("a=b=c ''"), "a=b=c|");
        assert_eq!(split("a\\"), ESCAPE);
        assert_eq!(split("x=it's"), QUOTE);
    }
}
