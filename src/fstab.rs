//! Lines of `/etc/fstab` and of the kernel's list of mounts: six fields, blanks in them written as `\040`.

use crate::model::Result;
use crate::model::op::{Content, Meta, Op};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::Lines;

/// What is mounted at boot.
pub const FSTAB: &str = "/etc/fstab";

/// What is mounted now. A process sees its own; the host's agent is in no other place than the host.
pub const MOUNTS: &str = "/proc/self/mounts";

/// Letters that cannot stand in a field as they are, and how they are written.
const ESCAPES: &[(&str, &str)] = &[("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")];

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A device, `UUID=…`, a share, or a word such as `tmpfs`.
    pub source: String,
    /// Where; `none` for swap.
    pub target: String,
    /// Type of the file system.
    pub kind: String,
    /// Separated by commas.
    pub options: String,
    /// Whether dump saves it.
    pub dump: u32,
    /// When fsck looks at it.
    pub pass: u32,
}

impl Entry {
    /// From a line; `None` for a comment and for what mount does not take for an entry. As libmount reads it: `#` begins a
    /// comment only at the start of a line, and what stands behind the sixth field means nothing.
    pub fn of(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('#') {
            return None;
        }
        let mut fields = line.split_ascii_whitespace();
        let mut text = || fields.next().map(unescaped);
        let (source, target, kind) = (text()?, text()?, text()?);
        let options = text().unwrap_or_else(|| "defaults".to_string());
        let mut number = || fields.next().map_or(Some(0), |word| word.parse().ok());
        Some(Entry { source, target, kind, options, dump: number()?, pass: number()? })
    }

    /// Its line.
    pub fn line(&self) -> String {
        let [source, others @ ..] =
            [&self.source, &self.target, &self.kind, &self.options].map(|text| escaped(text));
        // At the start of a line it would begin a comment.
        let source = source.strip_prefix('#').map_or(source.clone(), |rest| format!("\\043{rest}"));
        format!("{source} {} {} {}", others.join(" "), self.dump, self.pass)
    }

    /// Whether mount does the same for both: quotes around the value of a tag, the order of the options and a slash at the
    /// end of a path mean nothing to it.
    pub fn says_the_same(&self, other: &Entry) -> bool {
        self.plain() == other.plain()
    }

    fn plain(&self) -> Entry {
        let mut options: Vec<&str> = self.options.split(',').collect();
        options.sort_unstable();
        Entry {
            source: plain_source(&self.source),
            target: plain_path(&self.target),
            options: options.join(","),
            ..self.clone()
        }
    }
}

/// A source without quotes around the value of a tag: `UUID="x"` is `UUID=x`.
pub fn plain_source(source: &str) -> String {
    let unquoted = source.split_once('=').and_then(|(tag, value)| {
        let value = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))?;
        Some(format!("{tag}={value}"))
    });
    unquoted.unwrap_or_else(|| source.to_string())
}

/// A path without slashes at its end and empty parts: `/srv/data` for `/srv//data/`.
pub fn plain_path(path: &str) -> String {
    match path.starts_with('/') {
        true => {
            let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
            format!("/{}", parts.collect::<Vec<_>>().join("/"))
        }
        false => path.to_string(),
    }
}

/// The entries that `text` has, first to last.
pub fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().filter_map(Entry::of)
}

/// The ops that let `/etc/fstab` have this entry in place of those of which `is_it` is true, or none of those.
pub fn edit(host: &dyn Probe, wanted: Option<&Entry>, is_it: impl Fn(&Entry) -> bool) -> Result<Vec<Op>> {
    let old = wanted::text(host, &FSTAB.into())?;
    let text = old.clone().unwrap_or_default();
    let mut lines = Lines::of(&text);
    let found = lines.last_position(|line| Entry::of(line).is_some_and(|entry| is_it(&entry)));
    match (wanted, found) {
        (Some(entry), Some(index)) if is_there(&lines, index, entry) => {}
        (Some(entry), Some(index)) => lines.replace(index, &entry.line()),
        (Some(entry), None) => lines.push(&entry.line()),
        (None, Some(_)) => lines.remove_if(|line| Entry::of(line).is_some_and(|entry| is_it(&entry))),
        (None, None) => return Ok(Vec::new()),
    }
    wanted::file(host, &FSTAB.into(), Content::Bytes(lines.text().into_bytes()), &Meta::default())
}

fn is_there(lines: &Lines<'_>, index: usize, wanted: &Entry) -> bool {
    lines.get(index).and_then(Entry::of).is_some_and(|entry| entry.says_the_same(wanted))
}

fn escaped(text: &str) -> String {
    ESCAPES.iter().fold(text.to_string(), |text, (letter, code)| text.replace(letter, code))
}

/// A field as it is meant: a backslash and three octal digits are a byte.
fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some(first) = rest.first() {
        let code = rest.get(1..4).filter(|_| *first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(*first));
        rest = &rest[if code.is_some() { 4 } else { 1 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn octal(digits: &[u8]) -> Option<u8> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        for line in ["UUID=1 / ext4 rw 0 1", "/a\\040b /c\\134d none bind 0 0", "\\043x /mnt cifs a=b 0 0"] {
            assert_eq!(Entry::of(line).unwrap().line(), line);
        }
        assert_eq!(Entry::of("/a\\040b /c auto").unwrap().source, "/a b");
        assert_eq!(Entry::of("# /a /b ext4"), None);
        assert_eq!(Entry::of("sshfs#bob@host:/d /r fuse").unwrap().source, "sshfs#bob@host:/d");
        assert_eq!(Entry::of("//nas/x\\043y /\\303\\244 cifs").unwrap().target, "/ä");
        assert_eq!(Entry::of("a\\0 /x\\999 cifs").unwrap().source, "a\\0");
        assert_eq!(Entry::of("UUID=1 / ext4 rw 0 1 # the disk").unwrap().pass, 1);
        assert_eq!(Entry::of("tmpfs /t tmpfs rw # a word where a number belongs"), None);
        assert_eq!(Entry::of("/dev/sda1 /"), None);
    }

    #[test]
    fn spellings_of_one_entry_are_one() {
        let same = |one: &str, other: &str| Entry::of(one).unwrap().says_the_same(&Entry::of(other).unwrap());
        assert!(same("UUID=\"ab\" /srv/ ext4 noatime,ro", "UUID=ab /srv ext4 ro,noatime 0 0"));
        assert!(!same("UUID=ab /srv ext4 ro", "UUID=ac /srv ext4 ro"));
        assert!(!same("UUID=ab /srv ext4 ro", "UUID=ab /srv ext4 ro 0 2"));
    }
}
