//! What a term with brackets chooses. Windlass prints `web[01-14]` and means names; Ansible reads places of what `web`
//! chooses, and one character for brackets elsewhere. Where both choose hosts, and others, the term is refused.

use super::matcher::{Matcher, names_in};
use super::slice::Slice;
use crate::inventory::fold::fold;
use std::collections::BTreeSet;

/// Names of hosts, each once, in the order in which they were chosen.
pub type Names<'a> = Vec<&'a str>;

/// The names that a term without `&`, `!` and `@` chooses, each once; none where nothing is called so. `listing` says what a
/// matcher finds, a name as often as it is found. An error says how to write a term that has two meanings, or places that
/// nothing has.
pub fn choose<'a>(term: &str, listing: &dyn Fn(&Matcher) -> Names<'a>) -> Result<Names<'a>, String> {
    let matching = |matcher: &Matcher| once(listing(matcher));
    if term.starts_with('~') || !term.contains(['[', ']']) {
        return Matcher::of(term).map(|matcher| matching(&matcher));
    }
    let by_names = Matcher::of_ranges(term).map(|matcher| matching(&matcher));
    let Some((base, slice)) = Slice::split(term) else {
        return by_class(term, by_names, &matching);
    };
    let of_base = listing(&Matcher::of(base)?);
    let by_places = once(slice.of(&of_base).to_vec());
    let named = by_names.unwrap_or_default();
    if of_base.is_empty() {
        return Ok(named);
    }
    let is_glob = base.contains(['*', '?']);
    let is_place = match slice {
        Slice::Range(..) => true,
        Slice::One(at) => at < 0 || is_glob,
        Slice::Hyphen(..) => false,
    };
    match named.is_empty() || is_place {
        true if by_places.is_empty() => {
            Err(format!("`{term}` chooses no host: `{base}` has {}, counted from 0", once(of_base).len()))
        }
        true => Ok(by_places),
        false if is_same(&named, &by_places) || is_as_printed(term, base, &named) => Ok(named),
        false => Err(format!(
            "`{term}` can be {} in `{base}`, counted from 0; write {}, or `{base}{}`",
            if matches!(slice, Slice::One(_)) {
                "a host's name or a place"
            } else {
                "names of hosts or places"
            },
            written(&named),
            slice.plain()
        )),
    }
}

/// What a term with brackets, of which the last are no places, chooses.
fn by_class<'a>(
    term: &str,
    by_names: Result<Names<'a>, String>,
    matching: &dyn Fn(&Matcher) -> Names<'a>,
) -> Result<Names<'a>, String> {
    let (base, inside) = term.rsplit_once('[').unwrap_or_default();
    if term.matches('[').count() != term.matches(']').count() {
        return by_names;
    }
    // In Ansible a comma ends a term, so that a list has no other meaning there.
    if term.contains(',') {
        let named = by_names?;
        return match is_whole(term, &named) || matching(&Matcher::of(base)?).is_empty() {
            true => Ok(named),
            false => Err(format!(
                "`{term}` stands for hosts of which some do not exist; places in `{base}` are written `{base}[0],{base}[1]`"
            )),
        };
    }
    let is_meant_as_places = inside.starts_with('-') && inside.contains(':') && term.ends_with(']');
    if is_meant_as_places && !matching(&Matcher::of(base)?).is_empty() {
        return Err(format!(
            "`{term}` names no places of `{base}`: write {base}[0], {base}[-1], {base}[0:2] or {base}[2:]"
        ));
    }
    let by_class = matching(&Matcher::of(term)?);
    match by_names {
        Ok(named) if by_class.is_empty() || is_same(&named, &by_class) => Ok(named),
        Ok(named) if !named.is_empty() => Err(format!(
            "`{term}` can be a range of numbers, or one character as in Ansible; write {}, or {}",
            written(&named),
            written(&by_class)
        )),
        _ => Ok(by_class),
    }
}

/// Each name once, where it comes first.
pub fn once(mut names: Names<'_>) -> Names<'_> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

fn is_same(some: &[&str], others: &[&str]) -> bool {
    some.iter().collect::<BTreeSet<_>>() == others.iter().collect::<BTreeSet<_>>()
}

/// Whether a term's ranges stand for these hosts and for no other name.
fn is_whole(term: &str, named: &[&str]) -> bool {
    let named: BTreeSet<&str> = named.iter().copied().collect();
    names_in(term).is_ok_and(|names| names.iter().all(|name| named.contains(name.as_str())))
}

/// Whether windlass prints these hosts as this term: a range of whole numbers of which every host exists.
fn is_as_printed(term: &str, base: &str, named: &[&str]) -> bool {
    let is_range = term.contains('-') && !base.ends_with(|letter: char| letter.is_ascii_digit());
    is_range && is_whole(term, named)
}

/// How many names are written out in a message.
const WRITTEN: usize = 4;

/// Names as a pattern that has one meaning.
fn written(names: &[&str]) -> String {
    match names {
        [_, ..] if names.len() <= WRITTEN => format!("`{}`", names.join(",")),
        _ => format!("the names of `{}`", fold(names)),
    }
}
