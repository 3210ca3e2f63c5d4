//! Where a command's program is, and the environment it gets: the same on every host, whatever the login gave.

use super::root::{Root, real_path};
use crate::model::op::Command;
use crate::system::user::Identity;
use rustix::fs::{self, Access, AtFlags, CWD, OFlags};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a process inherits; everything else that a login may have set is not passed on.
const INHERITED: [&str; 15] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "DOCKER_HOST",
];

/// What belongs to the user who logged in, and not to another whom a command runs as.
const PERSONAL: [&str; 4] = ["TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST"];

/// The locale of the login, for commands that run as in one.
const LOCALE: [&str; 15] = [
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
];

/// Directories that PATH always ends with: logins of ordinary users lack the `sbin` ones.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The real directories that a directory-host's own programs may use, so that its scripts have `cat`.
const REAL_FOLDERS: &str = "/usr/bin:/bin";

/// So many bytes of a script Linux reads to find its interpreter.
const FIRST_LINE: u64 = 256;

/// The whole environment of a command.
pub fn environment(root: &Root, command: &Command, user: Option<&Identity>) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    let personal = |name: &&&str| user.is_none() || !PERSONAL.contains(*name);
    let locale: &[&str] = if command.login { &LOCALE } else { &[] };
    for name in INHERITED.iter().filter(personal).chain(locale) {
        if let Some(value) = std::env::var_os(name) {
            set(name, value);
        }
    }
    if let Some(user) = user {
        set("HOME", user.home.clone().into());
        set("SHELL", user.shell.clone().into());
        set("USER", user.name.clone().into());
        set("LOGNAME", user.name.clone().into());
    }
    if !command.login {
        set("LC_ALL", "C".into());
    }
    set("PATH", search_path(root));
    if let Root::Folder(_, folder) = root {
        set("WINDLASS_ROOT", folder.into());
    }
    for (name, value) in &command.environment {
        set(name, value.into());
    }
    all
}

/// Where the program is; `None` when there is none.
pub fn find(root: &Root, program: &str, path: &OsStr) -> Option<PathBuf> {
    match root {
        Root::Host if program.contains('/') => Some(program.into()),
        Root::Host => std::env::split_paths(path).map(|folder| folder.join(program)).find(|path| runs(path)),
        Root::Folder(..) if program.contains('/') => below(root, Path::new("/").join(program)),
        Root::Folder(..) => FOLDERS.iter().find_map(|folder| below(root, Path::new(folder).join(program))),
    }
}

fn search_path(root: &Root) -> OsString {
    match root {
        Root::Host => completed(std::env::var_os("PATH").unwrap_or_default()),
        Root::Folder(_, folder) => {
            let mut path = OsString::new();
            for name in FOLDERS {
                path.push(folder);
                path.push(name);
                path.push(":");
            }
            path.push(REAL_FOLDERS);
            path
        }
    }
}

fn completed(path: OsString) -> OsString {
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    for folder in FOLDERS.map(PathBuf::from) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    // What came out of a PATH holds no colon, so joining cannot fail.
    std::env::join_paths(folders).unwrap_or(path)
}

/// The real path of a program in a directory-host: its interpreter, if any, opens it by name.
fn below(root: &Root, path: PathBuf) -> Option<PathBuf> {
    let open = root.open(&path, OFlags::PATH).ok()?;
    real_path(&open).ok().filter(|path| runs(path))
}

/// Whether it is a file that we may run.
pub fn runs(path: &Path) -> bool {
    let is_file = fs::stat(path).is_ok_and(|stat| fs::FileType::from_raw_mode(stat.st_mode).is_file());
    is_file && fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// The program that a script's first line names (`#!`). `None` for what is no script, or cannot be read.
pub fn interpreter(path: &Path) -> Option<PathBuf> {
    let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, fs::Mode::empty()).ok()?;
    let mut start = Vec::new();
    std::fs::File::from(file).take(FIRST_LINE).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    Some(OsStr::from_bytes(word).into())
}
