//! What every system must do, run against each of them. `files` cases look only through the traits, so that a host in
//! memory passes them too; `host` cases need a real disk and real processes.

use super::local::Local;
use super::pretend::{Empty, Pretend};
use super::shell::Shell;
use super::{Stat, System};
use crate::model::op::Meta;
use crate::model::path::HostPath;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

mod commands;
mod files;
mod host;
mod users;

/// A system and a fresh directory on it.
struct Fixture {
    system: Box<dyn System>,
    /// The directory as the system names it.
    folder: PathBuf,
    /// The directory as this test's own process names it, where there is one.
    real: PathBuf,
    /// What the system's paths begin at, seen from this test.
    root: PathBuf,
    /// Whether a replaced file keeps its extended attributes; a shell needs GNU cp for that.
    keeps_attributes: bool,
    /// Whether what a command started ends with it at its time limit; a shell needs setsid for that.
    ends_groups: bool,
    /// How often what another user exchanges meanwhile is tried; a shell takes longer.
    races: usize,
    /// The shell at the other end of the pipe. It ends once `system` is dropped, which stands before it.
    _process: Option<Ending>,
    _kept: Option<tempfile::TempDir>,
}

/// A process that ends by itself and is waited for.
struct Ending(std::process::Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // How it ended is the business of other tests.
        let _status = self.0.wait();
    }
}

