//! The name that someone probably meant.

/// The candidate that looks most like `wanted`, when one looks enough like it to be worth a hint.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    let candidates: Vec<&str> = candidates.into_iter().filter(|candidate| *candidate != wanted).collect();
    let near = candidates
        .iter()
        .copied()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed(wanted, candidate))
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate);
    near.or_else(|| candidates.into_iter().filter(|candidate| begins_nearly(&lower, candidate)).min())
}

/// Whether a longer name begins as the wanted one does but for a letter: `equl` is near `equalto`.
fn begins_nearly(wanted: &str, candidate: &str) -> bool {
    const LETTERS: usize = 4;
    let letters = wanted.chars().count();
    let begins = |length: usize| {
        let start: String = candidate.to_lowercase().chars().take(length).collect();
        start.chars().count() == length && strsim::damerau_levenshtein(wanted, &start) <= 1
    };
    letters >= LETTERS && begins(letters + 1)
}

/// The hint for a name that does not exist: `did you mean `merge`?`.
pub fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wanted, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// The same, else all names when they are few: `there are: app, site`.
pub fn nearest_or_all<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const FEW: usize = 12;
    let names: Vec<&str> = candidates.into_iter().collect();
    let all = || format!("there are: {}", names.join(", "));
    did_you_mean(wanted, names.iter().copied()).or_else(|| (1..=FEW).contains(&names.len()).then(all))
}

/// A name that begins like the other is near however much longer it is: `db` is near `db-1`.
fn distance(wanted: &str, candidate: &str) -> usize {
    let begins = wanted.len() >= 2 && (candidate.starts_with(wanted) || wanted.starts_with(candidate));
    let edits = strsim::damerau_levenshtein(wanted, candidate);
    if begins && !candidate.is_empty() { edits.min(2) } else { edits }
}

fn allowed(wanted: &str, candidate: &str) -> usize {
    (wanted.chars().count().max(candidate.chars().count()) / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let names = ["merge", "path", "mode", "owner", "db-1"];
        assert_eq!(nearest("mrege", names), Some("merge"));
        assert_eq!(nearest("Path", names), Some("path"));
        assert_eq!(nearest("ownr", names), Some("owner"));
        assert_eq!(nearest("database", names), None);
        assert_eq!(nearest("equl", ["eq", "equalto", "ne"]), Some("equalto"));
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("", names), None);
    }
}
