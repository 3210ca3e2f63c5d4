//! Some of the hosts that a term chooses, by their places: `web[0]`, `web[-1]`, `web[0:2]`, `web[2:]`, the last place included.

/// Places, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// One place; below 0 from the end.
    One(i64),
    /// From, and to where it is said, with a `:` between them.
    Range(usize, Option<usize>),
    /// The same with a `-`, which Ansible reads too, and warns.
    Hyphen(usize, Option<usize>),
}

impl Slice {
    /// A term and the places behind it; nothing when there are none.
    pub fn split(term: &str) -> Option<(&str, Slice)> {
        let (name, places) = term.strip_suffix(']')?.rsplit_once('[')?;
        let ends = |from: &str, to: &str| {
            let to = if to.is_empty() { None } else { Some(number(to)?) };
            Some((number(from)?, to))
        };
        let slice = match (places.split_once(':'), places.split_once('-')) {
            (Some((from, to)), _) => ends(from, to).map(|(from, to)| Slice::Range(from, to))?,
            (None, Some((from, to))) if !from.is_empty() => {
                ends(from, to).map(|(from, to)| Slice::Hyphen(from, to))?
            }
            _ => Slice::One(places.parse().ok().filter(|_| !places.starts_with('+'))?),
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
            Slice::Range(from, to) | Slice::Hyphen(from, to) => {
                (from, to.map_or(list.len(), |to| to.saturating_add(1)))
            }
        };
        let to = to.min(list.len());
        list.get(from.min(to)..to).unwrap_or_default()
    }

    /// The places as they are written without doubt: `[0:2]`.
    pub fn plain(self) -> String {
        match self {
            Slice::One(at) => format!("[{at}:{at}]"),
            Slice::Range(from, to) | Slice::Hyphen(from, to) => {
                format!("[{from}:{}]", to.map(|to| to.to_string()).unwrap_or_default())
            }
        }
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
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
        assert_eq!(chosen("web[1-2]").unwrap(), "bc");
        assert_eq!(chosen("web[2-]").unwrap(), "cd");
        for term in ["~web[1]", "web[+1]", "web[-2:]", "web[a-c]", "web[1,2]", "[1]", "web[--1]"] {
            assert_eq!(chosen(term), None, "{term}");
        }
    }
}