impl Fixture {
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        self.write_as(name, content, Meta::default());
    }

    fn write_as(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>, meta: Meta) {
        self.system.write(&self.path(name), &mut content.as_ref(), &meta).unwrap();
    }

    fn dir(&self, name: impl AsRef<Path>) {
        self.system.make_dir(&self.path(name), &Meta::default()).unwrap();
    }

    fn link(&self, name: impl AsRef<Path>, target: impl AsRef<Path>) {
        self.system.link(&self.path(name), target.as_ref()).unwrap();
    }

    fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        self.system.read(&self.path(name)).unwrap().unwrap()
    }

    fn stat(&self, name: impl AsRef<OsStr>) -> Option<Stat> {
        self.system.stat(&self.path(name.as_ref())).unwrap()
    }

    fn list(&self) -> Vec<String> {
        let names = self.system.list(&self.folder).unwrap();
        names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

/// What a failure says, with the fixture's own directory cut out.
fn why<T: std::fmt::Debug>(result: crate::model::Result<T>) -> String {
    result.unwrap_err().why
}

fn mode(mode: u32) -> Meta {
    Meta { mode: Some(mode), ..Meta::default() }
}

fn on_disk(system: impl FnOnce(&Path) -> (Box<dyn System>, PathBuf, PathBuf)) -> Fixture {
    let kept = tempfile::tempdir().unwrap();
    let (system, root, folder) = system(kept.path());
    let real = root.join(folder.strip_prefix("/").unwrap());
    std::fs::create_dir_all(&real).unwrap();
    Fixture {
        system,
        folder,
        real,
        root,
        keeps_attributes: true,
        ends_groups: true,
        races: 1000,
        _process: None,
        _kept: Some(kept),
    }
}

fn local() -> Fixture {
    on_disk(|kept| (Box::new(Local::new()), "/".into(), kept.join("space in name")))
}

/// A directory with a few of this machine's programs in it, since only those below it count.
fn below_a_root() -> Fixture {
    on_disk(|kept| {
        std::fs::set_permissions(kept, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(kept.join("usr/bin")).unwrap();
        for program in ["sh", "cat", "true", "echo", "printf", "pwd", "id", "getent"] {
            std::fs::copy(Path::new("/usr/bin").join(program), kept.join("usr/bin").join(program)).unwrap();
        }
        std::fs::create_dir(kept.join("etc")).unwrap();
        for table in ["etc/passwd", "etc/group"] {
            std::fs::copy(Path::new("/").join(table), kept.join(table)).unwrap();
        }
        let system = Local::below(&HostPath::from(kept)).unwrap();
        (Box::new(system), kept.into(), "/srv/folder".into())
    })
}

fn pretended() -> Fixture {
    let system = Pretend::over(&Empty);
    system.make_dir(Path::new("/folder"), &Meta::default()).unwrap();
    let nowhere = PathBuf::from("/nonexistent");
    Fixture {
        system: Box::new(system),
        folder: "/folder".into(),
        real: nowhere.clone(),
        root: nowhere,
        keeps_attributes: false,
        ends_groups: true,
        races: 0,
        _process: None,
        _kept: None,
    }
}

/// An `sh` of this machine at the other end of a pipe. It ends when the pipe does.
fn shell(argv: &[&str]) -> Fixture {
    shell_after(argv, "")
}

/// The same after some lines that make it what the test needs.
fn shell_after(argv: &[&str], lines: &str) -> Fixture {
    let mut ending = None;
    let fixture = on_disk(|kept| {
        #[expect(clippy::disallowed_methods, reason = "a test is the host's sshd here")]
        let mut process = std::process::Command::new(argv[0]);
        process.args(&argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = process.spawn().unwrap_or_else(|error| panic!("start {}: {error}", argv.join(" ")));
        let (mut writer, reader) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        writer.write_all(lines.as_bytes()).unwrap();
        let system = Shell::new(Box::new(writer), Box::new(reader)).unwrap();
        ending = Some(Ending(child));
        (Box::new(system), "/".into(), kept.join("space in name"))
    });
    Fixture { _process: ending, races: 50, ..fixture }
}

fn dash() -> Fixture {
    shell(&["sh"])
}

fn bash() -> Fixture {
    shell(&["bash"])
}

fn busybox() -> Fixture {
    Fixture { keeps_attributes: false, ..shell(&["busybox", "ash"]) }
}

/// A login that prints before the shell listens, on a host that lacks whatever a host may lack.
fn poor() -> Fixture {
    let lacking = "command() { case $2 in flock|setsid|sha256sum|openssl|runuser) return 1 ;; esac; type \"$2\" >/dev/null 2>&1 && echo \"$2\"; }; echo Welcome\n";
    Fixture { ends_groups: false, ..shell_after(&["sh"], lacking) }
}

#[test]
fn attributes_that_no_program_shows_are_not_taken_for_none() {
    let lacking = "command() { case $2 in perl|getfattr) return 1 ;; esac; type \"$2\" >/dev/null 2>&1 && echo \"$2\"; }\n";
    let on = shell_after(&["sh"], lacking);
    on.write("file", "x");
    assert_eq!(on.system.details(&on.path("file")).unwrap().attributes, None);
    let missing = on.system.details(&on.path("missing")).unwrap();
    assert!(missing.attributes.is_some(), "nothing is lost where nothing is");
}

/// Makes a test of each case for one system.
macro_rules! conforms {
    (files: $system:ident = $make:path) => {
        mod $system {
            conforms!(@each $make, files;
                nothing_is_there_at_first, content_comes_back_byte_for_byte, a_large_file_comes_back,
                odd_names_are_only_names, new_things_have_the_usual_modes, a_mode_can_be_asked_for,
                a_replaced_file_keeps_its_mode, a_directory_is_made_once, a_file_is_no_directory,
                a_directory_is_no_file, parents_are_not_made, links_tell_their_target, links_are_replaced,
                a_linked_file_is_replaced_where_it_is, a_dangling_link_holds_nothing, a_loop_of_links_is_a_failure,
                links_can_be_removed, removing_is_not_recursive, a_whole_directory_is_removed, a_part_can_be_read, digests_agree,
                a_copy_is_private, a_file_is_written_from_another_one, many_changes_are_made_together, bytes_are_appended, names_are_sorted,
                paths_and_matches_are_observed, two_paths_change_places,
            );
        }
    };
    (host: $system:ident = $make:path) => {
        mod $system {
            conforms!(@each $make, host;
                owners_are_kept_and_set, a_full_disk_leaves_the_old_file, a_read_only_disk_is_named,
                a_link_has_no_mode, a_directory_is_not_entered_by_a_link, appended_files_are_private,
                the_umask_does_not_matter, a_large_read_is_refused, attributes_are_kept,
                attributes_and_times_are_seen_and_set, links_and_directories_have_times,
                a_file_with_two_names_is_put_back_as_itself,
                nothing_is_left_behind_by_writes, a_lock_is_held_once, ports_are_observed, http_is_observed,
                commands_are_observed,
            );
            conforms!(@each $make, commands;
                status_and_output_come_back,
                arguments_are_only_words, stdin_arrives, large_stdin_does_not_block, unread_stdin_does_not_block,
                environment_and_directory_are_set, the_locale_is_c, a_login_gives_its_home_directory_and_locale, a_missing_program_is_127_and_never_started, a_missing_folder_is_named,
                a_signal_is_told, endless_output_is_bounded, both_streams_are_told_apart, a_time_limit_ends_the_group,
                a_stubborn_process_is_killed, a_daemon_does_not_hold_the_step, another_user_can_be_used,
                an_unknown_user_is_named,
            );
        }
    };
    (users: $system:ident = $make:path) => {
        mod $system {
            conforms!(@each $make, users;
                a_users_link_does_not_reach_what_is_anothers,
                a_users_link_makes_nothing_in_a_directory_that_is_anothers,
                links_to_ones_own_things_and_links_of_root_are_followed,
                a_link_of_root_in_a_users_directory_does_not_leave_it,
                a_hard_link_to_what_is_anothers_is_not_worked, what_is_exchanged_meanwhile_is_not_emptied,
            );
        }
    };
    (@each $make:path, $list:ident; $($case:ident),* $(,)?) => {
        $( conforms!(@one $make, $list, $case); )*
    };
    (@one $make:path, $list:ident, $case:ident) => {
        #[test]
        fn $case() {
            super::$list::$case(&$make());
        }
    };
}

conforms!(files: pretend_files = super::pretended);
conforms!(files: local_files = super::local);
conforms!(host: local_host = super::local);
conforms!(files: root_files = super::below_a_root);
conforms!(host: root_host = super::below_a_root);
conforms!(files: poor_files = super::poor);
conforms!(host: poor_host = super::poor);
conforms!(files: dash_files = super::dash);
conforms!(host: dash_host = super::dash);
conforms!(files: bash_files = super::bash);
conforms!(host: bash_host = super::bash);
conforms!(files: busybox_files = super::busybox);
conforms!(host: busybox_host = super::busybox);
conforms!(users: local_users = super::local);
conforms!(users: root_users = super::below_a_root);
conforms!(users: poor_users = super::poor);
conforms!(users: dash_users = super::dash);
conforms!(users: bash_users = super::bash);
conforms!(users: busybox_users = super::busybox);
