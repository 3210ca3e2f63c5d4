//! What people write in templates who think of another language, and how it is written in Jinja.

use super::fault::Fault;
use super::statements::ENDS;
use crate::model::nearest::did_you_mean;

/// Tags that stand alone, without anything behind their names, beside most of those that end something.
const ALONE: [&str; 3] = ["break", "continue", "raw"];

/// What went wrong in a source, with what to write there where that is known.
pub fn explained(source: &str, fault: Fault) -> Fault {
    match hint(source, &fault) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn hint(source: &str, fault: &Fault) -> Option<String> {
    let spot = fault.spot.as_ref().filter(|spot| spot.template.is_none())?;
    let (before, rest) = source.split_at_checked(spot.range.start)?;
    if fault.why.starts_with("there is no tag") {
        return of_tag(rest);
    }
    if is_nested(before, rest) && fault.why.starts_with("expected") {
        return Some("write {{ and }} once, around the whole expression".to_string());
    }
    if fault.hint.is_some() {
        return None;
    }
    let write = match () {
        () if rest.starts_with('&') => "write `and`",
        () if rest.starts_with('|') && before.ends_with('|') => "write `or`",
        () if rest.starts_with('!') && !rest.starts_with("!=") => "write `not`",
        () if rest.starts_with('?') => "write `b if a else c` for `a ? b : c`",
        () if rest.starts_with("if") && is_else(before) => "write `elif`",
        () => return None,
    };
    Some(write.to_string())
}

/// Whether `{{` stands in what another `{{` starts.
fn is_nested(before: &str, rest: &str) -> bool {
    let inside = before.rsplit("}}").next().unwrap_or_default();
    let opened = inside.matches("{{").count();
    inside.contains("{{{") || opened > 1 || (opened == 1 && rest.starts_with("{{"))
}

/// Whether all that stands in front, in its tag, is `else`.
fn is_else(before: &str) -> bool {
    let tag = before.rsplit("{%").next().unwrap_or_default();
    before.contains("{%") && tag.trim_start_matches(['-', '+']).trim() == "else"
}

fn alone() -> impl Iterator<Item = &'static str> {
    ALONE.iter().chain(ENDS).copied().filter(|tag| *tag != "elif")
}

/// What to write for a tag that does not exist; `rest` starts with its name.
fn of_tag(rest: &str) -> Option<String> {
    let end = rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric())?;
    let (name, behind) = rest.split_at(end);
    if matches!(name, "elseif" | "elsif" | "elif") {
        return Some("write `elif`".to_string());
    }
    let behind = behind.trim_start();
    let is_alone = behind.trim_start_matches(['-', '+']).starts_with("%}");
    if is_alone && let Some(hint) = did_you_mean(name, alone()) {
        return Some(hint);
    }
    match is_alone {
        true => Some(format!("write {{{{ {name} }}}} to print a value")),
        false if behind.starts_with(['|', '.', '[']) => Some("write {{ … }} to print a value".to_string()),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::template::{Form, Templates};
    use expect_test::expect;

    fn hint(source: &str) -> String {
        let form = if source.contains(['{', '%']) { Form::Text } else { Form::Expression };
        let fault = Templates::new(&Default::default()).scanned(source, form).err();
        let hint = fault.map_or("fine".to_string(), |fault| fault.hint.unwrap_or(fault.why));
        format!("{source} => {hint}\n")
    }

    #[test]
    fn what_other_languages_write_gets_its_form() {
        let sources = [
            "a && b",
            "a & b",
            "a || b",
            "!a",
            "a and !b",
            "a ? b : c",
            "a != b",
            "a b",
            "{{ a ? b : c }}",
            "{% if a && !b %}{% endif %}",
            "{% if a %}{% elseif b %}{% endif %}",
            "{% if a %}{% else if b %}{% endif %}",
            "{{{ a }}}",
            "{{ {{ a }} }}",
            "{{ 'x' + {{ a }} }}",
            "{{ a {{ b }} }}",
            "{{ {'a': 1} }}{{ {1} }}",
            "{% domain %}",
            "{% domain | upper %}",
            "{% brek %}",
            "{% fro a in b %}",
        ];
        let hints: String = sources.map(hint).concat();
        expect![[r#"
            a && b => write `and`
            a & b => write `and`
            a || b => write `or`
            !a => write `not`
            a and !b => write `not`
            a ? b : c => write `b if a else c` for `a ? b : c`
            a != b => fine
            a b => expected the end, found `b`
            {{ a ? b : c }} => write `b if a else c` for `a ? b : c`
            {% if a && !b %}{% endif %} => write `and`
            {% if a %}{% elseif b %}{% endif %} => write `elif`
            {% if a %}{% else if b %}{% endif %} => write `elif`
            {{{ a }}} => write {{ and }} once, around the whole expression
            {{ {{ a }} }} => write {{ and }} once, around the whole expression
            {{ 'x' + {{ a }} }} => write {{ and }} once, around the whole expression
            {{ a {{ b }} }} => write {{ and }} once, around the whole expression
            {{ {'a': 1} }}{{ {1} }} => expected `:`, found `}`
            {% domain %} => write {{ domain }} to print a value
            {% domain | upper %} => write {{ … }} to print a value
            {% brek %} => did you mean `break`?
            {% fro a in b %} => did you mean `for`?
        "#]]
        .assert_eq(&hints);
    }
}
