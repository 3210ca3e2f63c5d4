//! Files that have more than bytes, mode and owner: an undo restores all of it, through the agent and through sh.

use crate::stage::Stage;
use crate::undo_kinds::assert_same;
use std::fs;

/// Files that have more than bytes, mode and owner, and everything of them that can be compared: an ACL, a capability, an
/// attribute, hard links, times with nanoseconds.
const DRESSED: &str = r#"
    rm -rf /srv/e2e && mkdir -p /srv/e2e/tree/deep /srv/e2e/inner && cd /srv/e2e
    echo x >tree/one; ln tree/one tree/two; ln tree/one outside; echo y >tree/deep/y; ln -s ../one tree/deep/link
    printf old >inner/file; ln inner/file inner/file-too; echo a >inner/lines; echo l >inner/labelled; cp /bin/true tree/capable
    perl -e '
        my $entry = sub { pack("SSL", $_[0], $_[1], $_[2] // 0xffffffff) };
        my $acl = pack("L", 2) . $entry->(1, 6) . $entry->(2, 6, 1) . $entry->(4, 4) . $entry->(16, 6) . $entry->(32, 0);
        my $default = pack("L", 2) . $entry->(1, 7) . $entry->(2, 7, 1) . $entry->(4, 5) . $entry->(16, 7) . $entry->(32, 5);
        sub set { my ($path, $name, $value) = @_; syscall(188, "$path", "$name", "$value", length $value, 0) == 0 or die "$path $name $!" }
        set("tree/deep/y", "system.posix_acl_access", $acl); set("inner/file", "system.posix_acl_access", $acl);
        set("tree/deep", "system.posix_acl_default", $default);
        set("tree/capable", "security.capability", pack("LLLLL", 0x02000001, 0x2000, 0, 0, 0));
        set("inner/labelled", "trusted.note", "\0 \xff");'
    find . -type f | while read -r path; do touch -h -d "2020-02-0$((${#path} % 9 + 1)) 03:04:05.123456789" "$path"; done
    touch -h -d '2019-01-01 01:01:01.1' tree/deep/link; touch -d '2018-01-01 01:01:01.2' tree/deep inner
    touch -d '2017-01-01 01:01:01.3' tree; touch -d '2016-01-01 01:01:01.4' .
"#;

const DRESSED_STATE: &str = r#"
    cd /srv/e2e && find . -printf '%p %y %m %U:%G %n %T@ %l\n' | sort
    find . -samefile outside | sort; find . -type f | sort | xargs sha256sum
    find . ! -type l | sort | perl -ne '
        chomp; my $path = $_; my $names = "\0" x 65536; my $length = syscall(194, $path, $names, 65536);
        for my $name (sort split /\0/, substr($names, 0, $length)) {
            my $value = "\0" x 65536; my $size = syscall(191, $path, $name, $value, 65536);
            print "$path $name ", unpack("H*", substr($value, 0, $size)), "\n";
        }'
"#;

const DRESSED_STEPS: &str = "[[steps]]
[steps.absent]
path = '/srv/e2e/tree'
    [[steps]]
[steps.file]
path = '/srv/e2e/inner/file'
content = 'new'
mode = '0600'
owner = 'nobody'
    [[steps]]
[steps.line]
path = '/srv/e2e/inner/lines'
line = 'added'
    [[steps]]
[steps.symlink]
path = '/srv/e2e/inner/labelled'
target = 'elsewhere'
force = true
    [[steps]]
[steps.directory]
path = '/srv/e2e/inner/new/deeper'
";

/// On a host that is worked like this, in a directory that is on the same file system as windlass's state.
fn all_of_a_file_is_restored(on: &str, system: &str, directory: &str) {
    let there = |text: &str| text.replace("/srv/e2e", directory);
    let Stage { host, project } = Stage::on(on).with(&there(DRESSED));
    let state = there(DRESSED_STATE);
    let before = host.must(&state);
    assert!(before.contains("security.capability") && before.contains("posix_acl_default"), "{before}");

    let report = project.play(&there(DRESSED_STEPS), on, "").exits(0);
    assert_eq!((report.system(on), report.outcome(on)), (system, "changed"));
    project.report("runs undo last --check").exits(0);
    assert_ne!(host.must(&state), before);
    let undone = project.report("runs undo last").exits(0);
    assert_eq!(undone.outcome(on), "undone");
    assert_same(&before, &host.must(&state));
    host.must(&there("rm -rf /srv/e2e"));
}

#[test]
fn all_of_a_file_is_restored_by_the_agent() {
    all_of_a_file_is_restored("full2", "agent", "/srv/e2e");
}

#[test]
fn all_of_a_file_is_restored_through_sh() {
    all_of_a_file_is_restored("noexec1", "sh", "/var/e2e");
}

/// What cannot be kept is said beforehand, and by the undo: here the state is on another file system.
#[test]
fn hard_links_that_cannot_be_kept_are_said_to_be_lost() {
    let why = "its other names (hard links) are on another file system than windlass's state";
    let Stage { host, project } = Stage::on("noexec1").with(DRESSED);
    for (flags, run) in [("--check", "last-check"), ("", "last")] {
        project.play(DRESSED_STEPS, "noexec1", flags).exits(0);
        let shown = project.windlass(["runs", "show", run]).stdout;
        assert!(
            shown.contains(&format!("remove /srv/e2e/tree: only as a file of its own: {why}")),
            "{shown}"
        );
        assert!(shown.contains(" of 6 changes c"), "{shown}");
    }
    let undone = project.report("runs undo last").exits(2);
    assert_eq!(undone.outcome("noexec1"), "partly_undone");
    let failure = undone.failure("noexec1");
    assert!(
        failure.contains(" changes could not be undone, or only in part") && failure.contains(why),
        "{failure}"
    );
    assert_eq!(host.must("cat /srv/e2e/tree/two /srv/e2e/inner/file"), "x\nold");
    let again = project.windlass(["runs", "undo", "last"]);
    assert!(format!("{}{}", again.stdout, again.stderr).contains("is undone already"), "{again:?}");
    let of_undo = project.windlass(["runs", "undo", "last-undo"]);
    assert_eq!(of_undo.code, 5, "{of_undo:?}");
    assert!(of_undo.stderr.contains("it is an undo itself, of run "), "{of_undo:?}");
    // A rule says what the record keeps.
    let refused = project.windlass(["runs", "prune"]);
    assert!(refused.code == 5 && refused.stderr.contains("--keep-last 100"), "{refused:?}");
    let asked = project.windlass(["runs", "prune", "--keep-last", "1"]);
    assert!(asked.code == 5 && asked.stderr.contains("there is no terminal to ask on"), "{asked:?}");
    let before = project.windlass(["runs", "list", "--output", "json"]).stdout;
    let pruned = project.windlass(["runs", "prune", "--keep-last", "1", "--yes"]);
    assert!(
        pruned.code == 0 && pruned.stderr.contains("removed the record of 3 of 4 runs"),
        "{pruned:?} {before}"
    );
    let gone = project.windlass(["runs", "show", "last"]);
    assert!(gone.stderr.contains("there are only dry runs and undos"), "{gone:?}");
    host.must("rm -rf /srv/e2e");
}

/// A directory's time says that something in it changed: an undo does not hide what others changed.
#[test]
fn the_time_of_a_directory_that_others_changed_stays() {
    let Stage { host, project } = Stage::on("full2").with(DRESSED);
    project.play(DRESSED_STEPS, "full2", "").exits(0);
    host.must("sleep 3; echo theirs >/srv/e2e/inner/theirs");
    project.report("runs undo last").exits(0);
    assert_eq!(host.must("stat -c %Y /srv/e2e"), host.must("date -d '2016-01-01 01:01:01' +%s"));
    let age = host.must("echo $(($(date +%s) - $(stat -c %Y /srv/e2e/inner)))");
    assert!(age.trim().parse::<u64>().unwrap() < 600, "{age}");
    host.must("rm -rf /srv/e2e");
}

/// A directory that is emptied and removed by one run, on a host that is worked like this.
fn a_removed_directory_has_its_time_again(on: &str, system: &str, directory: &str) {
    let Stage { host, project } = Stage::on(on).with(&format!("rm -rf {directory}"));
    project.write("files/tree/stays", "stays\n");
    project.write("files/tree/goes/inner/file", "goes\n");
    let playbook = format!("[[steps]]\n[steps.overlay]\nsource = 'tree'\ndest = '{directory}'\n");
    project.play(&playbook, on, "").exits(0);
    let times = format!("cd {directory} && find . -printf '%p %y %m %T@\\n' | sort");
    host.must(&format!("cd {directory} && touch -d '2019-01-01 01:01:01.5' goes/inner goes ."));
    let before = host.must(&times);
    fs::remove_dir_all(project.path().join("files/tree/goes")).expect("it is there");
    let report = project.play(&playbook, on, "").exits(0);
    assert_eq!((report.system(on), report.outcome(on)), (system, "changed"));
    assert!(!host.must(&times).contains("goes"), "the directory is gone");
    assert_eq!(project.report("runs undo last").exits(0).outcome(on), "undone");
    assert_same(&before, &host.must(&times));
    host.must(&format!("rm -rf {directory}"));
}

#[test]
fn a_directory_that_was_removed_has_its_time_again_by_the_agent() {
    a_removed_directory_has_its_time_again("full2", "agent", "/srv/e2e-emptied");
}

#[test]
fn a_directory_that_was_removed_has_its_time_again_through_sh() {
    a_removed_directory_has_its_time_again("noexec1", "sh", "/tmp/e2e-emptied");
}
