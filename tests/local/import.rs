//! `windlass import ansible`, and hosts that are in no inventory, through the built program.

use crate::stage::{Project, finish};

#[test]
fn an_import_writes_toml_and_replaces_nothing_unasked() {
    let project = Project::without_inventory();
    project.write("old/hosts", "[web]\nweb1 ansible_host=203.0.113.7\n");
    project.write("old/group_vars/web.yml", "port: 80\n");
    let imported = project.windlass(["import", "ansible", "old/hosts"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(imported.stdout.starts_with("wrote inventories/hosts.toml: 1 host, 1 group\n"), "{imported:?}");
    assert!(project.read("inventories/hosts.toml").contains("[groups.web.vars]\nport = 80\n"));
    let again = project.windlass(["import", "ansible", "old/hosts"]);
    assert_eq!(again.code, 5);
    assert!(again.stderr.contains("it exists") && again.stderr.contains("--force"), "{again:?}");
    assert_eq!(project.windlass(["import", "ansible", "old/hosts", "--force"]).code, 0);
    assert!(project.windlass(["hosts"]).stdout.contains("203.0.113.7"));
}

#[test]
fn what_an_import_cannot_say_is_named() {
    let project = Project::without_inventory();
    project.write("hosts.ini", "web1 ansible_password=hunter2\n");
    let imported = project.windlass(["import", "ansible", "hosts.ini", "--to", "new.toml"]);
    assert_eq!(imported.code, 2, "{imported:?}");
    assert!(imported.stdout.contains("ansible_password"), "{imported:?}");
    let text = project.read("new.toml");
    assert!(text.contains("# not imported:") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_host_that_is_typed_needs_no_project() {
    let folder = tempfile::tempdir().expect("a directory can be created");
    let project = Project::without_inventory();
    let mut command = project.command();
    command.current_dir(folder.path()).args(["run", "command", "--hosts", "127.0.0.9:1,", "--", "true"]);
    let run = finish(&mut command);
    assert_eq!(run.code, 4, "{run:?}");
    assert!(!folder.path().join(".windlass").exists());
    let mut command = project.command();
    let runs = finish(command.current_dir(folder.path()).args(["runs", "list"]));
    assert!(runs.stdout.contains("127.0.0.9:1,"), "{runs:?}");
    let mut command = project.command();
    let lint = finish(command.current_dir(folder.path()).args(["lint"]));
    assert!(lint.stderr.contains("find the project of"), "{lint:?}");
}

#[test]
fn what_works_outside_a_project_does_so_wherever_no_file_of_one_is_needed() {
    let folder = tempfile::tempdir().expect("a directory can be created");
    let project = Project::without_inventory();
    for (line, code) in [
        ("runs unlock 127.0.0.9:1,", 4),
        ("plan playbook resources --hosts 127.0.0.9:1,", 4),
        ("facts 127.0.0.9:1,", 4),
        ("backups list", 0),
        ("runs list", 0),
    ] {
        let mut command = project.command();
        command.current_dir(folder.path()).args(line.split(' '));
        let run = finish(&mut command);
        assert_eq!(run.code, code, "{line}: {run:?}");
    }
    assert!(!folder.path().join(".windlass").exists());
}
