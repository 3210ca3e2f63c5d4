//! Compose files: what they take from the environment and what they give to containers. Interpolation is a matter of
//! text, as compose itself has it; `environment:` is read by its indentation, which is how everybody writes it.

use crate::audit::needs::Needs;

/// Whether a file is one by its name.
pub fn is_compose(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let named = file.starts_with("docker-compose") || file.starts_with("compose");
    named && (file.ends_with(".yml") || file.ends_with(".yaml"))
}

/// Adds what one says.
pub fn add(needs: &mut Needs, name: &str, text: &str) {
    let mut section: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{name}:{}", index + 1);
        let line = without_comment(line);
        interpolated(line)
            .into_iter()
            .for_each(|(variable, optional)| needs.read(&variable, place(), optional));
        let bare = line.trim_start();
        let indentation = line.len() - bare.len();
        if bare.is_empty() {
            continue;
        }
        let item = bare.starts_with("- ");
        if section.is_some_and(|at| indentation < at || (indentation == at && !item)) {
            section = None;
        }
        match section {
            Some(_) => entry(needs, bare, &place()),
            None if bare.trim_end() == "environment:" => section = Some(indentation),
            None => {}
        }
    }
}

/// `A: b`, `- A=b`: given to the container. `A:`, `- A`: passed on from the environment.
fn entry(needs: &mut Needs, bare: &str, place: &str) {
    let bare = bare.strip_prefix("- ").unwrap_or(bare).trim().trim_matches(['"', '\'']);
    let end =
        bare.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(bare.len());
    let (variable, rest) = bare.split_at(end);
    let value = rest.trim_start().trim_start_matches([':', '=']).trim();
    match (variable.is_empty(), rest.trim_start().chars().next()) {
        (true, _) => {}
        // What is empty behind `=` is given empty; behind `:` it is passed on.
        (_, Some('=')) => needs.give(variable, place.to_string()),
        (_, Some(':')) if !value.is_empty() => needs.give(variable, place.to_string()),
        (_, Some(':') | None) => needs.read(variable, place.to_string(), false),
        _ => {}
    }
}

/// `${A}`, `$A`: needed. `${A:-b}`, `${A-b}`, `${A:+b}`: not. `$$` is a dollar.
fn interpolated(line: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let (braced, bare) = match rest.strip_prefix('{') {
            Some(bare) => (true, bare),
            None => (false, rest),
        };
        let end = bare
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .unwrap_or(bare.len());
        if end > 0 && !bare.starts_with(|letter: char| letter.is_ascii_digit()) {
            let after = &bare[end..];
            let optional = braced && [":-", "-", ":+", "+"].iter().any(|mark| after.starts_with(mark));
            found.push((bare[..end].to_string(), optional));
        }
        rest = &bare[end..];
    }
    found
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut needs = Needs::default();
        add(&mut needs, "c.yml", text);
        let told = needs.variables.iter().map(|(name, need)| {
            let mark = match (need.read, need.required) {
                (true, true) => "",
                (true, false) => "?",
                _ => "-",
            };
            format!("{name}{mark}{}", if need.given.is_some() { "=" } else { "" })
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_are_known_by_name() {
        for name in ["compose.yaml", "x/docker-compose.prod.yml", "compose.override.yml"] {
            assert!(is_compose(name), "{name}");
        }
        assert!(!is_compose("composer.json") && !is_compose("config.yml"));
    }

    #[test]
    fn what_is_taken_and_what_is_given() {
        let cases = [
            (
                "image: a:${TAG:-1}\nports: [\"${PORT}:80\", \"$HOST\"]\n# ${NO}\ncommand: echo $$NOT ${X:?set it} # ${NO}",
                "HOST PORT TAG? X",
            ),
            ("environment:\n  A: b\n  B: ${C}\n  D:\nports:\n  E: f", "A-= B-= C D"),
            (
                "  environment:\n    - A=b\n    - B=\n    - C\n    - \"D=${E:-x}\"\n  image: x",
                "A-= B-= C D-= E?",
            ),
            ("environment:\n- A=1\n- B\nother: 1", "A-= B"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
