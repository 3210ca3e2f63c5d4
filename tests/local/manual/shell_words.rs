//! Commands of a block of shell, as words: enough of sh for a manual.

/// The commands of a block; `sudo`, variables before a command, and redirections are left out.
pub fn commands(block: &str) -> Vec<Vec<String>> {
    let mut reader = Reader::default();
    let mut rest = block.chars().peekable();
    while let Some(c) = rest.next() {
        match (reader.quote, c) {
            (Some(quote), c) if c == quote => reader.quote = None,
            (Some(_), c) => reader.add(c),
            (None, '\'' | '"') => reader.open(c),
            (None, '\\') if rest.peek() == Some(&'\n') => drop(rest.next()),
            (None, '#') if reader.word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            (None, '\n' | '|' | '&' | ';') => reader.end_command(),
            (None, '>' | '<') => {
                reader.end_word();
                reader.redirected = true;
            }
            (None, c) if c.is_whitespace() => reader.end_word(),
            (None, c) => reader.add(c),
        }
    }
    reader.end_command();
    reader.commands
}

#[derive(Default)]
struct Reader {
    commands: Vec<Vec<String>>,
    command: Vec<String>,
    word: Option<String>,
    quote: Option<char>,
    /// The next word names a file of a redirection.
    redirected: bool,
}

impl Reader {
    fn add(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn open(&mut self, quote: char) {
        self.quote = Some(quote);
        self.word.get_or_insert_default();
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let is_prefix = self.command.is_empty() && (word == "sudo" || word.contains('='));
        if !std::mem::take(&mut self.redirected) && !is_prefix {
            self.command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }
}

#[test]
fn a_block_is_split_into_commands() {
    let block = "A=1 sudo windlass a -e 'b=[\"c d\"]' > out.md  # why\ncd x && windlass b \\\n  --c\n";
    let split: Vec<String> = commands(block).iter().map(|words| words.join("·")).collect();
    assert_eq!(split, ["windlass·a·-e·b=[\"c d\"]", "cd·x", "windlass·b·--c"]);
}
