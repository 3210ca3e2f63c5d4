//! Some of a group's hosts by their places: `web[0]`, `web[-1]`, `web[0:2]`, `web[2:]`, the last place included.

/// Places, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// One place; below 0 from the end.
    One(i64),
    /// From, and to where it is said.
    Range(usize, Option<usize>),
}

impl Slice {
    /// A group's name and the places behind it; nothing when there are none.
    pub fn split(term: &str) -> Option<(&str, Slice)> {
        let (name, places) = term.strip_suffix(']')?.rsplit_once('[')?;
        let slice = match places.split_once(':') {
            None => Slice::One(places.parse().ok()?),
            Some((from, "")) => Slice::Range(from.parse().ok()?, None),
            Some((from, to)) => Slice::Range(from.parse().ok()?, Some(to.parse().ok()?)),
        };
        (!name.is_empty() && !name.starts_with('~')).then_some((name, slice))
    }

    /// Those of a list.
    pub fn of<'a, 'b>(self, list: &'b [&'a str]) -> &'b [&'a str] {
        let (from, to) = match self {
            Slice::One(at) if at < 0 => {
                let place = list.len().checked_sub(at.unsigned_abs() as usize);
                place.map_or((0, 0), |place| (place, place + 1))
            }
            Slice::One(at) => (at as usize, (at as usize).saturating_add(1)),
            Slice::Range(from, to) => (from, to.map_or(list.len(), |to| to.saturating_add(1))),
        };
        let to = to.min(list.len());
        list.get(from.min(to)..to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_ansible_does() {
        let list = ["a", "b", "c", "d"];
        let chosen = |term: &str| Slice::split(term).map(|(_, slice)| slice.of(&list).concat());
        assert_eq!(chosen("web[0]").unwrap(), "a");
        assert_eq!(chosen("web[-1]").unwrap(), "d");
        assert_eq!(chosen("web[0:2]").unwrap(), "abc");
        assert_eq!(chosen("web[2:]").unwrap(), "cd");
        assert_eq!(chosen("web[9]").unwrap(), "");
        assert_eq!(chosen("web[-9]").unwrap(), "");
        assert_eq!(chosen("web[3:1]").unwrap(), "");
        assert_eq!(chosen("web[1-2]"), None);
        assert_eq!(chosen("~web[1]"), None);
    }
}
