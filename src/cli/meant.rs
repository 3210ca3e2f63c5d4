//! What was probably meant by a command line that clap refuses: words of other tools, and subcommands left out.

use crate::playbook::shipped::SHIPPED;
use clap::error::ErrorKind;

/// Words that are no command, and the command that does it.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["playbook"], "windlass run playbook NAME --hosts PATTERN"),
    (&["command", "cmd", "exec", "shell", "ssh", "ping"], "windlass run command --hosts PATTERN -- COMMAND"),
    (&["script"], "windlass run script FILE --hosts PATTERN"),
    (&["step"], "windlass run step KIND KEY=VALUE --hosts PATTERN"),
    (&["check", "diff", "dry-run"], "windlass run playbook NAME --hosts PATTERN --check --diff"),
    (&["undo", "rollback", "revert"], "windlass runs undo RUN"),
    (&["retry"], "windlass runs retry RUN"),
    (&["show"], "windlass runs show RUN"),
    (&["list", "history", "log", "logs"], "windlass runs list"),
    (&["unlock"], "windlass runs unlock HOST"),
    (&["inventory", "host"], "windlass hosts"),
    (&["var", "vars"], "windlass explain var HOST.NAME"),
    (&["backup"], "windlass run playbook backup --hosts PATTERN"),
    (&["restore"], "windlass backups restore ID"),
    (&["vault", "secret"], "windlass secrets"),
    (&["validate", "verify", "test"], "windlass lint"),
    (&["new", "create"], "windlass init DIR"),
    (&["kinds", "modules", "doc", "docs"], "windlass steps"),
];

/// A hint for the words after the program's name.
pub fn hint(words: &[&str], kind: ErrorKind) -> Option<String> {
    let did_you_mean = |command: &str| Some(format!("did you mean `{command}`?"));
    let is_playbook = |word: &str| SHIPPED.iter().any(|(name, _)| *name == word);
    match (kind, words) {
        (ErrorKind::InvalidSubcommand, ["run", name, ..]) => {
            did_you_mean(&format!("windlass run playbook {name}"))
        }
        (ErrorKind::InvalidSubcommand, [word, ..]) => {
            let known = COMMANDS.iter().find(|(words, _)| words.contains(word));
            match known {
                Some((_, command)) => did_you_mean(command),
                None if is_playbook(word) => did_you_mean(&format!("windlass run playbook {word}")),
                None => None,
            }
        }
        (ErrorKind::UnknownArgument, ["run", what @ ("command" | "script"), rest @ ..])
            if rest.iter().any(|word| ["--check", "-C", "--dry-run", "--diff", "-D"].contains(word)) =>
        {
            Some(format!(
                "a {what} has no dry run: leave that out, or write a step of the kind `command` with read_only = true"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    fn hinted(line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let refused = crate::cli::Cli::try_parse_from([&["windlass"], &words[..]].concat()).err()?;
        hint(&words, refused.kind())
    }

    #[test]
    fn words_of_other_tools_lead_to_the_command() {
        let cases = [
            ("run fix-dns --hosts prod", Some("did you mean `windlass run playbook fix-dns`?")),
            ("fix-dns", Some("did you mean `windlass run playbook fix-dns`?")),
            ("undo last", Some("did you mean `windlass runs undo RUN`?")),
            ("ping", Some("did you mean `windlass run command --hosts PATTERN -- COMMAND`?")),
            ("frobnicate", None),
            ("runs nosuch", None),
            ("run playbook fix-dns --frobnicate", None),
        ];
        for (line, expected) in cases {
            assert_eq!(hinted(line).as_deref(), expected, "{line}");
        }
        let check = hinted("run command --hosts prod --check -- uptime").unwrap();
        assert!(check.starts_with("a command has no dry run"), "{check}");
    }

    /// A word that becomes a command would be shadowed no more.
    #[test]
    fn the_words_are_no_commands_and_what_they_lead_to_is_one() {
        let cli = crate::cli::Cli::command();
        for (words, command) in COMMANDS {
            assert!(words.iter().all(|word| cli.find_subcommand(word).is_none()), "{words:?}");
            let mut below = &cli;
            for word in
                command.split(' ').skip(1).take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()))
            {
                match below.find_subcommand(word) {
                    Some(found) => below = found,
                    None => assert!(below.get_subcommands().next().is_none(), "{command}"),
                }
            }
        }
    }
}
