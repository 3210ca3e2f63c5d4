//! What `ls -ldn` says of a path. Only the columns before the date are read: a name may hold anything.

use crate::system::{FileKind, Stat};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Reads one entry; `target` is what `readlink` printed, with the line break it ends with.
pub fn parse(line: &[u8], target: &[u8]) -> Option<Stat> {
    let text = String::from_utf8_lossy(line);
    let mut columns = text.split_ascii_whitespace();
    let letters = columns.next()?.as_bytes();
    let kind = kind(*letters.first()?);
    let owner = columns.nth(1)?.parse().ok()?;
    let group = columns.next()?.parse().ok()?;
    // A device has two numbers here, the first with a comma, and no size.
    let size = columns.next()?.parse().unwrap_or(0);
    let target = target.strip_suffix(b"\n").unwrap_or(target);
    let target = (kind == FileKind::Link).then(|| PathBuf::from(OsString::from_vec(target.to_vec())));
    Some(Stat { kind, mode: mode(letters.get(1..10)?), owner, group, size, target })
}

fn kind(letter: u8) -> FileKind {
    match letter {
        b'-' => FileKind::File,
        b'd' => FileKind::Dir,
        b'l' => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// `rwsr-xr-t` as bits. The letter of a special bit is small when the execute bit is set too.
fn mode(letters: &[u8]) -> u32 {
    let mut mode = 0;
    for (index, letter) in letters.iter().enumerate() {
        let special = 0o4000 >> (index / 3);
        let own = 0o400 >> index;
        mode |= match letter {
            b'-' => 0,
            b's' | b't' => special | own,
            b'S' | b'T' => special,
            _ => own,
        };
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, target: &str) -> String {
        let stat = parse(line.as_bytes(), target.as_bytes()).unwrap();
        let target = stat.target.map(|target| format!(" {target:?}")).unwrap_or_default();
        format!(
            "{} {:04o} {}:{} {}{target}",
            stat.kind.as_str(),
            stat.mode,
            stat.owner,
            stat.group,
            stat.size
        )
    }

    #[test]
    fn reads_what_ls_prints() {
        assert_eq!(read("-rw-r--r-- 1 0 0 1234 Jan 1 00:00 /a b\nc", ""), "file 0644 0:0 1234");
        assert_eq!(read("drwxrwxrwt+  9 0 100  4096 Jan 1 2020 /tmp", ""), "directory 1777 0:100 4096");
        assert_eq!(read("-rwSr-sr-T. 1 7 8 0 Jan 1 00:00 x", ""), "file 7654 7:8 0");
        assert_eq!(
            read("lrwxrwxrwx 1 0 0 3 Jan 1 00:00 /l -> a\n", "a\n\n"),
            "symbolic link 0777 0:0 3 \"a\\n\""
        );
        assert_eq!(
            read("crw-rw-rw- 1 0 0 1, 3 Jan 1 00:00 /dev/null", ""),
            "device, socket or pipe 0666 0:0 0"
        );
        assert_eq!(parse(b"ls: what?", b""), None);
    }
}
